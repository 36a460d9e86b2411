"""SQL of acquisition rounds and recommendations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Float, Interval, Row, Select, cast, delete, func, insert, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session, contains_eager, joinedload, selectinload

from service.database.base import Base
from service.database.bulk import copy_rows
from service.database.models import (
    AcquisitionRound,
    PreviewedPick,
    RankedCandidate,
    Recommendation,
    RecommendationChange,
    RunLogLine,
    Sample,
    SimulationRun,
    Source,
)
from service.lifecycles import OPEN, RecommendationStatus, RunStatus
from service.pagination import PageRequest
from service.vocabulary import SampleStatus

MOST_DELETED = 10  # dry runs at once
RANKING_COLUMNS = (
    "round_id", "rank", "sample_id", "score", "information", "relevance", "predicted", "predicted_std",
    "eligible", "affordable",
)  # fmt: skip


def add_round(session: Session, round_: AcquisitionRound) -> AcquisitionRound:
    session.add(round_)
    session.flush()  # the message and the Location header need the id
    return round_


def get_round(session: Session, round_id: int) -> AcquisitionRound | None:
    return session.get(AcquisitionRound, round_id)


def newest_succeeded(session: Session, campaign_id: int) -> AcquisitionRound | None:
    statement = (
        select(AcquisitionRound)
        .where(AcquisitionRound.campaign_id == campaign_id, AcquisitionRound.status == RunStatus.SUCCEEDED)
        .order_by(AcquisitionRound.id.desc())
    )
    return session.scalars(statement.limit(1)).one_or_none()


def get_round_for_update(session: Session, round_id: int) -> AcquisitionRound | None:
    return session.get(AcquisitionRound, round_id, with_for_update=True)


def newest_rounds(
    session: Session, campaign_id: int, *, limit: int, dry_runs: bool
) -> Sequence[AcquisitionRound]:
    statement = select(AcquisitionRound).where(AcquisitionRound.campaign_id == campaign_id)
    if not dry_runs:
        statement = statement.where(~AcquisitionRound.dry_run)
    return session.scalars(statement.order_by(AcquisitionRound.id.desc()).limit(limit)).all()


def insert_recommendations(session: Session, rows: Sequence[dict[str, Any]], *, actor: str) -> list[int]:
    """Store a batch with the first row of each history; ids in the order of the rows."""
    statement = insert(Recommendation).returning(Recommendation.id, sort_by_parameter_order=True)
    ids = list(session.scalars(statement, rows))
    changes = [
        {"recommendation_id": key, "to_status": RecommendationStatus.PROPOSED, "actor": actor, "reason": ""}
        for key in ids
    ]
    session.execute(insert(RecommendationChange), changes)
    return ids


def copy_ranking(session: Session, rows: Iterable[Sequence[Any]]) -> None:
    """Store lines of a ranking, each with the values of `RANKING_COLUMNS`."""
    copy_rows(session, RankedCandidate, RANKING_COLUMNS, rows)


def _columns(model: type[Base]) -> list[InstrumentedAttribute[Any]]:
    """All of them, as attributes of the model: a session's limit to campaigns holds for these."""
    return [getattr(model, column.key) for column in model.__mapper__.column_attrs]


@cache
def _ranking() -> Select[Any]:
    """Made once, as `_listed`."""
    lines = select(*_columns(RankedCandidate), Sample.external_id, Source.name.label("source"))
    joined = lines.join(Sample, Sample.id == RankedCandidate.sample_id).join(
        Source, Source.id == Sample.source_id
    )
    return joined.order_by(RankedCandidate.rank)


def ranking_page(session: Session, round_id: int, request: PageRequest) -> list[dict[str, Any]]:
    """Lines after the rank that the request names, with the names of their samples and sources."""
    statement = _ranking().where(RankedCandidate.round_id == round_id, RankedCandidate.rank > request.after)
    return [dict(row) for row in session.execute(statement.limit(request.limit + 1)).mappings()]


def get_recommendation(session: Session, recommendation_id: int) -> Recommendation | None:
    options = [
        joinedload(Recommendation.sample).joinedload(Sample.source),
        selectinload(Recommendation.history),
    ]
    return session.get(Recommendation, recommendation_id, options=options, populate_existing=True)


def largest_information(session: Session, round_id: int) -> float:
    information = Recommendation.components["information"].as_float()
    statement = select(func.max(information)).where(Recommendation.round_id == round_id)
    return session.scalars(statement).one() or 0.0


def lock_recommendation(session: Session, recommendation_id: int) -> Recommendation | None:
    statement = (
        select(Recommendation)
        .where(Recommendation.id == recommendation_id)
        .join(Recommendation.sample)
        .join(Sample.source)
        .options(contains_eager(Recommendation.sample).contains_eager(Sample.source))
        .with_for_update(of=Recommendation)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def lock_recommendations(
    session: Session, campaign_id: int, recommendation_ids: Iterable[int]
) -> Sequence[Recommendation]:
    """Those of the campaign with samples and sources in the order of their ids, locked.

    All before any lock of the campaign, as a decision about a single one does: else two could wait for each
    other.
    """
    statement = (
        select(Recommendation)
        .where(Recommendation.campaign_id == campaign_id, Recommendation.id.in_(list(recommendation_ids)))
        .join(Recommendation.sample)
        .join(Sample.source)
        .options(contains_eager(Recommendation.sample).contains_eager(Sample.source))
        .order_by(Recommendation.id)
        .with_for_update(of=Recommendation)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).all()


def of_sample(
    session: Session, sample_id: int, statuses: Iterable[RecommendationStatus]
) -> Sequence[Recommendation]:
    """The sample's recommendations in one of `statuses`, newest first."""
    statement = select(Recommendation).where(
        Recommendation.sample_id == sample_id, Recommendation.status.in_(list(statuses))
    )
    return session.scalars(statement.order_by(Recommendation.id.desc())).all()


def add_change(session: Session, change: RecommendationChange) -> None:
    session.add(change)


@cache
def _listed() -> Select[Any]:
    """Made once: putting it together takes as long as reading the rows."""
    of_sample = (Sample.external_id, Sample.planned_features, Sample.repeats_sample_id)
    of_source = (Source.name.label("source"), Source.lead_time_hours)
    statement = select(*_columns(Recommendation), *of_sample, *of_source)
    return statement.join(Recommendation.sample).join(Sample.source).order_by(Recommendation.id)


def page(
    session: Session,
    request: PageRequest,
    *,
    campaign_id: int | None = None,
    round_id: int | None = None,
    status: RecommendationStatus | None = None,
) -> list[dict[str, Any]]:
    """Recommendations by id, which within a round is the order of their ranks, with what is told of their samples.

    Plain columns cost half of what objects do.
    """
    statement = _listed().where(Recommendation.id > request.after).limit(request.limit + 1)
    for column, value in (
        (Recommendation.campaign_id, campaign_id),
        (Recommendation.round_id, round_id),
        (Recommendation.status, status),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return [dict(row) for row in session.execute(statement).mappings()]


def of_campaign(
    session: Session, campaign_id: int, *, status: RecommendationStatus | None, offset: int, limit: int
) -> Sequence[Recommendation]:
    """The newest rounds first, each in the order of its ranks, with their histories; for the dashboard."""
    statement = (
        select(Recommendation)
        .where(Recommendation.campaign_id == campaign_id)
        .options(
            joinedload(Recommendation.sample).joinedload(Sample.source),
            selectinload(Recommendation.history),
        )
        .order_by(Recommendation.round_id.desc(), Recommendation.rank)
        .offset(offset)
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(Recommendation.status == status)
    return session.scalars(statement).all()


def rounds_with_ids(session: Session, round_ids: Iterable[int]) -> Sequence[AcquisitionRound]:
    return session.scalars(select(AcquisitionRound).where(AcquisitionRound.id.in_(list(round_ids)))).all()


def proposed_or_pending(session: Session, sample_ids: Iterable[int]) -> set[int]:
    """Those of the samples that have an open recommendation, or are no candidates any more."""
    ids = list(sample_ids)
    is_open = select(Recommendation.sample_id).where(
        Recommendation.sample_id.in_(ids), Recommendation.status.in_(list(OPEN))
    )
    has_ended = select(Sample.id).where(Sample.id.in_(ids), Sample.status != SampleStatus.CANDIDATE)
    return {*session.scalars(is_open), *session.scalars(has_ended)}


def under_way(session: Session, campaign_id: int, source_id: int) -> int:
    """Orders of one source that have not ended."""
    statement = (
        select(func.count(Recommendation.id))
        .join(Recommendation.sample)
        .where(
            Recommendation.campaign_id == campaign_id,
            Sample.source_id == source_id,
            Recommendation.status.in_([RecommendationStatus.ORDERED, RecommendationStatus.RUNNING]),
        )
    )
    return session.scalars(statement).one()


def overdue(session: Session, campaign_id: int) -> int:
    """Ordered or running acquisitions whose source's lead time has passed since they last changed."""
    due_at = Recommendation.changed_at + cast(Source.lead_time_hours, Float) * literal(
        timedelta(hours=1), Interval
    )
    statement = (
        select(func.count(Recommendation.id))
        .join(Recommendation.sample)
        .join(Sample.source)
        .where(
            Recommendation.campaign_id == campaign_id,
            Recommendation.status.in_([RecommendationStatus.ORDERED, RecommendationStatus.RUNNING]),
            due_at < func.now(),
        )
    )
    return session.scalars(statement).one()


def add_simulation(session: Session, run: SimulationRun) -> SimulationRun:
    session.add(run)
    session.flush()  # the message needs the id
    return run


def open_simulation(session: Session, recommendation_id: int) -> SimulationRun | None:
    """The simulation of a recommendation that waits or runs, locked."""
    statement = select(SimulationRun).where(
        SimulationRun.recommendation_id == recommendation_id,
        SimulationRun.status.in_([RunStatus.QUEUED, RunStatus.RUNNING]),
    )
    locked = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalars(locked).one_or_none()


def lock_simulation(session: Session, run_id: int) -> SimulationRun:
    """A simulation that is there, locked, as it stands now."""
    statement = select(SimulationRun).where(SimulationRun.id == run_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def simulations_of(session: Session, recommendation_id: int) -> Sequence[SimulationRun]:
    """Every simulation of a recommendation, oldest first."""
    statement = select(SimulationRun).where(SimulationRun.recommendation_id == recommendation_id)
    return session.scalars(statement.order_by(SimulationRun.id)).all()


def running_simulations(session: Session, source_id: int) -> int:
    """Simulations of one source that workers have in hand."""
    statement = (
        select(func.count(SimulationRun.id))
        .join(Recommendation, Recommendation.id == SimulationRun.recommendation_id)
        .join(Recommendation.sample)
        .where(Sample.source_id == source_id, SimulationRun.status == RunStatus.RUNNING)
    )
    return session.scalars(statement).one()


def simulations(session: Session) -> Sequence[Row[int, int, int, datetime | None]]:
    """`id`, `recommendation_id`, `attempt` and `finished_at` of all simulation runs."""
    run = SimulationRun
    return session.execute(select(run.id, run.recommendation_id, run.attempt, run.finished_at)).all()


def failed_simulations(session: Session) -> Sequence[SimulationRun]:
    """The newest simulation of each recommendation that still waits for one, where that one has failed."""
    newest = (
        select(func.max(SimulationRun.id))
        .join(Recommendation, Recommendation.id == SimulationRun.recommendation_id)
        .where(Recommendation.status.in_([RecommendationStatus.ORDERED, RecommendationStatus.RUNNING]))
        .group_by(SimulationRun.recommendation_id)
    )
    statement = select(SimulationRun).where(
        SimulationRun.id.in_(newest), SimulationRun.status == RunStatus.FAILED
    )
    return session.scalars(statement).all()


def insert_preview(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store the batch that a dry run would have proposed."""
    session.execute(insert(PreviewedPick), rows)


def preview_page(session: Session, round_id: int, request: PageRequest) -> Sequence[PreviewedPick]:
    """Lines after the rank that the request names, with samples and sources."""
    statement = (
        select(PreviewedPick)
        .where(PreviewedPick.round_id == round_id, PreviewedPick.rank > request.after)
        .options(joinedload(PreviewedPick.sample).joinedload(Sample.source))
        .order_by(PreviewedPick.rank)
    )
    return session.scalars(statement.limit(request.limit + 1)).all()


def delete_dry_runs(session: Session, moment: datetime) -> int:
    """Delete dry runs that ended before `moment`, and what hangs on them; how many."""
    old = (
        select(AcquisitionRound.id)
        .where(AcquisitionRound.dry_run, AcquisitionRound.finished_at < moment)
        .order_by(AcquisitionRound.id)
        .limit(MOST_DELETED)
        .with_for_update(skip_locked=True)
    )
    ids = session.scalars(old).all()
    if ids:
        session.execute(
            delete(RunLogLine).where(
                RunLogLine.run_kind == AcquisitionRound.__tablename__, RunLogLine.run_id.in_(ids)
            )
        )
        session.execute(delete(PreviewedPick).where(PreviewedPick.round_id.in_(ids)))
        session.execute(delete(RankedCandidate).where(RankedCandidate.round_id.in_(ids)))
        session.execute(delete(AcquisitionRound).where(AcquisitionRound.id.in_(ids)))
    return len(ids)
