"""Rules of backtests, and of the evidence that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from service.backtests import repository
from service.backtests.evidence import evidence_from, without_backtest
from service.backtests.schemas import BacktestRead, BacktestRequest, EvidenceRead
from service.campaigns import repository as campaigns_repository
from service.database.models import Backtest, Campaign
from service.errors import ConflictError, NotFoundError
from service.lifecycles import RunStatus
from service.pagination import PageRequest, cut_page
from service.runs import repository as runs_repository
from service.runs import service as runs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def request_backtest(
    session: Session, campaign: Campaign, request: BacktestRequest, *, actor: str
) -> Backtest:
    """A queued backtest.

    Too few labels for a verdict are no error: the report says `not_enough_data`, and what is needed.

    Raises:
        ConflictError: if the campaign has no labelled sample in split train at all.
    """
    if not labelled_count(session, campaign.id):
        message = "The campaign has no labelled sample in split train that could be replayed."
        raise ConflictError(message, hint="POST .../samples:bulk with targets first.")
    backtest = Backtest(
        campaign_id=campaign.id,
        configuration=request.configuration.model_dump(mode="json"),
        seed=request.seed,
        requested_by=actor,
    )
    repository.add(session, backtest)
    runs.submit(session, backtest, actor=actor)
    return backtest


def labelled_count(session: Session, campaign_id: int) -> int:
    """Labelled samples in split train."""
    return campaigns_repository.labelled_in_train(session, campaign_id)


def get(session: Session, backtest_id: int) -> Backtest:
    """The backtest.

    Raises:
        NotFoundError: if there is none with this id.
    """
    backtest = repository.get(session, backtest_id)
    if backtest is None:
        raise NotFoundError(f"There is no backtest {backtest_id}.")
    return backtest


def cancel(session: Session, backtest_id: int, *, actor: str) -> Backtest:
    """Cancel the backtest.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    backtest = repository.get_for_update(session, backtest_id)
    if backtest is None:
        raise NotFoundError(f"There is no backtest {backtest_id}.")
    runs.cancel(session, backtest, actor=actor)
    return backtest


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Backtest], bool]:
    return cut_page(runs_repository.page(session, Backtest, campaign.id, request), request.limit)


def newest(session: Session, campaign: Campaign, *, limit: int) -> Sequence[Backtest]:
    """Newest first."""
    return runs_repository.newest(session, Backtest, campaign.id, limit)


def newest_succeeded(session: Session, campaign_id: int) -> Backtest | None:
    """The backtest whose verdicts count; None before the first success."""
    return repository.newest_succeeded(session, campaign_id)


def newest_evidence(session: Session, campaign_id: int) -> Callable[[str], EvidenceRead]:
    """From a strategy to what the campaign's newest succeeded backtest says about it."""
    backtest = repository.newest_succeeded(session, campaign_id)
    if backtest is None:
        return partial(without_backtest, labelled=labelled_count(session, campaign_id))
    return partial(evidence_from, backtest)


def read(backtest: Backtest) -> BacktestRead:
    found = BacktestRead.model_validate(backtest)
    if backtest.status is not RunStatus.SUCCEEDED:
        return found
    names = [entry["strategy"] for entry in (backtest.metrics or {}).get("strategies", [])]
    return found.model_copy(update={"evidence": [evidence_from(backtest, name) for name in names]})
