"""From event to request: once per event, tried again with growing pauses, written down, replayed."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AuditEvent, WebhookDelivery
from service.events import service as events
from service.settings import Settings
from service.stack import free_port
from service.webhooks import delivery
from service.webhooks.delivery import matches, pause_s
from tests.service.webhooks.receiver import Receiver, receiving
from tests.support import (
    API,
    act,
    add_run,
    assert_problem,
    client_of,
    create_campaign,
    pointers,
    propose,
    queued_messages,
)

Sessions = sessionmaker[Session]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An operator who allows webhooks on this machine, and three attempts."""
    changes = {"webhook_allowed_networks": ["127.0.0.0/8"], "webhook_attempts": 3, "webhook_timeout_s": 2.0}
    return settings.model_copy(update=changes)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def create(client: TestClient, campaign_id: int, url: str, **changes: Any) -> dict[str, Any]:
    document = {"url": url, "events": ["*"]} | changes
    response = client.post(f"{API}/campaigns/{campaign_id}/webhooks", json=document)
    assert response.status_code == 201, response.text
    return response.json()


def deliveries(client: TestClient, webhook_id: int, **query: str) -> list[dict[str, Any]]:
    return client.get(f"{API}/webhooks/{webhook_id}/deliveries", params=query).json()["items"]


def detail(client: TestClient, delivery_id: int) -> dict[str, Any]:
    return client.get(f"{API}/webhook-deliveries/{delivery_id}").json()


def make_due(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        for row in session.query(WebhookDelivery).filter_by(status="pending"):
            row.next_attempt_at = datetime.now(UTC) - timedelta(seconds=1)


def send_due(sessions: Sessions, settings: Settings) -> int:
    """One tick with a worker: dispatch, then every message that it sent."""
    count = delivery.dispatch(sessions)
    with unit_of_work(sessions) as session:
        pending = [row.id for row in session.query(WebhookDelivery).filter_by(status="pending")]
    for key in pending:
        delivery.deliver(sessions, key, settings)
    return count


def test_an_event_arrives_as_the_stream_shows_it(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    webhook = create(client, campaign_id, receiver.url)
    run_id = add_run(sessions, campaign_id)
    assert send_due(sessions, settings) == 1
    (request,) = receiver.received
    document = json.loads(request.body)
    assert (document["type"], document["campaign_id"]) == ("valuation_run.queued", campaign_id)
    assert document["payload"]["id"] == run_id
    (row,) = deliveries(client, webhook["id"])
    assert (row["status"], row["attempt"], row["event_position"]) == ("delivered", 1, document["position"])
    assert request.headers["X-Crashscout-Delivery"] == str(row["id"])
    (attempt,) = detail(client, row["id"])["attempts"]
    assert (attempt["number"], attempt["status_code"], attempt["error"]) == (1, 204, "")
    assert detail(client, row["id"])["body"].encode() == request.body


def test_only_wanted_events_of_the_own_campaign_since_then_arrive(
    client: TestClient, sessions: Sessions, settings: Settings, receiver: Receiver
) -> None:
    proposal = propose(client)
    create(client, proposal.campaign_id, receiver.url, events=["recommendation.approved", "round.*"])
    propose(client)
    first, second = proposal.recommendation_ids
    act(client, first, "approve")
    act(client, second, "reject", reason="no")
    send_due(sessions, settings)
    assert [json.loads(request.body)["payload"]["id"] for request in receiver.received] == [first]


def test_many_clocks_make_one_delivery(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    webhook = create(client, campaign_id, receiver.url)
    for _ in range(20):
        add_run(sessions, campaign_id)
    threads = [threading.Thread(target=delivery.dispatch, args=(sessions,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [row["id"] for row in deliveries(client, webhook["id"])]
    assert len(ids) == 20
    senders = [
        threading.Thread(target=delivery.deliver, args=(sessions, key, settings)) for key in ids[:3] * 3
    ]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    assert len(receiver.received) == 3  # nine messages, three requests


def test_a_failing_receiver_is_tried_again_and_then_given_up(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    receiver.answers, receiver.body = [500], b"out of order"
    webhook = create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    send_due(sessions, settings)
    (row,) = deliveries(client, webhook["id"])
    assert (row["status"], row["attempt"]) == ("pending", 1)
    pause = datetime.fromisoformat(row["next_attempt_at"]) - datetime.now(UTC)
    assert timedelta(seconds=2) < pause < timedelta(seconds=16)
    assert send_due(sessions, settings) == 0  # not due yet
    assert len(receiver.received) == 1
    for _ in range(2):
        make_due(sessions)
        send_due(sessions, settings)
    ended = detail(client, row["id"])
    assert (ended["status"], ended["attempt"], ended["next_attempt_at"]) == ("failed", 3, None)
    assert [attempt["status_code"] for attempt in ended["attempts"]] == [500, 500, 500]
    assert ended["attempts"][0]["answer"] == "out of order"
    make_due(sessions)
    assert send_due(sessions, settings) == 0


def test_a_receiver_that_recovers_gets_it(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    receiver.answers = [503, 200]
    webhook = create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    send_due(sessions, settings)
    make_due(sessions)
    send_due(sessions, settings)
    assert [row["status"] for row in deliveries(client, webhook["id"])] == ["delivered"]
    first, second = receiver.received
    assert first.body == second.body
    assert deliveries(client, webhook["id"], status="failed") == []


def test_a_receiver_that_is_away_is_told_in_the_log(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int
) -> None:
    webhook = create(client, campaign_id, f"http://127.0.0.1:{free_port()}/")
    add_run(sessions, campaign_id)
    send_due(sessions, settings)
    (row,) = deliveries(client, webhook["id"])
    (attempt,) = detail(client, row["id"])["attempts"]
    assert attempt["status_code"] is None
    assert "refused" in attempt["error"]


def test_a_worker_that_dies_while_it_sends_leaves_the_delivery_due_again(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    webhook = create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    delivery.dispatch(sessions)
    (row,) = deliveries(client, webhook["id"])
    with unit_of_work(sessions) as session:
        now = datetime.now(UTC)
        lease = now + timedelta(seconds=60)
        assert delivery.repository.claim(session, row["id"], now, lease_until=lease) is not None
    assert delivery.dispatch(sessions) == 0
    assert delivery.dispatch(sessions, now=datetime.now(UTC) + timedelta(seconds=61)) == 1


def test_a_replay_sends_the_same_body_as_a_new_delivery(
    client: TestClient,
    sessions: Sessions,
    settings: Settings,
    campaign_id: int,
    receiver: Receiver,
    broker_url: str,
) -> None:
    webhook = create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    delivery.dispatch(sessions)
    (row,) = deliveries(client, webhook["id"])
    too_early = client.post(f"{API}/webhook-deliveries/{row['id']}:replay")
    assert "still being tried" in assert_problem(too_early, 409, "conflict")["detail"]
    send_due(sessions, settings)
    replayed = client.post(f"{API}/webhook-deliveries/{row['id']}:replay")
    assert replayed.status_code == 202
    new = replayed.json()
    assert (new["replay_of"], new["status"], new["attempt"]) == (row["id"], "pending", 0)
    assert ("webhook.deliver", [new["id"]]) in queued_messages(broker_url, "io")
    delivery.deliver(sessions, new["id"], settings)
    first, second = receiver.received
    assert first.body == second.body
    assert detail(client, new["id"])["status"] == "delivered"


def test_a_webhook_that_is_switched_off_gets_nothing_and_makes_up_for_nothing(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    url = f"{API}/webhooks/{create(client, campaign_id, receiver.url)['id']}"
    assert client.patch(url, json={"is_active": False}).json()["is_active"] is False
    add_run(sessions, campaign_id)
    assert send_due(sessions, settings) == 0
    client.patch(url, json={"is_active": True})
    add_run(sessions, campaign_id)
    send_due(sessions, settings)
    assert len(receiver.received) == 1


def test_old_deliveries_are_pruned_and_pending_ones_kept(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    receiver.answers = [200, 500]
    webhook = create(client, campaign_id, receiver.url)
    for _ in range(2):
        add_run(sessions, campaign_id)
        send_due(sessions, settings)
    with unit_of_work(sessions) as session:
        later = datetime.now(UTC) + timedelta(days=31)
        assert delivery.prune(session, now=later, keep_days=30) == 1
    assert [row["status"] for row in deliveries(client, webhook["id"])] == ["pending"]


def test_events_are_kept_until_they_have_become_deliveries(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    later = datetime.now(UTC) + timedelta(days=31)
    with unit_of_work(sessions) as session:
        assert events.repository.number_new(session) == 1
        assert events.prune(session, now=later, keep_days=30) == 0
    send_due(sessions, settings)
    with unit_of_work(sessions) as session:
        assert events.prune(session, now=later, keep_days=30) == 1
    assert len(receiver.received) == 1


def test_the_secret_is_shown_once_and_never_again(
    client: TestClient, sessions: Sessions, campaign_id: int, receiver: Receiver
) -> None:
    made = create(client, campaign_id, receiver.url)
    assert len(made["secret"]) >= 40
    given = create(client, campaign_id, receiver.url, secret="my-own-secret-of-32-characters!!")
    assert given["secret"] == "my-own-secret-of-32-characters!!"
    listed = client.get(f"{API}/campaigns/{campaign_id}/webhooks").json()["items"]
    assert [item["id"] for item in listed] == [made["id"], given["id"]]
    assert all("secret" not in item for item in listed)
    assert "secret" not in client.patch(f"{API}/webhooks/{made['id']}", json={"secret": "n" * 24}).json()
    with sessions() as session:
        told = str([row.after for row in session.query(AuditEvent).filter_by(entity="webhook")])
    assert made["secret"] not in told
    assert "n" * 24 not in told


def test_a_deleted_webhook_is_gone_with_its_deliveries(
    client: TestClient, sessions: Sessions, settings: Settings, campaign_id: int, receiver: Receiver
) -> None:
    webhook = create(client, campaign_id, receiver.url)
    add_run(sessions, campaign_id)
    send_due(sessions, settings)
    (row,) = deliveries(client, webhook["id"])
    assert client.delete(f"{API}/webhooks/{webhook['id']}").status_code == 204
    for path in (f"webhooks/{webhook['id']}", f"webhook-deliveries/{row['id']}"):
        assert_problem(client.get(f"{API}/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"url": "http://192.168.0.7/"}, "/url", "not public"),
        ({"url": "http://169.254.169.254/latest"}, "/url", "not public"),
        ({"url": "http://[fd00:ec2::254]/"}, "/url", "not public"),
        ({"url": "https://nowhere.invalid/"}, "/url", "cannot be resolved"),
        ({"url": "mailto:a@example.com"}, "/url", "https://host/path"),
        ({"events": []}, "/events", "at least 1"),
        ({"events": ["round.opened"]}, "/events/0", "use round.* or one of freeze"),
        ({"events": ["test.done"]}, "/events/0", "begin with one of"),
        ({"secret": "short"}, "/secret", "at least 24"),
    ],
)
def test_bad_webhooks_are_refused_with_what_to_do(
    client: TestClient,
    campaign_id: int,
    receiver: Receiver,
    changes: dict[str, Any],
    pointer: str,
    words: str,
) -> None:
    document = {"url": receiver.url, "events": ["*"]} | changes
    response = client.post(f"{API}/campaigns/{campaign_id}/webhooks", json=document)
    assert words in pointers(assert_problem(response, 422, "invalid_input"))[pointer]


def test_without_the_operators_leave_this_machine_is_not_called(
    application: FastAPI, settings: Settings, receiver: Receiver
) -> None:
    application.state.settings = settings.model_copy(update={"webhook_allowed_networks": []})
    with client_of(application) as client:
        campaign_id = create_campaign(client)
        document = {"url": receiver.url, "events": ["*"]}
        response: httpx.Response = client.post(f"{API}/campaigns/{campaign_id}/webhooks", json=document)
        assert "not public" in pointers(assert_problem(response, 422, "invalid_input"))["/url"]


def test_patterns_mean_all_a_noun_or_one_state() -> None:
    assert matches("round.closed", ["*"])
    assert matches("round.closed", ["upload.*", "round.*"])
    assert matches("round.closed", ["round.closed"])
    assert not matches("round.closed", ["round.close", "acquisition_round.*"])


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    assert [pause_s(attempt, lambda: 0.5) for attempt in (1, 2, 3)] == [10, 20, 40]
    assert pause_s(30, lambda: 0.5) == 6 * 3600
    assert (pause_s(1, lambda: 0.0), pause_s(1, lambda: 0.999)) == (5.0, pytest.approx(15, abs=0.1))
