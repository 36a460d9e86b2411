"""Designs that are only looked at, and never stored: read and checked like candidates, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from service.campaigns.schemas import Label, Strict
from service.database.models import Campaign
from service.errors import FieldError, InputError, json_pointer
from service.samples.schemas import GivenValue, SampleCreate
from service.samples.service import MOST_ERRORS, schema_of
from service.samples.tables import Row
from service.samples.validation import SampleSchema, Value, check_sample


class DesignCreate(Strict):
    """A design as `samples` takes it, without a result."""

    source: Label
    planned_features: dict[str, GivenValue]
    external_id: Label | None = None
    group: Label | None = None


@dataclass(frozen=True)
class Design:
    """A checked design: plain values of its features, by the names of the campaign's schema."""

    source: str
    features: Mapping[str, Value]
    external_id: str | None
    group: str | None


def check_designs(campaign: Campaign, rows: Sequence[Row]) -> list[Design]:
    """The designs, in their order.

    Raises:
        InputError: naming row, field and remedy of everything that is wrong.
    """
    schema = schema_of(campaign)
    checked = [_check(row, schema) for row in rows]
    bad = [(index, found) for index, found in enumerate(checked) if isinstance(found, list)]
    if bad:
        errors = [
            FieldError(f"/designs/{index}{error.pointer}", error.message)
            for index, found in bad
            for error in found
        ]
        message = f"{len(bad):,} of {len(rows):,} designs are wrong."
        raise InputError(message, hint="Mend them, or leave them out.", errors=errors[:MOST_ERRORS])
    return [found for found in checked if isinstance(found, Design)]


def _check(row: Row, schema: SampleSchema) -> Design | list[FieldError]:
    if isinstance(row, list):
        return row
    try:
        given = DesignCreate.model_validate(row)
    except ValidationError as error:
        return [
            FieldError(json_pointer(detail["loc"]), detail["msg"].removeprefix("Value error, "))
            for detail in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    sample = SampleCreate(source=given.source, planned_features=given.planned_features)
    found = check_sample(sample, schema)
    return found.errors or Design(given.source, found.planned, given.external_id, given.group)
