"""One transaction: all or nothing, and frozen when asked for."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.campaigns import repository as campaigns
from service.campaigns import service
from service.campaigns.schemas import CampaignCreate
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.pagination import PageRequest
from tests.support import campaign_document

EVERYTHING = PageRequest(after=0, limit=100)


@pytest.fixture
def factory(database_url: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(database_url)
    yield make_session_factory(engine)
    engine.dispose()


def create(session: Session) -> int:
    return service.create(session, CampaignCreate.model_validate(campaign_document()), actor="test").id


def count(session: Session) -> int:
    return len(campaigns.page(session, EVERYTHING))


def test_a_block_that_ends_is_committed(factory: sessionmaker[Session]) -> None:
    with unit_of_work(factory) as session:
        create(session)
    with unit_of_work(factory) as session:
        assert count(session) == 1


def test_a_block_that_raises_leaves_nothing(factory: sessionmaker[Session]) -> None:
    def create_and_fail() -> None:
        with unit_of_work(factory) as session:
            create(session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        create_and_fail()
    with unit_of_work(factory) as session:
        assert count(session) == 0


def test_a_frozen_block_does_not_see_what_others_commit_meanwhile(factory: sessionmaker[Session]) -> None:
    with unit_of_work(factory, frozen=True) as frozen:
        assert count(frozen) == 0
        with unit_of_work(factory) as other:
            create(other)
        assert count(frozen) == 0


def test_an_ordinary_block_sees_what_others_commit_meanwhile(factory: sessionmaker[Session]) -> None:
    with unit_of_work(factory) as session:
        assert count(session) == 0
        with unit_of_work(factory) as other:
            create(other)
        assert count(session) == 1
