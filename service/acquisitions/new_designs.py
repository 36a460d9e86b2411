"""Designs that a round request brings along: candidates from then on, and in the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.database.models import Campaign
from service.errors import FieldError, InputError
from service.samples import service as samples
from service.samples.schemas import OnError
from service.samples.tables import Row

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def with_new_candidates(
    session: Session, campaign: Campaign, request: AcquisitionRequest, *, actor: str
) -> AcquisitionConfiguration:
    """The configuration that also injects the designs of the request, which become candidates.

    Raises:
        InputError: naming what does not fit the campaign; nothing is stored then.
    """
    if not request.injected_designs:
        return request.configuration
    rows: list[Row] = [
        design.model_dump(mode="json", exclude_unset=True) for design in request.injected_designs
    ]
    try:
        made = samples.create_bulk(session, campaign, rows, OnError.REJECT_ALL, actor=actor)
    except InputError as error:
        errors = [
            FieldError(item.pointer.replace("/samples", "/injected_designs", 1), item.message)
            for item in error.errors
        ]
        hint = "Mend them, or leave them out."
        raise InputError("The injected designs do not fit the campaign.", hint=hint, errors=errors) from error
    new_ids = [row.id for row in made.results if row.id is not None]
    ids = [*request.configuration.injected_sample_ids, *new_ids]
    return request.configuration.model_copy(update={"injected_sample_ids": ids})
