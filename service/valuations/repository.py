"""SQL of valuation runs, data values and surrogates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased, joinedload, undefer

from service.database.models import (
    AcquisitionRound,
    CampaignRound,
    DataValue,
    Sample,
    Source,
    Surrogate,
    SurrogatePromotion,
    ValuationRun,
)
from service.lifecycles import RunStatus
from service.pagination import PageRequest
from service.valuations.schemas import ValuedSample

# Networks deleted in one transaction, up to a few megabytes each.
MOST_PRUNED = 100


def add(session: Session, run: ValuationRun) -> ValuationRun:
    session.add(run)
    session.flush()  # the message and the Location header need the id
    return run


def get(session: Session, run_id: int) -> ValuationRun | None:
    return session.get(ValuationRun, run_id)


def get_for_update(session: Session, run_id: int) -> ValuationRun | None:
    return session.get(ValuationRun, run_id, with_for_update=True)


def newest_succeeded(session: Session, campaign_id: int) -> ValuationRun | None:
    statement = (
        select(ValuationRun)
        .where(ValuationRun.campaign_id == campaign_id, ValuationRun.status == RunStatus.SUCCEEDED)
        .order_by(ValuationRun.id.desc())
        .limit(1)
    )
    return session.scalars(statement).one_or_none()


def insert_values(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    session.execute(insert(DataValue), rows)


def values_page(
    session: Session, run_id: int, request: PageRequest, *, lowest_first: bool
) -> Sequence[DataValue]:
    """Values by rank; `after` is the number of values seen so far."""
    order = DataValue.rank.desc() if lowest_first else DataValue.rank
    statement = (
        select(DataValue)
        .where(DataValue.valuation_run_id == run_id)
        .options(joinedload(DataValue.sample).joinedload(Sample.source))
        .order_by(order)
        .offset(request.after)  # ranks are dense and frozen: an offset is as stable as a key here
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()


def weights_of(session: Session, run_id: int) -> dict[int, float]:
    """Learned data weight by sample id."""
    statement = select(DataValue.sample_id, DataValue.weight).where(DataValue.valuation_run_id == run_id)
    return {row.sample_id: row.weight for row in session.execute(statement)}


def doubted_labels(session: Session, run_id: int, *, below: float) -> frozenset[int]:
    """Samples with a data weight under `below` that is owed to their label rather than to their features."""
    statement = select(DataValue.sample_id).where(
        DataValue.valuation_run_id == run_id,
        DataValue.weight < below,
        DataValue.value_target_loss <= DataValue.value_transport,
    )
    return frozenset(session.scalars(statement))


def valued_samples(session: Session, run_id: int) -> list[ValuedSample]:
    """All samples of a run, most valuable first, as plain rows: objects would cost most of the time."""
    statement = (
        select(
            DataValue.sample_id, Sample.external_id, Source.name, Sample.group, Sample.target, DataValue.rank,
            DataValue.value, DataValue.spread, DataValue.value_target_loss, DataValue.value_transport,
        )
        .join(DataValue.sample)
        .join(Source, Source.id == Sample.source_id)
        .where(DataValue.valuation_run_id == run_id)
        .order_by(DataValue.rank)
    )  # fmt: skip
    rows: Sequence[Any] = session.execute(statement).all()
    return [ValuedSample(*row) for row in rows]


def add_surrogate(session: Session, surrogate: Surrogate) -> None:
    session.add(surrogate)
    session.flush()  # its promotion refers to the id


def get_surrogate(session: Session, surrogate_id: int, *, with_artefact: bool = False) -> Surrogate | None:
    options = [undefer(Surrogate.artefact)] if with_artefact else []
    return session.get(Surrogate, surrogate_id, options=options)


def newest_surrogate(
    session: Session, campaign_id: int, *, other_than: int | None = None
) -> Surrogate | None:
    statement = select(Surrogate).where(Surrogate.campaign_id == campaign_id).order_by(Surrogate.id.desc())
    if other_than is not None:
        statement = statement.where(Surrogate.id != other_than)
    return session.scalars(statement.limit(1)).one_or_none()


def surrogate_of_run(session: Session, run_id: int) -> Surrogate | None:
    return session.scalars(select(Surrogate).where(Surrogate.valuation_run_id == run_id)).one_or_none()


def newest_with_runs(
    session: Session, campaign_id: int, limit: int
) -> Sequence[tuple[Surrogate, ValuationRun]]:
    """Surrogates with the runs that trained them, newest first."""
    statement = (
        select(Surrogate, ValuationRun)
        .join(ValuationRun, ValuationRun.id == Surrogate.valuation_run_id)
        .where(Surrogate.campaign_id == campaign_id)
        .order_by(Surrogate.id.desc())
        .limit(limit)
    )
    return [(surrogate, run) for surrogate, run in session.execute(statement)]


def count_surrogates(session: Session, campaign_id: int) -> int:
    statement = select(func.count()).select_from(Surrogate).where(Surrogate.campaign_id == campaign_id)
    return session.scalars(statement).one()


def add_promotion(session: Session, row: SurrogatePromotion) -> None:
    session.add(row)
    session.flush()


def newest_promotion(session: Session, campaign_id: int) -> SurrogatePromotion | None:
    statement = select(SurrogatePromotion).where(SurrogatePromotion.campaign_id == campaign_id)
    return session.scalars(statement.order_by(SurrogatePromotion.id.desc()).limit(1)).one_or_none()


def was_promoted(session: Session, surrogate_id: int) -> bool:
    found = select(SurrogatePromotion.id).where(SurrogatePromotion.surrogate_id == surrogate_id)
    return session.scalars(found.limit(1)).one_or_none() is not None


def promotions_page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[SurrogatePromotion]:
    statement = (
        select(SurrogatePromotion)
        .where(SurrogatePromotion.campaign_id == campaign_id, SurrogatePromotion.id > request.after)
        .order_by(SurrogatePromotion.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()


def newest_promotions(session: Session, campaign_id: int, limit: int) -> Sequence[SurrogatePromotion]:
    statement = select(SurrogatePromotion).where(SurrogatePromotion.campaign_id == campaign_id)
    return session.scalars(statement.order_by(SurrogatePromotion.id.desc()).limit(limit)).all()


def has_artefact(session: Session, surrogate_id: int) -> bool:
    """Whether retention has left it its network."""
    kept = select(Surrogate.id).where(Surrogate.id == surrogate_id, Surrogate.artefact.is_not(None))
    return session.scalars(kept).one_or_none() is not None


def prune_artefacts(session: Session, *, before: datetime) -> int:
    """Delete older networks, a bounded number at once; rows with their figures stay for the ledger.

    Kept are those that a round refers to (a replay needs them), and of each campaign the newest and the one that
    was promoted last, which serves.
    """
    newer, later = aliased(Surrogate), aliased(SurrogatePromotion)
    is_newest = ~exists().where(newer.campaign_id == Surrogate.campaign_id, newer.id > Surrogate.id)
    is_used = or_(
        exists().where(AcquisitionRound.surrogate_id == Surrogate.id),
        exists().where(CampaignRound.valuation_run_id == Surrogate.valuation_run_id),
        exists().where(
            SurrogatePromotion.surrogate_id == Surrogate.id,
            ~exists().where(
                later.campaign_id == SurrogatePromotion.campaign_id, later.id > SurrogatePromotion.id
            ),
        ),
    )
    unused = (
        select(Surrogate.id)
        .where(Surrogate.created_at < before, Surrogate.artefact.is_not(None), ~is_newest, ~is_used)
        .order_by(Surrogate.id)
        .limit(MOST_PRUNED)
        .with_for_update(skip_locked=True)
    )
    statement = update(Surrogate).where(Surrogate.id.in_(unused)).values(artefact=None)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def surrogates_page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Surrogate]:
    statement = (
        select(Surrogate)
        .where(Surrogate.campaign_id == campaign_id, Surrogate.id > request.after)
        .order_by(Surrogate.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()
