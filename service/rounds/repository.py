"""SQL of rounds: the open one, the lock, the step, and what their recommendations stand at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session, contains_eager

from service.database.models import (
    AcquisitionRound,
    CampaignRound,
    Recommendation,
    Sample,
    Surrogate,
    ValuationRun,
)
from service.lifecycles import RecommendationStatus, RoundStep
from service.pagination import PageRequest


def add(session: Session, round_: CampaignRound) -> CampaignRound:
    session.add(round_)
    session.flush()
    return round_


def get(session: Session, round_id: int) -> CampaignRound | None:
    return session.get(CampaignRound, round_id)


def get_for_update(session: Session, round_id: int) -> CampaignRound | None:
    statement = select(CampaignRound).where(CampaignRound.id == round_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def claim(session: Session, round_id: int) -> CampaignRound | None:
    """The round, locked; None when it is closed or somebody else is at it."""
    statement = (
        select(CampaignRound)
        .where(CampaignRound.id == round_id, CampaignRound.step != RoundStep.CLOSED)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def move(
    session: Session,
    round_: CampaignRound,
    expected: RoundStep,
    step: RoundStep,
    now: datetime,
    **values: Any,  # noqa: ANN401 - any column
) -> bool:
    """Set the step if it is still the expected one; False, and nothing written, when it is not."""
    session.flush()
    statement = (
        update(CampaignRound)
        .where(CampaignRound.id == round_.id, CampaignRound.step == expected)
        .values(step=step, step_since=now, **values)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def note(session: Session, round_id: int, detail: str) -> None:
    session.execute(
        update(CampaignRound)
        .where(CampaignRound.id == round_id, CampaignRound.step != RoundStep.CLOSED)
        .values(detail=detail)
    )


def open_of(session: Session, campaign_id: int) -> CampaignRound | None:
    statement = select(CampaignRound).where(
        CampaignRound.campaign_id == campaign_id, CampaignRound.step != RoundStep.CLOSED
    )
    return session.scalars(statement).one_or_none()


def newest(session: Session, campaign_id: int) -> CampaignRound | None:
    statement = select(CampaignRound).where(CampaignRound.campaign_id == campaign_id)
    return session.scalars(statement.order_by(CampaignRound.id.desc()).limit(1)).one_or_none()


def open_ids(session: Session) -> Sequence[int]:
    statement = select(CampaignRound.id).where(CampaignRound.step != RoundStep.CLOSED)
    return session.scalars(statement.order_by(CampaignRound.id)).all()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[CampaignRound]:
    statement = (
        select(CampaignRound)
        .where(CampaignRound.campaign_id == campaign_id, CampaignRound.id > request.after)
        .order_by(CampaignRound.id)
    )
    return session.scalars(statement.limit(request.limit + 1)).all()


def lock_recommendations(session: Session, acquisition_round_id: int) -> Sequence[Recommendation]:
    """The batch with samples and sources in the order of its ids, locked.

    Taken before any lock of the campaign, as a decision about a single one does: else two could wait for
    each other.
    """
    statement = (
        select(Recommendation)
        .where(Recommendation.round_id == acquisition_round_id)
        .join(Recommendation.sample)
        .join(Sample.source)
        .options(contains_eager(Recommendation.sample).contains_eager(Sample.source))
        .order_by(Recommendation.id)
        .with_for_update(of=Recommendation)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).all()


def status_counts(
    session: Session, acquisition_round_ids: Sequence[int]
) -> dict[int, dict[RecommendationStatus, int]]:
    """Recommendations by status, for each of the acquisition rounds."""
    found: dict[int, dict[RecommendationStatus, int]] = {key: {} for key in acquisition_round_ids}
    statement = (
        select(Recommendation.round_id, Recommendation.status, func.count())
        .where(Recommendation.round_id.in_(acquisition_round_ids))
        .group_by(Recommendation.round_id, Recommendation.status)
    )
    for round_id, status, count in session.execute(statement):
        found[round_id][status] = count
    return found


def id_behind(session: Session, run: object) -> int | None:
    """The round that asked for a valuation run or a ranking; None when nobody's round did."""
    if isinstance(run, ValuationRun):
        asked = CampaignRound.valuation_run_id == run.id
    elif isinstance(run, AcquisitionRound):
        asked = CampaignRound.acquisition_round_id == run.id
    else:
        return None
    return session.scalars(select(CampaignRound.id).where(asked)).one_or_none()


def surrogate_id_of(session: Session, valuation_run_id: int) -> int:
    """The surrogate that a succeeded run has trained."""
    return session.scalars(select(Surrogate.id).where(Surrogate.valuation_run_id == valuation_run_id)).one()
