"""Networks that nothing refers to are deleted after a while, never one that a round or the service needs."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.beat import tick
from service.database.engine import unit_of_work
from service.database.models import CampaignRound
from service.lifecycles import RoundEnd, RoundStep
from service.settings import Settings
from tests.support import (
    API,
    add_finished_valuation,
    add_round,
    add_samples,
    assert_problem,
    create_campaign,
    post_json,
    sample_documents,
)

Sessions = sessionmaker[Session]


def make_old(sessions: Sessions, *surrogate_ids: int, days: int = 91) -> None:
    created_at = datetime.now(UTC) - timedelta(days=days)
    statement = text("UPDATE surrogates SET created_at = :created_at WHERE id = ANY(:ids)")
    with unit_of_work(sessions) as session:
        session.execute(statement, {"created_at": created_at, "ids": list(surrogate_ids)})


def kept(sessions: Sessions) -> set[int]:
    with sessions() as session:
        return set(session.scalars(text("SELECT id FROM surrogates WHERE artefact IS NOT NULL")))


def trained(sessions: Sessions, campaign: int, count: int) -> list[int]:
    return [add_finished_valuation(sessions, campaign).surrogate_id for _ in range(count)]


def test_an_old_unused_network_goes_and_its_figures_stay(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    old, newest = trained(sessions, create_campaign(client), 2)
    make_old(sessions, old, newest)
    tick(sessions, settings)
    assert kept(sessions) == {newest}
    assert client.get(f"{API}/surrogates/{old}").json()["metrics"] == {"rmse": 2.0}
    problem = assert_problem(client.get(f"{API}/surrogates/{old}/artefact"), 404, "not_found")
    assert "has been deleted" in problem["detail"]
    assert "seed of valuation run" in problem["hint"]


def test_a_young_one_stays(client: TestClient, sessions: Sessions, settings: Settings) -> None:
    young, newest = trained(sessions, create_campaign(client), 2)
    make_old(sessions, young, newest, days=89)
    tick(sessions, settings)
    assert kept(sessions) == {young, newest}


def test_one_that_a_round_refers_to_stays(client: TestClient, sessions: Sessions, settings: Settings) -> None:
    campaign = create_campaign(client)
    ranked, unused, newest = trained(sessions, campaign, 3)
    add_round(sessions, campaign, ranked, add_samples(client, campaign, sample_documents(1)))
    make_old(sessions, ranked, unused, newest)
    tick(sessions, settings)
    assert kept(sessions) == {ranked, newest}


def test_one_that_a_campaign_round_trained_stays(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    campaign = create_campaign(client)
    finished, newest = add_finished_valuation(sessions, campaign), trained(sessions, campaign, 1)[0]
    with unit_of_work(sessions) as session:
        session.add(
            CampaignRound(
                campaign_id=campaign,
                step=RoundStep.CLOSED,
                closed_reason=RoundEnd.CANCELLED,
                closed_at=datetime.now(UTC),
                configuration={},
                valuation_run_id=finished.run_id,
                requested_by="test",
            )
        )
    make_old(sessions, finished.surrogate_id, newest)
    tick(sessions, settings)
    assert kept(sessions) == {finished.surrogate_id, newest}


def test_the_newest_of_each_campaign_stays(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    ids = [trained(sessions, create_campaign(client, name=name), 1)[0] for name in ("a", "b")]
    make_old(sessions, *ids)
    tick(sessions, settings)
    assert kept(sessions) == set(ids)


def test_a_round_cannot_be_asked_for_with_a_deleted_network(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    campaign = create_campaign(client)
    old, newest = trained(sessions, campaign, 2)
    make_old(sessions, old)
    tick(sessions, settings)
    url = f"{API}/campaigns/{campaign}/acquisition-rounds"
    problem = assert_problem(post_json(client, url, {"surrogate_id": old}), 409, "conflict")
    assert "Leave surrogate_id out" in problem["hint"]
    assert "deleted" not in post_json(client, url, {"surrogate_id": newest}).text
