"""Designs that are only looked at, and never stored: read and checked like candidates, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.campaigns.schemas import Label, Strict
from service.database.models import Campaign
from service.errors import FieldError, InputError, TooLargeError, json_pointer
from service.samples.schemas import GivenValue, SampleCreate
from service.samples.service import MOST_ERRORS, schema_of
from service.samples.tables import UNREADABLE_JSON, Row, read_rows
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


def read_designs(
    campaign: Campaign, content: bytes, content_type: str, *, most: int
) -> tuple[list[Row], dict[str, Any]]:
    """Rows of a body, and what a JSON body says beside its `designs`; NDJSON and CSV hold rows only.

    Raises:
        InputError: if nothing can be read.
        TooLargeError: if there are more than `most` rows.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return read_rows(content, content_type, schema_of(campaign).features, most=most), {}
    try:
        document = json.loads(content or b"null")
    except UNREADABLE_JSON as error:
        raise InputError(f"The body is not JSON: {error}.") from error
    designs = document.pop("designs", None) if isinstance(document, dict) else None
    if not isinstance(designs, list) or not designs:
        hint = 'Send {"designs": [{"source": ..., "planned_features": ...}]}.'
        raise InputError("No list of designs.", hint=hint)
    if len(designs) > most:
        raise TooLargeError(f"More than {most:,} designs.", hint="Send them in several requests.")
    rows: list[Row] = [
        row if isinstance(row, dict) else [FieldError("", "expects an object")] for row in designs
    ]
    return rows, document


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
