"""ETags: nobody overwrites what they have not seen."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from service.database.base import Base
from service.manners.repository import TABLE_OF_NOUN
from service.manners.versions import resource_of
from service.settings import Settings
from tests.service.test_openapi import OPERATIONS
from tests.support import API, act, assert_problem, create_campaign, propose, psycopg_url

# Actions on rows that are never edited: a replay makes a new delivery; a key notes each use, and only ends.
WITHOUT_VERSION = {
    "/api/v1/webhook-deliveries/1:replay",
    "/api/v1/api-keys/1:revoke",
    "/api/v1/api-keys/1:rotate",
    "/api/v1/campaigns/1/sources/1",  # a part of its campaign
}
STRONG = re.compile(r'"\d+-[0-9a-f]{16}"')


@pytest.fixture
def schedule(client: TestClient) -> str:
    """The address of a schedule."""
    campaign_id = create_campaign(client)
    document = {"name": "nightly", "trigger": {"kind": "cron", "expression": "0 2 * * *"}, "time_zone": "UTC"}
    response = client.post(f"{API}/campaigns/{campaign_id}/schedules", json=document)
    assert response.status_code == 201, response.text
    return response.headers["location"]


def tag(client: TestClient, url: str) -> str:
    return client.get(url).headers["etag"]


def rename(client: TestClient, url: str, name: str, if_match: str | None) -> Any:
    headers = {} if if_match is None else {"if-match": if_match}
    return client.patch(url, json={"name": name}, headers=headers)


def test_a_resource_has_a_strong_tag(client: TestClient, schedule: str) -> None:
    assert STRONG.fullmatch(tag(client, schedule))
    assert tag(client, schedule) == tag(client, schedule)


def test_lists_have_none(client: TestClient, schedule: str) -> None:
    assert "etag" not in client.get(f"{API}/campaigns").headers


def test_who_has_seen_the_version_may_change_it(client: TestClient, schedule: str) -> None:
    changed = rename(client, schedule, "weekly", tag(client, schedule))
    assert changed.status_code == 200
    assert changed.headers["etag"] == tag(client, schedule)
    assert rename(client, schedule, "monthly", changed.headers["etag"]).status_code == 200


def test_who_has_seen_an_older_version_may_not(client: TestClient, schedule: str) -> None:
    seen = tag(client, schedule)
    rename(client, schedule, "weekly", None)
    problem = assert_problem(rename(client, schedule, "mine", seen), 412, "changed_meanwhile")
    assert "Read it again" in problem["hint"]
    assert client.get(schedule).json()["name"] == "weekly"


@pytest.mark.parametrize("given", ["*", '"other-1", {}', "{}, {}"])
def test_other_ways_to_name_the_version(client: TestClient, schedule: str, given: str) -> None:
    given = given.replace("{}", tag(client, schedule))
    assert rename(client, schedule, "weekly", given).status_code == 200


def test_a_weak_tag_never_matches(client: TestClient, schedule: str) -> None:
    assert_problem(rename(client, schedule, "weekly", "W/" + tag(client, schedule)), 412, "changed_meanwhile")


@pytest.mark.parametrize("header", ["7", '"a', '"a" "b"', "é"])
def test_what_is_no_tag_is_refused(client: TestClient, schedule: str, header: str) -> None:
    response = client.patch(schedule, json={"name": "weekly"}, headers={"if-match": header.encode("latin-1")})
    assert_problem(response, 400, "bad_header")


def test_deleting_and_acting_ask_too(client: TestClient, schedule: str) -> None:
    old = tag(client, schedule)
    rename(client, schedule, "weekly", None)
    stale = {"if-match": old}
    assert_problem(client.delete(schedule, headers=stale), 412, "changed_meanwhile")
    assert_problem(client.post(f"{schedule}:pause", headers=stale), 412, "changed_meanwhile")
    assert client.post(f"{schedule}:pause", headers={"if-match": tag(client, schedule)}).status_code == 200
    assert client.delete(schedule, headers={"if-match": tag(client, schedule)}).status_code == 204


def test_a_decision_about_a_proposal_that_was_decided_meanwhile_is_refused(client: TestClient) -> None:
    key = propose(client).recommendation_ids[0]
    url = f"{API}/recommendations/{key}"
    seen = {"if-match": tag(client, url)}
    assert act(client, key, "approve").headers["etag"] == tag(client, url)
    assert_problem(
        client.post(f"{url}:reject", json={"reason": "dear"}, headers=seen), 412, "changed_meanwhile"
    )


def test_the_stop_rule_goes_with_its_campaign(client: TestClient) -> None:
    campaign = f"{API}/campaigns/{create_campaign(client)}"
    seen = {"if-match": tag(client, campaign)}
    assert client.put(f"{campaign}/stop-rule", json={}, headers=seen).status_code == 200
    assert_problem(client.put(f"{campaign}/stop-rule", json={}, headers=seen), 412, "changed_meanwhile")


def test_what_is_not_there_is_404_all_the_same(client: TestClient, schedule: str) -> None:
    response = client.patch(f"{API}/schedules/99", json={"name": "a"}, headers={"if-match": '"1-a"'})
    assert_problem(response, 404, "not_found")


def test_what_the_client_has_is_not_sent_again(client: TestClient, schedule: str) -> None:
    seen = tag(client, schedule)
    for given in (seen, f"W/{seen}", f'"x", {seen}', "*"):
        response = client.get(schedule, headers={"if-none-match": given})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", seen)
    rename(client, schedule, "weekly", None)
    assert client.get(schedule, headers={"if-none-match": seen}).json()["name"] == "weekly"


def test_a_change_of_what_is_only_shown_alters_the_tag_and_spoils_no_edit(
    client: TestClient, settings: Settings
) -> None:
    """A round shows counts of other rows: the bytes differ, the row is the one that was seen."""
    campaign_id = create_campaign(client)
    url = client.post(f"{API}/campaigns/{campaign_id}/rounds", json={}).headers["location"]
    seen = tag(client, url)
    version, digest = seen.strip('"').split("-")
    response = client.post(f"{url}:cancel", headers={"if-match": f'"{version}-{digest[::-1]}"'})
    assert response.status_code == 200
    assert tag(client, url) != seen


def test_of_two_who_saw_the_same_version_one_wins(client: TestClient, schedule: str) -> None:
    seen = tag(client, schedule)
    with ThreadPoolExecutor(4) as pool:
        names = [f"name {number}" for number in range(4)]
        answers = list(pool.map(lambda name: rename(client, schedule, name, seen), names))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    (winner,) = (answer for answer in answers if answer.status_code == 200)
    assert client.get(schedule).json()["name"] == winner.json()["name"]


def test_the_second_waits_for_the_first_to_end(client: TestClient, schedule: str, settings: Settings) -> None:
    """Not what stands now counts, but what stands when the other transaction has ended."""
    seen, row_id = tag(client, schedule), int(schedule.rsplit("/", 1)[1])
    with ThreadPoolExecutor(1) as pool, psycopg.connect(psycopg_url(settings.database_url)) as other:
        other.execute("UPDATE schedules SET name = 'theirs' WHERE id = %s", [row_id])
        mine = pool.submit(rename, client, schedule, "mine", seen)
        deadline = time.monotonic() + 60
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        other.commit()
        assert_problem(mine.result(60), 412, "changed_meanwhile")
    assert client.get(schedule).json()["name"] == "theirs"


def changing() -> list[str]:
    """Addresses with an id at which something is changed, whole or by an action."""
    paths = {path for method, path, _ in OPERATIONS if method in {"PUT", "PATCH", "DELETE"}}
    paths |= {path for method, path, _ in OPERATIONS if method == "POST" and "}:" in path}
    return sorted(re.sub(r"\{\w+\}", "1", path) for path in paths)


def test_every_address_at_which_something_is_changed_has_versions() -> None:
    assert len(changing()) > 20
    missing = {path for path in changing() if resource_of(path) is None}
    assert missing == WITHOUT_VERSION, "name the noun's table in service/manners/repository.py"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/campaigns",
        "/api/v1/campaigns/1/samples",
        "/campaigns/1",
        "/api/v1/events/1",
        "/api/v1/campaigns/9999999999999999999",
        "",
    ],
)
def test_what_is_no_resource(path: str) -> None:
    assert resource_of(path) is None


def test_each_table_has_an_id() -> None:
    assert {table.__table__ for table in TABLE_OF_NOUN.values()} <= set(Base.metadata.tables.values())
    assert all("id" in table.__table__.c for table in TABLE_OF_NOUN.values())


def test_the_document_tells_of_both(client: TestClient) -> None:
    patch = json.loads(client.get(f"{API}/openapi.json").content)["paths"][f"{API}/schedules/{{schedule_id}}"]
    assert "If-Match" in {item["name"] for item in patch["patch"]["parameters"]}
    assert {"304", "200"} <= set(patch["get"]["responses"])
    assert "ETag" in patch["get"]["responses"]["200"]["headers"]
