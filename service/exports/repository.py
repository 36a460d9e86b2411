"""SQL of exports: one statement each, so one consistent snapshot, read through a server-side cursor in blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.database.models import DataValue, RankedCandidate, Sample, SampleVeto, Source
from service.samples.repository import filtered
from service.samples.schemas import SampleFilter

BLOCK_ROWS = 4096
Rows = Sequence[Sequence[Any]]
Statement = Select[*tuple[Any, ...]]


def samples(session: Session, campaign_id: int, wanted: SampleFilter) -> Generator[Rows]:
    """Plain columns of the samples that the filter lets pass, by id."""
    columns = (
        Sample.id,
        Sample.external_id,
        Source.name,
        Sample.status,
        Sample.split,
        Sample.group,
        Sample.target,
        Sample.label_definition,
        Sample.repeats_sample_id,
        SampleVeto.reason,
        Sample.created_at,
        Sample.labelled_at,
        Sample.planned_features,
        Sample.executed_features,
        Sample.label_details,
        Sample.provenance,
    )
    statement = _of_campaign(select(*columns), campaign_id, wanted).outerjoin(
        SampleVeto, (SampleVeto.sample_id == Sample.id) & SampleVeto.lifted_at.is_(None)
    )
    return _blocks(session, statement.order_by(Sample.id))


def designs(session: Session, campaign_id: int, wanted: SampleFilter) -> Generator[Rows]:
    """What predictions need of the samples, by id: features as they were run, or else as they are planned."""
    columns = (
        Sample.id,
        Sample.external_id,
        Source.name,
        Sample.status,
        Sample.split,
        Sample.target,
        func.coalesce(Sample.executed_features, Sample.planned_features),
    )
    return _blocks(session, _of_campaign(select(*columns), campaign_id, wanted).order_by(Sample.id))


def _of_campaign(statement: Statement, campaign_id: int, wanted: SampleFilter) -> Statement:
    joined = statement.join(Source, Source.id == Sample.source_id).where(Sample.campaign_id == campaign_id)
    return filtered(joined, wanted)


def values(session: Session, run_id: int) -> Generator[Rows]:
    """Data values of a run, the most valuable first."""
    statement = (
        select(
            DataValue.rank,
            DataValue.sample_id,
            Sample.external_id,
            DataValue.value,
            DataValue.spread,
            DataValue.weight,
            DataValue.value_target_loss,
            DataValue.value_transport,
        )
        .join(Sample, Sample.id == DataValue.sample_id)
        .where(DataValue.valuation_run_id == run_id)
    )
    return _blocks(session, statement.order_by(DataValue.rank))


def ranking(session: Session, round_id: int) -> Generator[Rows]:
    """What a round kept of its ranking, the best first."""
    statement = (
        select(
            RankedCandidate.rank,
            RankedCandidate.sample_id,
            Sample.external_id,
            Source.name,
            RankedCandidate.score,
            RankedCandidate.information,
            RankedCandidate.relevance,
            RankedCandidate.predicted,
            RankedCandidate.predicted_std,
            RankedCandidate.eligible,
            RankedCandidate.affordable,
        )
        .join(Sample, Sample.id == RankedCandidate.sample_id)
        .join(Source, Source.id == Sample.source_id)
        .where(RankedCandidate.round_id == round_id)
    )
    return _blocks(session, statement.order_by(RankedCandidate.rank))


def _blocks(session: Session, statement: Statement) -> Generator[Rows]:
    """Each block must be done with before the next is asked for; the cursor ends with the iterator."""
    found = session.execute(statement.execution_options(yield_per=BLOCK_ROWS))
    try:
        yield from cast("Iterator[Rows]", found.partitions())
    finally:
        found.close()
