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
    Surrogate,
    ValuationRun,
)
from service.lifecycles import RunStatus
from service.pagination import PageRequest

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


def doubtful_count(session: Session, run_id: int, *, below: float) -> int:
    """Samples whose label or features are rather wrong than right: one of both sides under `below`."""
    statement = select(func.count()).where(
        DataValue.valuation_run_id == run_id,
        or_(DataValue.value_target_loss < below, DataValue.value_transport < below),
    )
    return session.scalars(statement).one()


def components_of(session: Session, run_id: int) -> Sequence[tuple[int, str | None, float, float, float]]:
    """(sample id, external id, value, value_target_loss, value_transport) of all samples, for charts."""
    statement = (
        select(
            DataValue.sample_id,
            Sample.external_id,
            DataValue.value,
            DataValue.value_target_loss,
            DataValue.value_transport,
        )
        .join(DataValue.sample)
        .where(DataValue.valuation_run_id == run_id)
        .order_by(DataValue.rank)
    )
    return session.execute(statement).all()


def add_surrogate(session: Session, surrogate: Surrogate) -> None:
    session.add(surrogate)


def get_surrogate(session: Session, surrogate_id: int, *, with_artefact: bool = False) -> Surrogate | None:
    options = [undefer(Surrogate.artefact)] if with_artefact else []
    return session.get(Surrogate, surrogate_id, options=options)


def newest_surrogate(session: Session, campaign_id: int) -> Surrogate | None:
    statement = select(Surrogate).where(Surrogate.campaign_id == campaign_id).order_by(Surrogate.id.desc())
    return session.scalars(statement.limit(1)).one_or_none()


def has_artefact(session: Session, surrogate_id: int) -> bool:
    """Whether retention has left it its network."""
    kept = select(Surrogate.id).where(Surrogate.id == surrogate_id, Surrogate.artefact.is_not(None))
    return session.scalars(kept).one_or_none() is not None


def prune_artefacts(session: Session, *, before: datetime) -> int:
    """Delete older networks, a bounded number at once; rows with their figures stay for the ledger.

    Kept are those that a round refers to (a replay needs them), and the newest of each campaign, which serves.
    """
    newer = aliased(Surrogate)
    is_newest = ~exists().where(newer.campaign_id == Surrogate.campaign_id, newer.id > Surrogate.id)
    is_used = or_(
        exists().where(AcquisitionRound.surrogate_id == Surrogate.id),
        exists().where(CampaignRound.valuation_run_id == Surrogate.valuation_run_id),
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
