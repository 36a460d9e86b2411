"""Imports over HTTP, before a worker has them."""

from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.imports.numbering import MOST_TESTS, parse_tests
from tests.service.uploads.uploading import campaign
from tests.support import API, SOURCES, assert_problem, pointers, queued_messages


def request(client: TestClient, campaign_id: int, **changes: Any) -> httpx.Response:
    return client.post(f"{API}/campaigns/{campaign_id}/imports", json={"tests": "9000-9002"} | changes)


def test_an_import_is_accepted_and_waits_for_a_worker(client: TestClient, broker_url: str) -> None:
    response = request(client, campaign(client))
    assert response.status_code == 202, response.text
    run = response.json()
    assert response.headers["location"] == f"{API}/imports/{run['id']}"
    assert (run["status"], run["seconds_left"]) == ("queued", None)
    assert run["configuration"] == {
        "database": "nhtsa", "tests": "9000-9002", "source": "full_vehicle", "split": "train", "occupants": "driver",
    }  # fmt: skip
    assert queued_messages(broker_url, "io") == [("import.run", [run["id"]])]
    listed = client.get(f"{API}/campaigns/{run['campaign_id']}/imports").json()["items"]
    assert listed == [client.get(f"{API}/imports/{run['id']}").json()]


def test_one_import_of_a_campaign_at_a_time(client: TestClient) -> None:
    campaign_id = campaign(client)
    first = request(client, campaign_id).json()["id"]
    problem = assert_problem(request(client, campaign_id, tests="1"), 409, "conflict")
    assert f"imports/{first}" in problem["hint"]
    assert client.post(f"{API}/imports/{first}:cancel").json()["status"] == "cancelled"
    assert request(client, campaign_id, tests="1").status_code == 202


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        ("", "at least 1"),
        ("abc", "no test number"),
        ("9000-", "no test number"),
        ("9100-9000", "ends before it begins"),
        ("1-999999", "more than"),
        ("-5", "no test number"),
        ("1,,2", "no test number"),
        ("9" * 30, "no test number"),
    ],
)
def test_wrong_test_numbers_are_named(client: TestClient, tests: str, complaint: str) -> None:
    problem = assert_problem(request(client, campaign(client), tests=tests), 422, "invalid_input")
    assert complaint in pointers(problem)["/tests"]


def test_test_numbers_are_read_as_people_write_them() -> None:
    assert parse_tests("9003, 9000-9001,9001") == [9000, 9001, 9003]
    assert len(parse_tests(f"1-{MOST_TESTS}")) == MOST_TESTS
    many = ",".join(f"{n * 10000}-{n * 10000 + MOST_TESTS - 1}" for n in range(1, 4))
    with pytest.raises(ValueError, match="more than"):
        parse_tests(many)


def test_the_source_is_named_unless_there_is_one_physical_test(client: TestClient) -> None:
    two = campaign(client, sources=[SOURCES[0], SOURCES[0] | {"name": "sled"}])
    problem = assert_problem(request(client, two), 422, "invalid_input")
    assert pointers(problem) == {"/source": "which source? use one of full_vehicle, sled"}
    assert request(client, two, source="sled").status_code == 202
    problem = assert_problem(request(client, campaign(client), source="lab"), 422, "invalid_input")
    assert "unknown source 'lab'" in pointers(problem)["/source"]


def test_a_campaign_with_other_labels_takes_no_import(client: TestClient) -> None:
    other = campaign(client, target={"name": "clip_g", "label_definition": "clip"})
    assert "which no file gives" in assert_problem(request(client, other), 422, "invalid_input")["detail"]


def test_unknown_imports_are_404(client: TestClient, sessions: sessionmaker[Session]) -> None:
    assert_problem(client.get(f"{API}/imports/77"), 404, "not_found")
    assert_problem(client.post(f"{API}/imports/77:cancel"), 404, "not_found")
    assert_problem(request(client, 77), 404, "not_found")


def test_an_ended_import_is_not_cancelled(client: TestClient) -> None:
    run_id = request(client, campaign(client)).json()["id"]
    client.post(f"{API}/imports/{run_id}:cancel")
    assert_problem(client.post(f"{API}/imports/{run_id}:cancel"), 409, "conflict")
