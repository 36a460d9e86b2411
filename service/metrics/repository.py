"""SQL of the metrics: aggregates over the rows, cheap enough for a scrape every few seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, text
from sqlalchemy.dialects.postgresql import array, distinct_on
from sqlalchemy.orm import Session

from service.database.models import AcquisitionRound, Upload
from service.lifecycles import RunStatus, UploadStatus
from service.runs.service import TASK_OF_RUN, AnyRun


@dataclass(frozen=True)
class Durations:
    """Of ended runs of one kind and outcome: how many lasted up to each bound (and beyond all), and their sum."""

    kind: str
    status: str
    counts: tuple[int, ...]
    total_s: float


def status_counts(session: Session) -> list[tuple[str, str, int]]:
    """(table, status, rows) of every kind of run, and of uploads."""
    return [
        (kind.__tablename__, status.value, count)
        for kind in (*TASK_OF_RUN, Upload)
        for status, count in session.execute(select(kind.status, func.count()).group_by(kind.status))
    ]


def longest_wait_s(session: Session) -> dict[str, float]:
    """How long the oldest queued row of each kind has waited, in seconds; 0 where none waits."""
    return {
        **{
            kind.__tablename__: _wait(session, kind.created_at, kind.status == RunStatus.QUEUED)
            for kind in TASK_OF_RUN
        },
        Upload.__tablename__: _wait(session, Upload.queued_at, Upload.status == UploadStatus.QUEUED),
    }


def _wait(session: Session, since: Any, waits: ColumnElement[bool]) -> float:  # noqa: ANN401 - a column
    waited = func.extract("epoch", func.now() - func.min(since))
    return float(session.scalars(select(func.coalesce(waited, 0)).where(waits)).one())


def durations(session: Session, bounds_s: Sequence[float]) -> list[Durations]:
    """How long ended runs took from their last claim, by kind and outcome."""
    found: list[Durations] = []
    for kind in TASK_OF_RUN:
        counts: dict[str, list[int]] = {}
        totals: dict[str, float] = {}
        for status, bucket, count, seconds in session.execute(_durations_of(kind, bounds_s)):
            counts.setdefault(status.value, [0] * (len(bounds_s) + 1))[bucket] += count
            totals[status.value] = totals.get(status.value, 0.0) + float(seconds)
        found += [Durations(kind.__tablename__, key, tuple(counts[key]), totals[key]) for key in counts]
    return found


def _durations_of(kind: type[AnyRun], bounds_s: Sequence[float]) -> Select[RunStatus, int, int, float]:
    seconds = func.extract("epoch", kind.finished_at - kind.started_at)
    bucket = func.width_bucket(seconds, array([literal(bound) for bound in bounds_s]))
    return (
        select(kind.status, bucket, func.count(), func.sum(seconds))
        .where(kind.finished_at.is_not(None), kind.started_at.is_not(None))
        .group_by(kind.status, bucket)
    )


def newest_pool_sizes(session: Session) -> dict[int, int]:
    """Candidates in the newest finished ranking of each campaign."""
    statement = (
        select(AcquisitionRound.campaign_id, AcquisitionRound.pool_size)
        .ext(distinct_on(AcquisitionRound.campaign_id))
        .where(AcquisitionRound.status == RunStatus.SUCCEEDED, AcquisitionRound.pool_size.is_not(None))
        .order_by(AcquisitionRound.campaign_id, AcquisitionRound.id.desc())
    )
    return {campaign_id: size or 0 for campaign_id, size in session.execute(statement)}


def samples_inserted(session: Session) -> int:
    """Samples ever inserted, by Postgres's own count: no row is read. Seconds late, and 0 after a crash."""
    statement = text("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'samples'")
    return int(session.scalars(statement).one())
