"""SQL of decisions about suspicious tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, func, literal, or_, select
from sqlalchemy.orm import Session

from service.database.models import DataValue, Review, Sample, Source
from service.pagination import PageRequest
from service.vocabulary import SampleStatus


@dataclass(frozen=True)
class ValuedRow:
    """A labelled sample with its value in one run."""

    sample_id: int
    external_id: str | None
    source: str
    group: str | None
    target: float
    label_definition: str | None
    rank: int
    value: float
    spread: float
    value_target_loss: float
    value_transport: float


def low_values(session: Session, run_id: int, *, below: float, also: Iterable[int] = ()) -> list[ValuedRow]:
    """Labelled samples of which a side of the value is `below`, and those named, by falling rank."""
    is_low = or_(DataValue.value_target_loss < below, DataValue.value_transport < below)
    named = DataValue.sample_id == literal(list(also), ARRAY(BigInteger)).any_()
    statement = (
        select(
            Sample.id, Sample.external_id, Source.name, Sample.group, Sample.target, Sample.label_definition,
            DataValue.rank, DataValue.value, DataValue.spread, DataValue.value_target_loss,
            DataValue.value_transport,
        )
        .join(Sample, Sample.id == DataValue.sample_id)
        .join(Source, Source.id == Sample.source_id)
        .where(
            DataValue.valuation_run_id == run_id, Sample.status == SampleStatus.LABELLED, or_(is_low, named)
        )
        .order_by(DataValue.rank.desc())
    )  # fmt: skip
    rows: Sequence[Any] = session.execute(statement).all()
    return [ValuedRow(*row) for row in rows]


def value_of(session: Session, run_id: int, sample_id: int) -> DataValue | None:
    return session.get(DataValue, (run_id, sample_id))


def values_of(session: Session, sample_id: int) -> Sequence[DataValue]:
    """The values of a sample in all runs, oldest first."""
    statement = select(DataValue).where(DataValue.sample_id == sample_id)
    return session.scalars(statement.order_by(DataValue.valuation_run_id)).all()


def valued_among(session: Session, run_id: int, sample_ids: Iterable[int]) -> set[int]:
    """Those of the samples that the run has valued."""
    statement = select(DataValue.sample_id).where(
        DataValue.valuation_run_id == run_id,
        DataValue.sample_id == literal(list(sample_ids), ARRAY(BigInteger)).any_(),
    )
    return set(session.scalars(statement))


def add(session: Session, review: Review) -> Review:
    session.add(review)
    session.flush()
    session.refresh(review)  # the moment is the database's
    return review


def newest_by_sample(session: Session, campaign_id: int) -> dict[int, Review]:
    """The last decision about each sample."""
    last = select(func.max(Review.id)).where(Review.campaign_id == campaign_id).group_by(Review.sample_id)
    statement = select(Review).where(Review.id.in_(last))
    return {row.sample_id: row for row in session.scalars(statement)}


def of_sample(session: Session, sample_id: int) -> Sequence[Review]:
    """All decisions about a sample, oldest first."""
    statement = select(Review).where(Review.sample_id == sample_id)
    return session.scalars(statement.order_by(Review.id)).all()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Review]:
    statement = (
        select(Review)
        .where(Review.campaign_id == campaign_id, Review.id > request.after)
        .order_by(Review.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()


def newest(session: Session, campaign_id: int, limit: int) -> Sequence[tuple[Review, Sample]]:
    """The last decisions with their samples, newest first."""
    statement = (
        select(Review, Sample)
        .join(Sample, Sample.id == Review.sample_id)
        .where(Review.campaign_id == campaign_id)
        .order_by(Review.id.desc())
        .limit(limit)
    )
    return [(review, sample) for review, sample in session.execute(statement)]
