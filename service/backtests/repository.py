"""SQL of backtests."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.models import Backtest
from service.lifecycles import RunStatus


def add(session: Session, backtest: Backtest) -> Backtest:
    session.add(backtest)
    session.flush()  # the message and the Location header need the id
    return backtest


def get(session: Session, backtest_id: int) -> Backtest | None:
    return session.get(Backtest, backtest_id)


def get_for_update(session: Session, backtest_id: int) -> Backtest | None:
    return session.get(Backtest, backtest_id, with_for_update=True)


def newest_succeeded(session: Session, campaign_id: int) -> Backtest | None:
    statement = (
        select(Backtest)
        .where(Backtest.campaign_id == campaign_id, Backtest.status == RunStatus.SUCCEEDED)
        .order_by(Backtest.id.desc())
        .limit(1)
    )
    return session.scalars(statement).one_or_none()
