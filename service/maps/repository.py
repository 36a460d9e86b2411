"""SQL of the maps of rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, String, cast, func, literal, select
from sqlalchemy.orm import Session

from service.database.bulk import copy_rows
from service.database.models import (
    AcquisitionRound,
    DataValue,
    LabelChange,
    MapPoint,
    PoolMap,
    Recommendation,
    Sample,
    Source,
    Surrogate,
)

POINT_COLUMNS = ("round_id", "sample_id", "role", "x", "y", "predicted", "predicted_std", "half_width")


def add(session: Session, pool_map: PoolMap, points: Iterable[Sequence[Any]]) -> None:
    """Store a map with its points, each with the values of `POINT_COLUMNS`."""
    session.add(pool_map)
    copy_rows(session, MapPoint, POINT_COLUMNS, points)


def get(session: Session, round_id: int) -> PoolMap | None:
    return session.get(PoolMap, round_id)


def newest_of(session: Session, campaign_id: int) -> PoolMap | None:
    """The map of the campaign's newest round that has one."""
    statement = (
        select(PoolMap)
        .join(AcquisitionRound, AcquisitionRound.id == PoolMap.round_id)
        .where(AcquisitionRound.campaign_id == campaign_id)
        .order_by(PoolMap.round_id.desc())
        .limit(1)
    )
    return session.scalars(statement).one_or_none()


def round_ids(session: Session, campaign_id: int, limit: int) -> Sequence[int]:
    """Rounds of the campaign that have a map, newest first."""
    statement = (
        select(PoolMap.round_id)
        .join(AcquisitionRound, AcquisitionRound.id == PoolMap.round_id)
        .where(AcquisitionRound.campaign_id == campaign_id)
        .order_by(PoolMap.round_id.desc())
        .limit(limit)
    )
    return session.scalars(statement).all()


def campaign_id_of(session: Session, round_id: int) -> int | None:
    statement = select(AcquisitionRound.campaign_id).where(AcquisitionRound.id == round_id)
    return session.scalars(statement).one_or_none()


def changed_labels(session: Session, round_id: int) -> tuple[int, int]:
    """(points that have a label now, newest change of a label): they grow with each change."""
    statement = (
        select(func.count(Sample.target), func.coalesce(func.max(LabelChange.id), 0))
        .select_from(MapPoint)
        .join(Sample, Sample.id == MapPoint.sample_id)
        .outerjoin(LabelChange, LabelChange.sample_id == Sample.id)
        .where(MapPoint.round_id == round_id)
    )
    count, newest = session.execute(statement).one()
    return count, newest


def points(session: Session, round_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Points in the order in which they are drawn, with name, source, label, data value and recommendation."""
    run_id = (
        select(Surrogate.valuation_run_id)
        .join(AcquisitionRound, AcquisitionRound.surrogate_id == Surrogate.id)
        .where(AcquisitionRound.id == round_id)
        .scalar_subquery()
    )
    statement = (
        select(
            MapPoint.sample_id,
            MapPoint.role,
            MapPoint.x,
            MapPoint.y,
            MapPoint.predicted,
            MapPoint.predicted_std,
            MapPoint.half_width,
            func.coalesce(Sample.external_id, literal("sample ") + cast(Sample.id, String)).label("name"),
            Source.name.label("source"),
            Sample.target,
            DataValue.value,
            Recommendation.id.label("recommendation_id"),
            Recommendation.rank,
            Recommendation.arm,
        )
        .outerjoin(Sample, Sample.id == MapPoint.sample_id)
        .outerjoin(Source, Source.id == Sample.source_id)
        .outerjoin(
            DataValue, (DataValue.sample_id == MapPoint.sample_id) & (DataValue.valuation_run_id == run_id)
        )
        .outerjoin(
            Recommendation,
            (Recommendation.sample_id == MapPoint.sample_id) & (Recommendation.round_id == round_id),
        )
        .where(MapPoint.round_id == round_id)
        .order_by(MapPoint.id)
    )
    return session.execute(statement).all()


def half_widths(session: Session, sample_ids_by_round: dict[int, list[int]]) -> dict[tuple[int, int], float]:
    """Half the interval of samples, by (round id, sample id); without those that have none."""
    found: dict[tuple[int, int], float] = {}
    for round_id, sample_ids in sample_ids_by_round.items():
        statement = select(MapPoint.sample_id, MapPoint.half_width).where(
            MapPoint.round_id == round_id,
            MapPoint.sample_id.in_(sample_ids),
            MapPoint.half_width.is_not(None),
        )
        found |= {(round_id, row.sample_id): row.half_width for row in session.execute(statement).all()}
    return found
