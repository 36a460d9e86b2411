"""`Idempotency-Key`: what is sent again is answered again, and nothing is done twice."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.beat import keep_house
from service.manners import idempotency
from service.settings import Settings
from tests.support import (
    API,
    add_finished_valuation,
    add_samples,
    assert_problem,
    campaign_document,
    change_settings,
    create_campaign,
    psycopg_url,
    queued_messages,
    sample_documents,
)

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
REPLAYED = "idempotency-replayed"


def create(client: TestClient, headers: dict[str, str] = KEY, **changes: Any) -> httpx.Response:
    return client.post(f"{API}/campaigns", json=campaign_document(**changes), headers=headers)


def count(client: TestClient) -> int:
    return len(client.get(f"{API}/campaigns").json()["items"])


def execute(settings: Settings, statement: str, *values: Any) -> list[Any]:
    with psycopg.connect(psycopg_url(settings.database_url), autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def stored(settings: Settings) -> int:
    return execute(settings, "SELECT count(*) FROM stored_answers")[0][0]


def test_the_same_request_gets_the_same_answer(client: TestClient) -> None:
    first, second = create(client), create(client)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == second.headers[name]
    assert REPLAYED not in first.headers
    assert second.headers[REPLAYED] == "true"
    assert count(client) == 1


def test_without_a_key_each_request_is_its_own(client: TestClient, settings: Settings) -> None:
    assert create(client, {}).json()["id"] != create(client, {}).json()["id"]
    assert stored(settings) == 0


def test_a_quoted_key_is_the_same_key(client: TestClient) -> None:
    create(client, {"Idempotency-Key": "k-1"})
    assert create(client, {"Idempotency-Key": '"k-1"'}).headers[REPLAYED] == "true"


@pytest.mark.parametrize("key", ["", '"', 'a"b', "a\\b", "k" * 256, "a b", '""', '"a'])
def test_what_is_no_key_is_refused(client: TestClient, key: str) -> None:
    problem = assert_problem(create(client, {"Idempotency-Key": key}), 400, "bad_header")
    assert "UUID" in problem["hint"]
    assert count(client) == 0


def test_another_payload_under_the_key_is_refused(client: TestClient) -> None:
    create(client)
    problem = assert_problem(create(client, name="Side"), 422, "key_reused")
    assert "new one" in problem["hint"]
    assert count(client) == 1


def test_another_address_under_the_key_is_refused(client: TestClient) -> None:
    campaign_id = create(client).json()["id"]
    url = f"{API}/campaigns/{campaign_id}/samples:bulk"
    body = {"samples": sample_documents(1)}
    assert_problem(client.post(url, json=body, headers=KEY), 422, "key_reused")
    other = {"Idempotency-Key": "other"}
    assert client.post(url, json=body, headers=other).status_code == 201
    assert_problem(client.post(f"{url}?on_error=keep_good", json=body, headers=other), 422, "key_reused")


def test_a_failed_request_leaves_nothing_and_may_be_sent_again(
    client: TestClient, settings: Settings
) -> None:
    assert_problem(create(client, sources=[]), 422, "invalid_input")
    assert_problem(client.post(f"{API}/campaigns/9/rounds", json={}, headers=KEY), 404, "not_found")
    assert stored(settings) == 0
    assert create(client).status_code == 201


def test_a_run_is_queued_and_sent_once(client: TestClient, broker_url: str) -> None:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, sample_documents(30, target=26.0, label_definition="rolc/1"))
    url = f"{API}/campaigns/{campaign_id}/valuation-runs"
    first, second = (client.post(url, json={}, headers=KEY) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert second.headers["retry-after"] == first.headers["retry-after"]
    assert len(client.get(url).json()["items"]) == 1
    assert len([1 for queue in ("gpu", "cpu") for _ in queued_messages(broker_url, queue)]) == 1


def test_an_action_with_an_empty_body_is_replayed(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    add_finished_valuation(client.app.state.sessions, campaign_id)
    url = f"{API}/campaigns/{campaign_id}/webhooks"
    webhook = client.post(url, json={"url": "https://93.184.216.34/", "events": ["*"]})
    assert webhook.status_code == 201, webhook.text
    rounds = f"{API}/campaigns/{campaign_id}/rounds"
    round_id = client.post(rounds, json={}).json()["id"]
    first, second = (client.post(f"{API}/rounds/{round_id}:cancel", headers=KEY) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.headers["etag"] == second.headers["etag"]


def test_keys_belong_to_principals(client: TestClient, settings: Settings) -> None:
    create(client)
    change_settings(client, settings.model_copy(update={"api_key": SecretStr("k" * 24)}))
    response = create(client, {**KEY, "authorization": f"Bearer {'k' * 24}"})
    assert response.status_code == 201
    assert REPLAYED not in response.headers


def test_a_replay_asks_for_the_key_like_any_request(client: TestClient, settings: Settings) -> None:
    create(client)
    change_settings(client, settings.model_copy(update={"api_key": SecretStr("k" * 24)}))
    assert_problem(create(client), 401, "unauthenticated")


def upload(client: TestClient, campaign_id: int, content: bytes, boundary: str) -> httpx.Response:
    lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="campaign_id"\r\n\r\n{campaign_id}\r\n']
    lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="source"\r\n\r\nfull_vehicle\r\n')
    lines.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    body = "".join(lines).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {**KEY, "content-type": f"multipart/form-data; boundary={boundary}"}
    return client.post(f"{API}/uploads", content=body, headers=headers)


def test_an_upload_is_known_by_its_fields_and_file_whatever_the_boundary(client: TestClient) -> None:
    campaign_id = create_campaign(client, target={"name": "rolc_g", "unit": "g"})
    content = b"time,acc\n" + b"0,1\n" * 300_000  # large enough to lie on the disk
    first = upload(client, campaign_id, content, "one")
    assert first.status_code == 202, first.text
    second = upload(client, campaign_id, content, "two")
    assert (second.status_code, second.content) == (202, first.content)
    assert second.headers[REPLAYED] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert_problem(upload(client, campaign_id, content + b"1", "one"), 422, "key_reused")
    assert len(client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"]) == 1


def test_a_large_bulk_answer_is_kept_whole(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    url, body = f"{API}/campaigns/{campaign_id}/samples:bulk", {"samples": sample_documents(3000)}
    first, second = (client.post(url, json=body, headers=KEY) for _ in range(2))
    assert first.json()["created"] == 3000
    assert first.content == second.content


def test_beyond_the_bound_the_deed_is_remembered_and_the_answer_is_not(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LARGEST_ANSWER_BYTES", 1000)
    campaign_id = create_campaign(client)
    url, body = f"{API}/campaigns/{campaign_id}/samples:bulk", {"samples": sample_documents(50)}
    assert client.post(url, json=body, headers=KEY).json()["created"] == 50
    problem = assert_problem(client.post(url, json=body, headers=KEY), 409, "answer_not_kept")
    assert "with status 201" in problem["detail"]
    assert len(client.get(f"{API}/campaigns/{campaign_id}/samples").json()["items"]) == 50


def test_the_bound_holds_the_answer_to_the_largest_bulk_request(settings: Settings) -> None:
    row = b'{"row":99999,"status":"created","id":99999999,"external_id":null,"errors":[]},'
    assert len(row) * settings.max_bulk_rows <= idempotency.LARGEST_ANSWER_BYTES


def age(settings: Settings, hours: float) -> None:
    statement = "UPDATE stored_answers SET created_at = now() - make_interval(secs => %s)"
    execute(settings, statement, hours * 3600)


def test_a_key_is_free_again_after_a_day(client: TestClient, settings: Settings) -> None:
    first = create(client).json()["id"]
    age(settings, 23.9)
    assert create(client).json()["id"] == first
    age(settings, 24.1)
    assert create(client).json()["id"] != first
    assert stored(settings) == 1


def test_housekeeping_deletes_old_answers_only(
    client: TestClient, sessions: sessionmaker[Session], settings: Settings
) -> None:
    create(client)
    age(settings, 24.1)
    create(client, {"Idempotency-Key": "new"})
    keep_house(sessions, client.app.state.queue, settings)
    assert execute(settings, "SELECT key FROM stored_answers") == [("new",)]


@contextmanager
def campaigns_locked(settings: Settings) -> Iterator[psycopg.Connection]:
    """Nobody can add a campaign meanwhile."""
    with psycopg.connect(psycopg_url(settings.database_url)) as connection:
        connection.execute("LOCK TABLE campaigns IN SHARE MODE")
        yield connection


def wait_until_one_waits(settings: Settings) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if execute(settings, "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'campaigns'::regclass"):
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for the table")


def test_the_second_of_two_racing_requests_is_told_to_wait(client: TestClient, settings: Settings) -> None:
    with ThreadPoolExecutor(1) as pool:
        with campaigns_locked(settings):
            first = pool.submit(create, client)
            wait_until_one_waits(settings)
            second = create(client)
        problem = assert_problem(second, 409, "in_flight")
        assert second.headers["retry-after"] == "1"
        assert "same key" in problem["hint"]
        assert first.result(60).status_code == 201
    again = create(client)
    assert again.content == first.result().content
    assert again.headers[REPLAYED] == "true"
    assert count(client) == 1


def test_of_many_racing_requests_one_acts(client: TestClient) -> None:
    start = threading.Barrier(6)

    def race() -> int:
        start.wait()
        while (response := create(client)).status_code == 409:
            assert_problem(response, 409, "in_flight")
        return response.json()["id"]

    with ThreadPoolExecutor(6) as pool:
        ids = {future.result(120) for future in [pool.submit(race) for _ in range(6)]}
    assert len(ids) == count(client) == 1


# The connection dies at the very commit, with change and answer written.
DIES_AT_COMMIT = """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER die AFTER INSERT ON stored_answers DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION die()
"""


def test_a_crash_at_the_commit_leaves_neither_change_nor_answer(
    client: TestClient, settings: Settings
) -> None:
    execute(settings, DIES_AT_COMMIT)
    assert_problem(create(client), 503, "unavailable")
    assert (count(client), stored(settings)) == (0, 0)
    execute(settings, "DROP TRIGGER die ON stored_answers")
    response = create(client)
    assert (response.status_code, REPLAYED in response.headers) == (201, False)
    assert (count(client), stored(settings)) == (1, 1)


def test_an_answer_lost_on_its_way_is_had_by_asking_again(client: TestClient) -> None:
    """The client saw nothing of the first answer; it cannot tell a lost answer from a lost request."""
    create(client)
    assert create(client).json()["id"] == client.get(f"{API}/campaigns").json()["items"][0]["id"]
