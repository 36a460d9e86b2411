"""Rules of imports out of public databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.campaigns import repository as campaigns_repository
from service.database.models import Campaign, ImportRun
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.imports import repository
from service.imports.schemas import ImportRequest
from service.pagination import PageRequest, cut_page
from service.runs import repository as runs_repository
from service.runs import service as runs
from service.signals.rolc import ROLC_DEFINITIONS
from service.vocabulary import SourceKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def request_run(session: Session, campaign: Campaign, request: ImportRequest, *, actor: str) -> ImportRun:
    """A queued import.

    Raises:
        InputError: if the source is not the campaign's, or its labels are none that a file gives.
        ConflictError: if an import of the campaign is under way: one at a time is polite to the database.
    """
    source = _source(campaign, request.source)
    if campaign.target["label_definition"] not in ROLC_DEFINITIONS:
        definition = campaign.target["label_definition"]
        hint = f"Files give labels by {', '.join(ROLC_DEFINITIONS)}."
        raise InputError(f"The campaign's labels are by '{definition}', which no file gives.", hint=hint)
    campaigns_repository.lock(session, campaign.id)
    active = repository.under_way(session, campaign.id)
    if active is not None:
        hint = f"Follow it at /api/v1/imports/{active.id}, or cancel it first."
        raise ConflictError(f"Import {active.id} of this campaign is {active.status}.", hint=hint)
    run = ImportRun(
        campaign_id=campaign.id,
        configuration=request.model_dump(mode="json") | {"source": source},
        seed=0,
        requested_by=actor,
    )
    repository.add(session, run)
    runs.submit(session, run, actor=actor)
    return run


def _source(campaign: Campaign, name: str | None) -> str:
    names = [source.name for source in campaign.sources]
    if name is None:
        tests = [source.name for source in campaign.sources if source.kind is SourceKind.PHYSICAL_TEST]
        if len(tests) == 1:
            return tests[0]
    if name not in names:
        said = "which source?" if name is None else f"unknown source '{name}':"
        errors = [FieldError("/source", f"{said} use one of {', '.join(names)}")]
        raise InputError("The import does not fit the campaign.", errors=errors)
    return name


def get(session: Session, run_id: int) -> ImportRun:
    """The import.

    Raises:
        NotFoundError: if there is none with this id.
    """
    run = repository.get(session, run_id)
    if run is None:
        raise NotFoundError(f"There is no import {run_id}.")
    return run


def cancel(session: Session, run_id: int, *, actor: str) -> ImportRun:
    """Stop the import after the test that it is at; what is there stays.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    run = repository.get_for_update(session, run_id)
    if run is None:
        raise NotFoundError(f"There is no import {run_id}.")
    runs.cancel(session, run, actor=actor)
    return run


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[ImportRun], bool]:
    return cut_page(runs_repository.page(session, ImportRun, campaign.id, request), request.limit)
