"""Rules of valuation runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.campaigns import repository as campaigns_repository
from service.campaigns import service as campaigns
from service.database.models import Campaign, DataValue, Surrogate, ValuationRun
from service.errors import ConflictError, NotFoundError
from service.pagination import PageRequest, cut_page
from service.runs import repository as runs_repository
from service.runs import service as runs
from service.valuations import repository
from service.valuations.schemas import DataValueRead, ValuationRequest, ValuedSample

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Fewer say nothing about a sample's value.
LEAST_LABELLED = 10


def request_run(
    session: Session, campaign: Campaign, request: ValuationRequest, *, actor: str
) -> ValuationRun:
    """A queued run.

    Raises:
        ConflictError: if the campaign has too few samples to learn from, or nothing that stands for its
            target domain; the worker checks the snapshot that it takes once more.
    """
    _require_data(session, campaign)
    run = ValuationRun(
        campaign_id=campaign.id,
        configuration=request.configuration.model_dump(mode="json"),
        seed=request.seed,
        requested_by=actor,
    )
    repository.add(session, run)
    runs.submit(session, run, actor=actor)
    return run


def _require_data(session: Session, campaign: Campaign) -> None:
    counts = campaigns_repository.sample_counts(session, campaign.id)
    labelled = sum(n for status, split, n in counts if (status, split) == ("labelled", "train"))
    if labelled < LEAST_LABELLED:
        message = f"The campaign has {labelled} labelled samples in split train, and needs {LEAST_LABELLED}."
        raise ConflictError(message, hint="POST .../samples:bulk with targets first.")
    has_validation = any(split == "validation" for _, split, _ in counts)
    if not has_validation and not campaign.target_domain["conditions"]:
        message = "Nothing stands for the target domain."
        hint = "Add samples in split validation (a target is not needed), or create the campaign with conditions."
        raise ConflictError(message, hint=hint)


def get(session: Session, run_id: int) -> ValuationRun:
    """The run.

    Raises:
        NotFoundError: if there is none with this id.
    """
    run = repository.get(session, run_id)
    if run is None:
        raise NotFoundError(f"There is no valuation run {run_id}.")
    return run


def cancel(session: Session, run_id: int, *, actor: str) -> ValuationRun:
    """Cancel the run.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    run = repository.get_for_update(session, run_id)
    if run is None:
        raise NotFoundError(f"There is no valuation run {run_id}.")
    runs.cancel(session, run, actor=actor)
    return run


def page(session: Session, campaign_id: int, request: PageRequest) -> tuple[Sequence[ValuationRun], bool]:
    """Oldest first, and whether there are more.

    Raises:
        NotFoundError: if there is no such campaign.
    """
    found = runs_repository.page(session, ValuationRun, campaign_id, request)
    return cut_page(campaigns.listed(session, campaign_id, found), request.limit)


def newest(session: Session, campaign: Campaign, *, limit: int) -> Sequence[ValuationRun]:
    return runs_repository.newest(session, ValuationRun, campaign.id, limit)


def newest_succeeded(session: Session, campaign: Campaign) -> ValuationRun | None:
    """The run whose data values count; None before the first success."""
    return repository.newest_succeeded(session, campaign.id)


def newest_versions(
    session: Session, campaign: Campaign, *, limit: int
) -> Sequence[tuple[Surrogate, ValuationRun]]:
    """Surrogates with the runs that trained them, newest first."""
    return repository.newest_with_runs(session, campaign.id, limit)


def count_surrogates(session: Session, campaign: Campaign) -> int:
    return repository.count_surrogates(session, campaign.id)


def least_valuable(session: Session, run: ValuationRun, *, offset: int, limit: int) -> Sequence[DataValue]:
    """The most suspicious samples first, with sample and source."""
    request = PageRequest(after=offset, limit=limit)
    return cut_page(repository.values_page(session, run.id, request, lowest_first=True), limit)[0]


def valued_samples(session: Session, run: ValuationRun) -> list[ValuedSample]:
    """All samples of the run with their values, most valuable first. O(samples)."""
    return repository.valued_samples(session, run.id)


def read_value(row: DataValue) -> DataValueRead:
    columns = {column.key: getattr(row, column.key) for column in DataValue.__mapper__.column_attrs}
    return DataValueRead.model_validate({**columns, "external_id": row.sample.external_id})


def values_page(
    session: Session, run: ValuationRun, request: PageRequest, *, lowest_first: bool
) -> tuple[Sequence[DataValue], bool]:
    return cut_page(
        repository.values_page(session, run.id, request, lowest_first=lowest_first), request.limit
    )


def get_surrogate(session: Session, surrogate_id: int, *, with_artefact: bool = False) -> Surrogate:
    """The surrogate.

    Raises:
        NotFoundError: if there is none with this id, or its network is asked for and retention has deleted it.
    """
    surrogate = repository.get_surrogate(session, surrogate_id, with_artefact=with_artefact)
    if surrogate is None:
        raise NotFoundError(f"There is no surrogate {surrogate_id}.")
    if with_artefact and surrogate.artefact is None:
        hint = (
            f"Its figures are kept. Value again with the seed of valuation run {surrogate.valuation_run_id}."
        )
        message = f"The network of surrogate {surrogate_id} was old and unused, and has been deleted."
        raise NotFoundError(message, hint=hint)
    return surrogate


def prune_artefacts(session: Session, *, now: datetime, keep_days: int) -> int:
    """Delete networks that are older than the retention and that nothing refers to; how many."""
    return repository.prune_artefacts(session, before=now - timedelta(days=keep_days))


def surrogates_page(
    session: Session, campaign: Campaign, request: PageRequest
) -> tuple[Sequence[Surrogate], bool]:
    return cut_page(repository.surrogates_page(session, campaign.id, request), request.limit)
