"""REST of schedules: what they look like, what they refuse, how they are paused and ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Schedule
from tests.support import API, assert_problem, create_campaign, pointers

NIGHTLY = {"kind": "cron", "expression": "0 2 * * *"}
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def post(client: TestClient, campaign_id: int, trigger: Any = NIGHTLY, **changes: Any) -> httpx.Response:
    document = {"name": "nightly", "trigger": trigger, "time_zone": "Europe/Berlin"} | changes
    return client.post(f"{API}/campaigns/{campaign_id}/schedules", json=document)


def create(client: TestClient, campaign_id: int, trigger: Any = NIGHTLY, **changes: Any) -> dict[str, Any]:
    response = post(client, campaign_id, trigger, **changes)
    assert response.status_code == 201, response.text
    return response.json()


def act(client: TestClient, schedule_id: int, action: str) -> httpx.Response:
    return client.post(f"{API}/schedules/{schedule_id}:{action}")


def test_a_schedule_shows_its_next_five_runs_on_both_clocks(client: TestClient, campaign_id: int) -> None:
    schedule = create(client, campaign_id)
    runs = schedule["next_runs"]
    assert len(runs) == 5
    assert all("T02:00:00+0" in run["local"] for run in runs)
    assert all(datetime.fromisoformat(run["due_at"]).utcoffset() == timedelta(0) for run in runs)
    assert runs[0]["due_at"] == schedule["next_due_at"]
    assert (schedule["status"], schedule["misfire"], schedule["action"]) == ("active", "run_once", "round")
    assert client.get(f"{API}/schedules/{schedule['id']}").json() == schedule
    assert client.get(f"{API}/campaigns/{campaign_id}/schedules").json()["items"] == [schedule]


@pytest.mark.parametrize(
    ("trigger", "pointer", "words"),
    [
        ({"kind": "cron", "expression": "0 0 30 2 *"}, "/trigger/cron/expression", "can never be due"),
        ({"kind": "cron", "expression": "daily"}, "/trigger/cron/expression", "for example 0 2 * * 1-5"),
        ({"kind": "date", "at": "2020-01-01T00:00Z"}, "/trigger/at", "give a time to come"),
        ({"kind": "date", "at": "2027-03-28T02:30"}, "", "does not exist in Europe/Berlin"),
        ({"kind": "date", "at": "2027-10-31T02:30"}, "", "add the offset"),
        (
            {"kind": "interval", "every_minutes": 0},
            "/trigger/interval/every_minutes",
            "greater than or equal to 1",
        ),
        ({"kind": "new_labels", "count": 0}, "/trigger/new_labels/count", "greater than or equal to 1"),
        ({"kind": "full_moon"}, "/trigger", "expected tags"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_with_what_to_do(
    client: TestClient, campaign_id: int, trigger: Any, pointer: str, words: str
) -> None:
    problem = assert_problem(post(client, campaign_id, trigger), 422, "invalid_input")
    found = pointers(problem)
    assert pointer in found
    assert words in found[pointer]


def test_an_unknown_zone_is_refused_with_what_to_do(client: TestClient, campaign_id: int) -> None:
    problem = assert_problem(post(client, campaign_id, time_zone="Europe/Bonn"), 422, "invalid_input")
    assert "use a name like Europe/Berlin" in pointers(problem)["/time_zone"]


def test_a_configuration_that_does_not_fit_the_campaign_is_refused(
    client: TestClient, campaign_id: int
) -> None:
    configuration = {
        "auto_approve": {"sources": ["simulation", "sled"]},
        "acquisition": {"source_budgets": {"moon": "1"}},
    }
    problem = assert_problem(post(client, campaign_id, configuration=configuration), 422, "invalid_input")
    assert set(pointers(problem)) == {
        "/configuration/auto_approve/sources/1",
        "/configuration/acquisition/source_budgets/moon",
    }


def test_a_pause_shows_no_runs_and_is_not_made_up_for(client: TestClient, campaign_id: int) -> None:
    schedule_id = create(client, campaign_id)["id"]
    paused = act(client, schedule_id, "pause").json()
    assert (paused["status"], paused["next_due_at"], paused["next_runs"]) == ("paused", None, [])
    assert_problem(act(client, schedule_id, "pause"), 409, "conflict")
    resumed = act(client, schedule_id, "resume").json()
    assert resumed["status"] == "active"
    assert datetime.fromisoformat(resumed["next_due_at"]) > datetime.now(UTC)
    assert_problem(act(client, schedule_id, "resume"), 409, "conflict")


def test_a_schedule_is_changed(client: TestClient, campaign_id: int) -> None:
    schedule_id = create(client, campaign_id)["id"]
    changes = {
        "name": "hourly",
        "trigger": {"kind": "interval", "every_minutes": 60},
        "time_zone": "UTC",
        "misfire": "skip",
    }
    changed = client.patch(f"{API}/schedules/{schedule_id}", json=changes).json()
    assert {key: changed[key] for key in ("name", "time_zone", "misfire")} == {
        key: changes[key] for key in ("name", "time_zone", "misfire")
    }
    first, second, *_ = (datetime.fromisoformat(run["due_at"]) for run in changed["next_runs"])
    assert second - first == timedelta(hours=1)
    alone = client.patch(f"{API}/schedules/{schedule_id}", json={"trigger": NIGHTLY})
    assert "together" in str(pointers(assert_problem(alone, 422, "invalid_input")))


@pytest.mark.parametrize(
    "trigger", [{"kind": "new_labels", "count": 4}, {"kind": "date", "at": SOON}, NIGHTLY]
)
@pytest.mark.parametrize("before", [{"kind": "new_labels", "count": 3}, NIGHTLY])
def test_any_trigger_may_become_any_other(
    client: TestClient, campaign_id: int, before: dict[str, Any], trigger: dict[str, Any]
) -> None:
    schedule_id = create(client, campaign_id, before)["id"]
    change = {"trigger": trigger, "time_zone": "UTC"}
    changed = client.patch(f"{API}/schedules/{schedule_id}", json=change).json()
    counts = trigger["kind"] == "new_labels"
    assert changed["trigger"]["kind"] == trigger["kind"]
    assert (changed["next_due_at"] is None, changed["labels_missing"]) == (counts, 4 if counts else None)


def test_a_date_that_passed_in_the_pause_cannot_be_resumed(
    client: TestClient, sessions: sessionmaker[Session], campaign_id: int
) -> None:
    schedule_id = create(client, campaign_id, {"kind": "date", "at": SOON})["id"]
    act(client, schedule_id, "pause")
    with unit_of_work(sessions) as session:
        session.get_one(Schedule, schedule_id).trigger = {"kind": "date", "at": "2020-01-01T00:00:00Z"}
    problem = assert_problem(act(client, schedule_id, "resume"), 409, "conflict")
    assert "PATCH it with a new trigger" in problem["hint"]


def test_a_paused_schedule_stays_paused_when_it_is_changed(client: TestClient, campaign_id: int) -> None:
    schedule_id = create(client, campaign_id)["id"]
    act(client, schedule_id, "pause")
    change = {"trigger": NIGHTLY, "time_zone": "UTC"}
    assert client.patch(f"{API}/schedules/{schedule_id}", json=change).json()["next_due_at"] is None


def test_a_deleted_schedule_has_ended_and_stays_readable(client: TestClient, campaign_id: int) -> None:
    schedule_id = create(client, campaign_id)["id"]
    assert client.delete(f"{API}/schedules/{schedule_id}").status_code == 204
    assert client.get(f"{API}/schedules/{schedule_id}").json()["status"] == "ended"
    for response in (
        act(client, schedule_id, "fire"),
        act(client, schedule_id, "resume"),
        client.patch(f"{API}/schedules/{schedule_id}", json={"name": "x"}),
        client.delete(f"{API}/schedules/{schedule_id}"),
    ):
        assert_problem(response, 409, "conflict")


def test_firing_by_hand_starts_a_round_and_leaves_the_due_time(client: TestClient, campaign_id: int) -> None:
    schedule = create(client, campaign_id)
    firing = act(client, schedule["id"], "fire").json()
    assert firing["outcome"] == "started"
    round_ = client.get(f"{API}/rounds/{firing['round_id']}").json()
    assert (round_["schedule_id"], round_["step"], round_["number"]) == (schedule["id"], "freeze", 1)
    assert client.get(f"{API}/schedules/{schedule['id']}").json()["next_due_at"] == schedule["next_due_at"]
    assert client.get(f"{API}/schedules/{schedule['id']}/firings").json()["items"] == [firing]
    problem = assert_problem(act(client, schedule["id"], "fire"), 409, "conflict")
    assert f"/api/v1/rounds/{round_['id']}" in problem["hint"]


def test_a_schedule_by_labels_shows_how_many_are_missing(client: TestClient, campaign_id: int) -> None:
    schedule = create(client, campaign_id, {"kind": "new_labels", "count": 7})
    assert (schedule["labels_missing"], schedule["next_due_at"], schedule["next_runs"]) == (7, None, [])


def test_a_date_is_shown_once(client: TestClient, campaign_id: int) -> None:
    assert len(create(client, campaign_id, {"kind": "date", "at": SOON})["next_runs"]) == 1


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_an_unknown_schedule_is_not_found(client: TestClient, method: str) -> None:
    body = {"json": {}} if method == "patch" else {}
    assert_problem(getattr(client, method)(f"{API}/schedules/77", **body), 404, "not_found")
