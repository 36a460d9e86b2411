"""Connections that rest in the pool, and sessions that read alone."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session, sessionmaker

from service.campaigns import repository as campaigns
from service.campaigns import service
from service.campaigns.schemas import CampaignCreate
from service.database.engine import make_engine, make_read_factory, make_session_factory, unit_of_work
from service.database.models import Campaign, User
from service.pagination import PageRequest
from tests.support import campaign_document

WHO = text("SELECT pg_backend_pid()")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def reading(engine: Engine) -> sessionmaker[Session]:
    return make_read_factory(engine)


def backend(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalars(WHO).one())


def create(engine: Engine) -> int:
    with unit_of_work(make_session_factory(engine)) as session:
        return service.create(session, CampaignCreate.model_validate(campaign_document()), actor="test").id


def end(backend_pid: int, database_url: str) -> None:
    """End a server process, as a restart of Postgres does, and wait until it has gone."""
    other = make_engine(database_url)
    with other.connect() as connection:
        ended = text("SELECT pg_terminate_backend(:pid, 10000)").bindparams(pid=backend_pid)
        assert connection.scalars(ended).one()
    other.dispose()


def test_a_connection_is_used_again(engine: Engine) -> None:
    assert backend(engine) == backend(engine)


def test_a_connection_that_the_server_ended_is_replaced(engine: Engine, database_url: str) -> None:
    first = backend(engine)
    end(first, database_url)
    assert backend(engine) != first


def test_one_that_rested_is_asked_whether_it_still_stands(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backend(engine)
    monkeypatch.setattr("service.database.engine.RESTED_S", -1.0)
    assert backend(engine) == first
    end(first, database_url)
    monkeypatch.setattr("service.database.engine._has_word", lambda _: False)  # a firewall says nothing
    assert backend(engine) != first


def test_a_read_sees_what_is_committed_and_keeps_no_transaction(
    engine: Engine, reading: sessionmaker[Session]
) -> None:
    with reading() as session:
        assert not campaigns.page(session, PageRequest(after=0, limit=10))
        campaign_id = create(engine)
        assert session.get_one(Campaign, campaign_id).sources
        status = session.connection().connection.dbapi_connection.info.transaction_status
        assert status.name == "IDLE"


def test_after_a_read_the_connection_begins_transactions_again(
    engine: Engine, reading: sessionmaker[Session]
) -> None:
    with reading() as session:
        pid = session.scalars(WHO).one()
    with unit_of_work(make_session_factory(engine)) as session:
        assert session.scalars(WHO).one() == pid
        service.create(session, CampaignCreate.model_validate(campaign_document()), actor="test")
        session.rollback()
    with reading() as session:
        assert not campaigns.page(session, PageRequest(after=0, limit=10))


def test_a_read_changes_nothing(engine: Engine, reading: sessionmaker[Session]) -> None:
    campaign_id = create(engine)
    with reading() as session:
        session.get_one(Campaign, campaign_id).name = "another"
        with pytest.raises(AssertionError, match="changes nothing"):
            session.flush()
    with reading() as session, pytest.raises(AssertionError, match="changes nothing"):
        session.execute(insert(User), [{"name": "somebody"}])
