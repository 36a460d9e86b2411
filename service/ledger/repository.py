"""SQL of the regret ledger and the stop rule: plain columns of what rounds predicted and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Select, case, func, select, true
from sqlalchemy.orm import Session

from service.database.models import AcquisitionRound, DataValue, Recommendation, Sample, Source, Surrogate
from service.lifecycles import OPEN, RecommendationStatus, RunStatus
from service.vocabulary import Arm, SampleStatus, Split


@dataclass(frozen=True)
class PickRow:
    """One recommendation; `target` is its result, None while there is none, as what was predicted of it."""

    round_id: int
    arm: Arm
    status: RecommendationStatus
    selection_probability: float | None
    acquisition_cost: Decimal
    components: dict[str, Any] | None
    target: float | None


@dataclass(frozen=True)
class Learned:
    """Results of recommendations that a surrogate was trained on, and what they cost."""

    results: int
    acquisition_cost: Decimal


def rounds(session: Session, campaign_id: int) -> Sequence[AcquisitionRound]:
    """Succeeded rounds, oldest first; dry runs have proposed nothing and do not count."""
    statement = select(AcquisitionRound).where(
        AcquisitionRound.campaign_id == campaign_id,
        AcquisitionRound.status == RunStatus.SUCCEEDED,
        ~AcquisitionRound.dry_run,
    )
    return session.scalars(statement.order_by(AcquisitionRound.id)).all()


@cache
def _picks() -> Select[Any]:
    """Made once: putting it together takes as long as reading a page of rows."""
    is_completed = Recommendation.status == RecommendationStatus.COMPLETED
    statement = select(
        Recommendation.round_id,
        Recommendation.arm,
        Recommendation.status,
        Recommendation.selection_probability,
        Recommendation.acquisition_cost,
        case((is_completed, Recommendation.components)),
        Sample.target,
    )
    with_result = is_completed & (Sample.id == Recommendation.sample_id)
    return statement.outerjoin(Sample, with_result).order_by(Recommendation.id)


def picks(session: Session, campaign_id: int) -> list[PickRow]:
    """All recommendations of the campaign by id."""
    statement = _picks().where(Recommendation.campaign_id == campaign_id)
    return [PickRow(*row) for row in session.execute(statement)]


def surrogates(session: Session, campaign_id: int) -> Sequence[Surrogate]:
    """Surrogates with their metrics, oldest first."""
    statement = select(Surrogate).where(Surrogate.campaign_id == campaign_id)
    return session.scalars(statement.order_by(Surrogate.id)).all()


def results_learned(session: Session, campaign_id: int) -> dict[tuple[int, int], int]:
    """(round id, surrogate id) to how many results of the round the surrogate was trained on."""
    statement = (
        select(Recommendation.round_id, Surrogate.id, func.count())
        .join(DataValue, DataValue.sample_id == Recommendation.sample_id)
        .join(Surrogate, Surrogate.valuation_run_id == DataValue.valuation_run_id)
        .where(
            Recommendation.campaign_id == campaign_id,
            Recommendation.status == RecommendationStatus.COMPLETED,
        )
        .group_by(Recommendation.round_id, Surrogate.id)
    )
    return {(round_id, key): count for round_id, key, count in session.execute(statement)}


def learned_by_surrogate(session: Session, campaign_id: int) -> dict[int, Learned]:
    """Surrogate id to the results that it was trained on; one that learned from none is left out."""
    statement = (
        select(Surrogate.id, func.count(), func.sum(Recommendation.acquisition_cost))
        .join(DataValue, DataValue.valuation_run_id == Surrogate.valuation_run_id)
        .join(Recommendation, Recommendation.sample_id == DataValue.sample_id)
        .where(
            Surrogate.campaign_id == campaign_id,
            Recommendation.campaign_id == campaign_id,
            Recommendation.status == RecommendationStatus.COMPLETED,
        )
        .group_by(Surrogate.id)
    )
    return {key: Learned(count, cost) for key, count, cost in session.execute(statement)}


def failed_before(session: Session, campaign_id: int) -> dict[int, Decimal]:
    """Surrogate id to the price of the acquisitions that had failed before it was trained."""
    statement = (
        select(Surrogate.id, func.sum(Recommendation.acquisition_cost))
        .join(
            Recommendation,
            (Recommendation.campaign_id == Surrogate.campaign_id)
            & (Recommendation.changed_at <= Surrogate.created_at),
        )
        .where(Surrogate.campaign_id == campaign_id, Recommendation.status == RecommendationStatus.FAILED)
        .group_by(Surrogate.id)
    )
    return dict(session.execute(statement).all())


def cheapest_candidate(session: Session, campaign_id: int) -> Decimal | None:
    """The lowest price of a candidate that is neither proposed nor pending; None when there is none.

    Repetitions of tests do not count: no campaign goes on for their sake alone.
    """
    taken = select(Recommendation.id).where(
        Recommendation.sample_id == Sample.id, Recommendation.status.in_(list(OPEN))
    )
    # The first free candidate of a source settles it. EXISTS would not do: Postgres joins the whole pool for it.
    free = select(Sample.id).where(
        Sample.source_id == Source.id,
        Sample.campaign_id == campaign_id,
        Sample.status == SampleStatus.CANDIDATE,
        Sample.split == Split.TRAIN,
        Sample.repeats_sample_id.is_(None),
        ~taken.exists(),
    )
    statement = (
        select(func.min(Source.acquisition_cost))
        .join(free.limit(1).lateral(), true())
        .where(Source.campaign_id == campaign_id)
    )
    return session.execute(statement).scalar_one()


def open_recommendations(session: Session, campaign_id: int) -> int:
    """Proposed and pending ones."""
    statement = select(func.count(Recommendation.id)).where(
        Recommendation.campaign_id == campaign_id, Recommendation.status.in_(list(OPEN))
    )
    return session.scalars(statement).one()


def newest_round(session: Session, campaign_id: int) -> AcquisitionRound | None:
    statement = (
        select(AcquisitionRound)
        .where(
            AcquisitionRound.campaign_id == campaign_id,
            AcquisitionRound.status == RunStatus.SUCCEEDED,
            ~AcquisitionRound.dry_run,
        )
        .order_by(AcquisitionRound.id.desc())
    )
    return session.scalars(statement.limit(1)).one_or_none()


def components_of_round(session: Session, round_id: int) -> list[dict[str, Any]]:
    """Components of what the strategy chose in a round."""
    statement = select(Recommendation.components).where(
        Recommendation.round_id == round_id, Recommendation.arm == Arm.CHOSEN
    )
    return list(session.scalars(statement.order_by(Recommendation.rank)))
