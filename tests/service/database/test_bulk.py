"""COPY within the session's own transaction."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from service.database import bulk
from service.database.bulk import copy_rows
from service.database.engine import unit_of_work
from service.database.models import Campaign, Source

COLUMNS = ("campaign_id", "name", "kind", "acquisition_cost", "currency", "lead_time_hours")
AWKWARD = ["tab\tand \\backslash", "line\nend", "\\N", "ümlaut ✓", ""]


def campaign() -> Campaign:
    return Campaign(name="c", feature_schema=[{"name": "x"}], target={}, target_domain={}, currency="USD")


def rows(campaign_id: int, names: list[str], cost: str = "12.50") -> list[tuple[object, ...]]:
    return [(campaign_id, name, "simulation", Decimal(cost), "USD", 0) for name in names]


def stored(sessions: sessionmaker[Session]) -> int:
    with sessions() as session:
        return session.scalars(select(func.count(Source.id))).one()


def test_rows_come_out_as_they_went_in_after_what_was_pending(sessions: sessionmaker[Session]) -> None:
    with unit_of_work(sessions) as session:
        parent = campaign()
        session.add(parent)
        session.flush()
        session.add(Source(**dict(zip(COLUMNS, rows(parent.id, ["first"])[0], strict=True))))
        copy_rows(session, Source, COLUMNS, iter(rows(parent.id, AWKWARD)))
    with sessions() as session:
        found = session.execute(select(Source.name, Source.acquisition_cost).order_by(Source.id)).all()
    assert [name for name, _ in found] == ["first", *AWKWARD]
    assert {cost for _, cost in found} == {Decimal("12.50")}


def test_more_rows_than_one_statement_takes_all_go_in(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BLOCK_ROWS", 2)
    with unit_of_work(sessions) as session:
        parent = campaign()
        session.add(parent)
        session.flush()
        copy_rows(session, Source, COLUMNS, iter(rows(parent.id, AWKWARD)))
    assert stored(sessions) == len(AWKWARD)


def test_a_rollback_takes_the_rows_back(sessions: sessionmaker[Session]) -> None:
    def copy_and_fail() -> None:
        with unit_of_work(sessions) as session:
            parent = campaign()
            session.add(parent)
            session.flush()
            copy_rows(session, Source, COLUMNS, rows(parent.id, ["a", "b"]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        copy_and_fail()
    assert stored(sessions) == 0


def test_a_row_that_breaks_a_constraint_stops_all(sessions: sessionmaker[Session]) -> None:
    def copy_bad() -> None:
        with unit_of_work(sessions) as session:
            parent = campaign()
            session.add(parent)
            session.flush()
            copy_rows(
                session, Source, COLUMNS, rows(parent.id, ["good"]) + rows(parent.id, ["bad"], cost="0")
            )

    with pytest.raises(IntegrityError, match="acquisition_cost_positive"):
        copy_bad()
    assert stored(sessions) == 0
