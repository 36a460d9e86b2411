"""SQL of samples and uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    Text,
    and_,
    func,
    insert,
    literal,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, contains_eager, joinedload

from service.database.bulk import copy_rows, draw_ids, json_text
from service.database.models import LabelChange, Recommendation, Sample, SampleVeto, Source
from service.lifecycles import PENDING
from service.pagination import PageRequest
from service.samples.schemas import SampleFilter, SampleRead, VetoRead
from service.vocabulary import SampleStatus, Split

# Id, source, planned features, executed features or None, the sample that it repeats, group.
CandidateRow = Row[int, int, str, str | None, int | None, str | None]
BLOCK_ROWS = 8192
Statement = TypeVar("Statement", bound=Select[Any])
# Any number that no other advisory lock of two keys uses.
GROUP_LOCKS = 41


def insert_many(session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert by COPY; ids in the order of the rows, whose keys are the same attributes of `Sample`."""
    columns = [Sample.__mapper__.columns[key].name for key in rows[0]] if rows else []
    return insert_lines(session, columns, [tuple(map(_cell, row.values())) for row in rows])


def insert_lines(session: Session, columns: Sequence[str], lines: Sequence[tuple[Any, ...]]) -> list[int]:
    """Insert by COPY; ids in the order of the lines.

    Args:
        session: the caller's transaction.
        columns: names in the table, without the id.
        lines: values in the order of the columns; documents as JSON text.
    """
    if not lines:
        return []
    ids = draw_ids(session, Sample, len(lines))
    keyed = ((key, *line) for key, line in zip(ids, lines, strict=True))
    copy_rows(session, Sample, ["id", *columns], keyed)
    return ids


def _cell(value: Any) -> Any:  # noqa: ANN401 - any column
    return json_text(value) if type(value) is dict else value


def record_labels(session: Session, sample_ids: Sequence[int], *, actor: str, reason: str) -> None:
    """Add the present labels of the samples to their history, in one statement; candidates have none to add."""
    columns = (Sample.id, Sample.target, Sample.label_definition, Sample.label_details)
    present = select(*columns, literal(actor), literal(reason)).where(
        Sample.id == literal(list(sample_ids), ARRAY(BigInteger)).any_(), Sample.target.is_not(None)
    )
    names = ("sample_id", "target", "label_definition", "label_details", "actor", "reason")
    session.execute(insert(LabelChange).from_select(names, present.order_by(Sample.id)))


def label_changes(session: Session, sample_id: int) -> Sequence[LabelChange]:
    statement = select(LabelChange).where(LabelChange.sample_id == sample_id)
    return session.scalars(statement.order_by(LabelChange.id)).all()


def get(session: Session, sample_id: int, *, again: bool = False) -> Sample | None:
    """The sample with source and veto; `again` reads what the session has of it once more."""
    options = [joinedload(Sample.source), joinedload(Sample.veto)]
    return session.get(Sample, sample_id, options=options, populate_existing=again)


def get_for_update(session: Session, sample_id: int) -> Sample:
    return session.scalars(select(Sample).where(Sample.id == sample_id).with_for_update(of=Sample)).one()


def locked(session: Session, campaign_id: int, sample_ids: Iterable[int]) -> Sequence[Sample]:
    """Those of the ids that are samples of the campaign, locked in the order of their ids."""
    statement = select(Sample).where(
        Sample.campaign_id == campaign_id, Sample.id == literal(list(sample_ids), ARRAY(BigInteger)).any_()
    )
    held = statement.order_by(Sample.id).with_for_update(of=Sample)
    return session.scalars(held.execution_options(populate_existing=True)).all()


def known_external_ids(session: Session, campaign_id: int, names: Iterable[str]) -> set[str]:
    statement = select(Sample.external_id).where(
        Sample.campaign_id == campaign_id, _is_any_of(Sample.external_id, names)
    )
    return {name for name in session.scalars(statement) if name is not None}


def ids_of_names(session: Session, campaign_id: int, names: Iterable[str]) -> dict[str, int]:
    """Sample ids of the external ids that the campaign has."""
    statement = select(Sample.external_id, Sample.id).where(
        Sample.campaign_id == campaign_id, _is_any_of(Sample.external_id, names)
    )
    return {row.external_id: row.id for row in session.execute(statement).all()}


def _is_any_of(column: InstrumentedAttribute[str | None], names: Iterable[str]) -> ColumnElement[bool]:
    """One array parameter: an IN list ends at 65,535 of them, and a bulk request may hold more."""
    return column == literal(list(names), ARRAY(String)).any_()


def splits_of_groups(session: Session, campaign_id: int, groups: Iterable[str]) -> dict[str, set[Split]]:
    """The splits in which each of the named groups stands already.

    One look into the index for each pair: a group may have thousands of rows.
    """
    group = (
        func.unnest(literal(list(groups), ARRAY(String))).table_valued("name", name="wanted").render_derived()
    )
    split = func.unnest(literal([split.value for split in Split], ARRAY(String))).table_valued(
        "name", name="sides"
    )
    split = split.render_derived()
    stands = select(Sample.id).where(
        Sample.campaign_id == campaign_id,
        Sample.group == group.c.name,
        type_coerce(Sample.split, String) == split.c.name,
    )
    found: dict[str, set[Split]] = {}
    for name, side in session.execute(
        select(group.c.name, split.c.name).select_from(group.join(split, true())).where(stands.exists())
    ):
        found.setdefault(name, set()).add(Split(side))
    return found


def hold_groups(session: Session, campaign_id: int, *, alone: bool) -> None:
    """Until the transaction ends: groups go into the holdout alone, into the other splits side by side.

    Two campaigns whose ids have the same hash wait for each other, which does no harm.
    """
    lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
    session.execute(select(lock(GROUP_LOCKS, func.hashint8(campaign_id))))


@cache
def _listed() -> Select[Any]:
    """Made once: putting it together takes as long as reading the rows."""
    own = [getattr(Sample, name) for name in SampleRead.model_fields if name not in {"source", "veto"}]
    veto = [getattr(SampleVeto, name).label(f"veto_{name}") for name in VetoRead.model_fields]
    stands = and_(SampleVeto.sample_id == Sample.id, SampleVeto.lifted_at.is_(None))
    statement = select(*own, Source.name.label("source"), *veto).join(Source, Source.id == Sample.source_id)
    return statement.outerjoin(SampleVeto, stands).order_by(Sample.id)


def page(
    session: Session, campaign_id: int, wanted: SampleFilter, request: PageRequest
) -> list[dict[str, Any]]:
    """What `SampleRead` tells of each sample, by id, the veto in columns of its own.

    Plain columns cost half of what objects do.
    """
    statement = _listed().where(Sample.campaign_id == campaign_id, Sample.id > request.after)
    return [
        dict(row) for row in session.execute(filtered(statement.limit(request.limit + 1), wanted)).mappings()
    ]


def filtered(statement: Statement, wanted: SampleFilter) -> Statement:
    """The statement with the conditions of a list; it joins sources if one of these is named."""
    for name in ("status", "split", "group", "external_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(Sample, name) == value)
    if wanted.source is not None:
        statement = statement.where(Source.name == wanted.source)
    return statement


def labelled(session: Session, campaign_id: int, *, splits: Iterable[Split]) -> Sequence[Sample]:
    """Labelled samples of the given splits, in the order of their ids."""
    statement = select(Sample).where(
        Sample.campaign_id == campaign_id,
        Sample.status == SampleStatus.LABELLED,
        Sample.split.in_(list(splits)),
    )
    return session.scalars(statement.order_by(Sample.id)).all()


def validation(session: Session, campaign_id: int) -> Sequence[Sample]:
    """All samples that stand for the target domain, labelled or not."""
    statement = select(Sample).where(Sample.campaign_id == campaign_id, Sample.split == Split.VALIDATION)
    return session.scalars(statement.order_by(Sample.id)).all()


def candidate_blocks(session: Session, campaign_id: int) -> Iterator[Sequence[CandidateRow]]:
    """Everything in split train that has no target yet, pending ones included, in the order of the ids.

    A server-side cursor hands out blocks of plain columns, features as the text that Postgres has for them: a
    million of objects would take gigabytes. Each block must be done with before the next is asked for.
    """
    statement = select(
        Sample.id,
        Sample.source_id,
        Sample.planned_features.cast(Text),
        Sample.executed_features.cast(Text),
        Sample.repeats_sample_id,
        Sample.group,
    ).where(
        Sample.campaign_id == campaign_id,
        Sample.status == SampleStatus.CANDIDATE,
        Sample.split == Split.TRAIN,
    )
    in_order = statement.order_by(Sample.id).execution_options(yield_per=BLOCK_ROWS)
    yield from cast("Iterator[Sequence[CandidateRow]]", session.execute(in_order).partitions())


def for_hygiene(
    session: Session, campaign_id: int, *, only_trained_on: bool = False
) -> Sequence[tuple[Any, ...]]:
    """Plain columns of all samples in the order of their ids: objects would cost most of the time."""
    statement = (
        select(
            Sample.id,
            Sample.external_id,
            Sample.split,
            Sample.status,
            Source.name,
            Sample.group,
            func.coalesce(Sample.executed_features, Sample.planned_features),
            Sample.target,
            Sample.label_definition,
            Sample.repeats_sample_id,
        )
        .join(Source, Source.id == Sample.source_id)
        .where(Sample.campaign_id == campaign_id)
    )
    if only_trained_on:
        statement = statement.where(Sample.status == SampleStatus.LABELLED, Sample.split == Split.TRAIN)
    return [tuple(row) for row in session.execute(statement.order_by(Sample.id))]


def open_sample_ids(session: Session, campaign_id: int, statuses: Iterable[Any] = PENDING) -> set[int]:
    """Samples of the campaign that have a recommendation in one of `statuses`."""
    statement = select(Recommendation.sample_id).where(
        Recommendation.campaign_id == campaign_id, Recommendation.status.in_(list(statuses))
    )
    return set(session.scalars(statement))


def candidates_among(session: Session, campaign_id: int, sample_ids: Iterable[int]) -> set[int]:
    """Those of the ids that are candidates of the campaign which a round may acquire."""
    statement = select(Sample.id).where(
        Sample.campaign_id == campaign_id,
        Sample.id == literal(list(sample_ids), ARRAY(BigInteger)).any_(),
        Sample.status == SampleStatus.CANDIDATE,
        Sample.split == Split.TRAIN,
    )
    return set(session.scalars(statement))


def purchases(
    session: Session, campaign_id: int, sample_ids: Iterable[int]
) -> dict[int, tuple[int, str | None, datetime | None]]:
    """(source id, group, when it was labelled) by sample id, as a backtest needs them."""
    statement = select(Sample.id, Sample.source_id, Sample.group, Sample.labelled_at).where(
        Sample.campaign_id == campaign_id, Sample.id == literal(list(sample_ids), ARRAY(BigInteger)).any_()
    )
    return {key: (source, group, moment) for key, source, group, moment in session.execute(statement)}


def repeated_ids(session: Session, campaign_id: int) -> frozenset[int]:
    """Samples of the campaign that another one repeats, whatever became of the repetition."""
    statement = select(Sample.repeats_sample_id).where(
        Sample.campaign_id == campaign_id, Sample.repeats_sample_id.is_not(None)
    )
    return frozenset(key for key in session.scalars(statement) if key is not None)


def repetitions(session: Session, campaign_id: int) -> Sequence[Sample]:
    """Every sample of the campaign that repeats another, whatever became of it."""
    statement = select(Sample).where(Sample.campaign_id == campaign_id, Sample.repeats_sample_id.is_not(None))
    return session.scalars(statement.order_by(Sample.id)).all()


def with_ids(session: Session, sample_ids: Iterable[int]) -> Sequence[Sample]:
    """The samples, in the order of their ids."""
    statement = select(Sample).where(Sample.id == literal(list(sample_ids), ARRAY(BigInteger)).any_())
    return session.scalars(statement.order_by(Sample.id)).all()


def add_vetoes(session: Session, vetoes: Iterable[SampleVeto]) -> None:
    session.add_all(vetoes)
    session.flush()  # a second one must be refused here, and the sample is read again


def lift_veto(session: Session, veto: SampleVeto) -> None:
    veto.lifted_at = func.now()
    session.flush()


def standing_veto(session: Session, sample_id: int) -> SampleVeto | None:
    """The veto that stands, locked."""
    statement = select(SampleVeto).where(SampleVeto.sample_id == sample_id, SampleVeto.lifted_at.is_(None))
    return session.scalars(statement.with_for_update()).one_or_none()


def vetoed_candidates(session: Session, campaign_id: int) -> Sequence[tuple[Sample, SampleVeto]]:
    """Candidates with their sources, and the vetoes that stand against them, the oldest first."""
    statement = (
        select(Sample, SampleVeto)
        .join(Sample.veto)
        .join(Sample.source)
        .options(contains_eager(Sample.source))
        .where(Sample.campaign_id == campaign_id, Sample.status == SampleStatus.CANDIDATE)
        .order_by(SampleVeto.id)
    )
    return [(row.Sample, row.SampleVeto) for row in session.execute(statement)]


def vetoed_ids(session: Session, campaign_id: int) -> set[int]:
    """Samples of the campaign whose veto stands."""
    statement = select(SampleVeto.sample_id).where(
        SampleVeto.campaign_id == campaign_id, SampleVeto.lifted_at.is_(None)
    )
    return set(session.scalars(statement))
