"""A session that is limited to campaigns finds, counts and changes nothing of the others."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, aliased, joinedload, sessionmaker

from service.database.base import Base
from service.database.campaign_limits import ALL_CAMPAIGNS, UNLIMITED, belongs, limit, models_of_campaigns
from service.database.engine import unit_of_work
from service.database.models import (
    Campaign,
    DataValue,
    Recommendation,
    RecommendationChange,
    Sample,
    ValuationRun,
    WebhookAttempt,
)
from service.errors import ForbiddenError
from tests.service.admin.rows import Rows, add_campaign, new_campaign, new_sample

Sessions = sessionmaker[Session]


@pytest.fixture
def both(sessions: Sessions) -> tuple[Rows, Rows]:
    return add_campaign(sessions), add_campaign(sessions)


def test_each_table_belongs_to_a_campaign_or_is_named_as_one_that_does_not() -> None:
    limited = {model.__tablename__ for model in models_of_campaigns()}
    every = {mapper.local_table.name for mapper in Base.registry.mappers}
    assert every - limited == UNLIMITED, "a new table: give it a foreign key to what belongs to a campaign"


def test_a_child_belongs_by_its_parents() -> None:
    told = str(belongs(WebhookAttempt, (1,)))
    assert told.index("webhook_deliveries") < told.index("webhooks.campaign_id")


QUERIES: list[Callable[[Session, Rows], Any]] = [
    lambda session, rows: session.get(Campaign, rows.campaign_id),
    lambda session, rows: session.get(ValuationRun, rows.run_id),
    lambda session, rows: session.get(ValuationRun, rows.run_id, with_for_update=True),
    lambda session, rows: session.get(
        Recommendation, rows.recommendation_ids[0], options=[joinedload(Recommendation.sample)]
    ),
    lambda session, rows: session.scalars(select(Sample).where(Sample.campaign_id == rows.campaign_id)).all(),
    lambda session, rows: session.scalar(
        select(func.count(Sample.id)).where(Sample.campaign_id == rows.campaign_id)
    ),
    lambda session, rows: session.execute(
        select(Sample.external_id, Campaign.name).join(Campaign).where(Campaign.id == rows.campaign_id)
    ).all(),
    lambda session, rows: session.scalars(
        select(DataValue).where(DataValue.valuation_run_id == rows.run_id)
    ).all(),
    lambda session, rows: session.scalars(
        select(RecommendationChange).where(
            RecommendationChange.recommendation_id.in_(rows.recommendation_ids)
        )
    ).all(),
    lambda session, rows: session.scalar(
        select(select(Sample.id).where(Sample.campaign_id == rows.campaign_id).exists())
    ),
    lambda session, rows: session.scalars(
        select(aliased(Sample)).where(aliased(Sample).campaign_id == rows.campaign_id)
    ).all(),
    lambda session, rows: session.query(Sample).filter_by(campaign_id=rows.campaign_id).count(),
]


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_no_query_finds_another_campaign(
    sessions: Sessions, both: tuple[Rows, Rows], query: Callable[[Session, Rows], Any]
) -> None:
    own, other = both
    with unit_of_work(sessions) as session:
        limit(session, frozenset({own.campaign_id}))
        assert query(session, own)
        assert not query(session, other)
    with unit_of_work(sessions) as session:
        assert query(session, other)


def test_nothing_of_another_campaign_is_changed_or_deleted(
    sessions: Sessions, both: tuple[Rows, Rows]
) -> None:
    own, other = both
    with unit_of_work(sessions) as session:
        limit(session, frozenset({own.campaign_id}))
        changed = session.execute(update(Sample).values(group="mine"))
        assert changed.rowcount == 12
        removed = session.execute(delete(DataValue).where(DataValue.valuation_run_id == other.run_id))
        assert removed.rowcount == 0
    with unit_of_work(sessions) as session:
        mine = select(func.count(Sample.id)).where(
            Sample.group == "mine", Sample.campaign_id == other.campaign_id
        )
        assert session.scalar(mine) == 0


def test_nothing_is_added_to_another_campaign_and_no_campaign_is_created(
    sessions: Sessions, both: tuple[Rows, Rows]
) -> None:
    own, other = both
    with unit_of_work(sessions) as session:
        foreign = session.get_one(Campaign, other.campaign_id)
    for row in (new_sample(foreign, "smuggled"), new_campaign()):
        with sessions() as session:
            limit(session, frozenset({own.campaign_id}))
            session.add(row)
            with pytest.raises(ForbiddenError):
                session.flush()


def test_the_outbox_may_look_at_all(sessions: Sessions, both: tuple[Rows, Rows]) -> None:
    statement = select(func.count(Campaign.id))
    with unit_of_work(sessions) as session:
        limit(session, frozenset({both[0].campaign_id}))
        assert session.scalar(statement) == 1
        assert session.scalar(statement.execution_options(**ALL_CAMPAIGNS)) == 2


def test_a_limit_to_no_campaign_leaves_nothing(sessions: Sessions, both: tuple[Rows, Rows]) -> None:
    with unit_of_work(sessions) as session:
        limit(session, frozenset())
        assert session.scalar(select(func.count(Campaign.id))) == 0
