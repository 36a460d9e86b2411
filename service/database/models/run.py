"""The columns of everything that a worker computes: claim, progress, result, failure."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Constraint,
    Float,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from service.database.base import AskedIn, Base, Created, Document, Moment, PrimaryKey, enum_column
from service.lifecycles import AttemptOutcome, RunStatus
from service.vocabulary import LogLevel, LogSpeaker


class RunColumns:
    """The row is the truth about a run, the queue only delivers it.

    `configuration`, `seed`, `sample_ids` and `data_hash` are the frozen snapshot: with the same four, the
    result is the same bytes.
    """

    id: Mapped[PrimaryKey]
    status: Mapped[RunStatus] = mapped_column(enum_column(RunStatus, "status"), default=RunStatus.QUEUED)
    configuration: Mapped[Document]
    seed: Mapped[int] = mapped_column(BigInteger)
    sample_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    data_hash: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[float] = mapped_column(Float(53), default=0.0)
    progress_message: Mapped[str] = mapped_column(String(400), default="waiting for a worker")
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[Moment | None]
    worker: Mapped[str | None] = mapped_column(String(200))
    device: Mapped[str | None] = mapped_column(String(64))
    metrics: Mapped[Document | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    requested_by: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[AskedIn]
    created_at: Mapped[Created]
    sent_at: Mapped[Moment | None]  # when its message was last given to the broker
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


def large_id_list() -> MappedColumn[Any]:
    """A column that is read only when it is asked for, in a session: a large pool makes it megabytes."""
    return mapped_column(ARRAY(BigInteger), deferred=True)


def run_constraints() -> tuple[Constraint, ...]:
    """What the database itself demands of every run; the pair is what its results refer to."""
    return (
        UniqueConstraint("id", "campaign_id"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_is_share"),
        CheckConstraint("(status = 'failed') = (error_message IS NOT NULL)", name="failed_has_reason"),
        CheckConstraint("status <> 'succeeded' OR data_hash IS NOT NULL", name="succeeded_has_snapshot"),
    )


class RunAttempt(Base):
    """How one attempt at a run ended; rows are only ever added (a trigger refuses the rest).

    The attempt under way stands in the run itself. An attempt that was thought lost and then delivered has two
    rows: `lost`, and `succeeded` when nobody had taken the run over, else `late`. A late result is not stored:
    its metrics and the hash of its surrogate tell whether it would have been the same, which it is for the
    same data.
    """

    __tablename__ = "run_attempts"
    __table_args__ = (
        Index(None, "run_kind", "run_id"),
        Index(
            "uq_run_attempts_success",
            "run_kind",
            "run_id",
            unique=True,
            postgresql_where=text("outcome = 'succeeded'"),
        ),
        CheckConstraint(
            "outcome = 'late' OR (metrics IS NULL AND artefact_sha256 IS NULL)", name="only_late_keeps_result"
        ),
    )

    id: Mapped[PrimaryKey]
    run_kind: Mapped[str] = mapped_column(String(64))  # name of the run's table
    run_id: Mapped[int]
    attempt: Mapped[int]
    worker: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[AttemptOutcome] = mapped_column(enum_column(AttemptOutcome, "outcome"))
    message: Mapped[str] = mapped_column(String(2000))
    metrics: Mapped[Document | None]
    artefact_sha256: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[Moment]
    ended_at: Mapped[Created]


class RunCheckpoint(Base):
    """Where the computation of an unfinished run stood; one per run, gone when the run ends.

    It counts only for the data that it was made on: samples may come in between two attempts.
    """

    __tablename__ = "run_checkpoints"

    run_kind: Mapped[str] = mapped_column(String(64), primary_key=True)  # name of the run's table
    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    data_hash: Mapped[str] = mapped_column(String(64))
    state: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Created]


class RunLogLine(Base):
    """What a worker, or the solver in its hands, said while it worked on a run; bounded, and deleted when it is old.

    Nothing follows from these rows: they are for people. Lines of one run get their ids in the order of their
    commits, so that a reader who goes on behind the last id has missed none.
    """

    __tablename__ = "run_log_lines"
    __table_args__ = (Index(None, "run_kind", "run_id", "id"), Index(None, "said_at"))

    id: Mapped[PrimaryKey]
    run_kind: Mapped[str] = mapped_column(String(64))  # name of the run's table
    run_id: Mapped[int]
    attempt: Mapped[int]
    said_at: Mapped[Moment]
    level: Mapped[LogLevel] = mapped_column(enum_column(LogLevel, "level"))
    speaker: Mapped[LogSpeaker] = mapped_column(enum_column(LogSpeaker, "speaker"))
    text: Mapped[str] = mapped_column(String(2000))
