"""What openapi.json promises beyond FastAPI's own: verbs, examples, links, keys, ids; and what requests meet of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.contract import LARGEST_ID, methods_of
from tests.support import API, assert_problem, campaign_document, create_campaign, pointers

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# What each method may do; the life of rows has verbs of its own, each at an address that ends with it.
VERBS = {
    "get": {"list", "read", "download", "export", "stream"},
    "post": {"create", "request", "start", "rank", "score", "predict", "change"},
    "put": {"set"},
    "patch": {"update"},
    "delete": {"delete", "revoke"},
}


def examples_of(media: dict[str, Any]) -> Any:
    """Of a body: beside its schema or inside of it."""
    schema = media["schema"]
    schema = schema.get("anyOf", [schema])[0]
    named = SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    return media.get("example") or media.get("examples") or named.get("example")


@pytest.mark.parametrize("name", [name for name, (path, _, _) in OPERATIONS.items() if path.startswith(API)])
def test_an_operation_is_called_by_its_verb(name: str) -> None:
    path, method, _ = OPERATIONS[name]
    action = path.partition(":")[2].partition("-")[0]
    verb = name.partition("_")[0]
    assert verb == action or verb in VERBS[method], f"{method} {path} is called {name}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_is_and_belongs_to(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1


@pytest.mark.parametrize(
    "name", [name for name, (_, _, found) in OPERATIONS.items() if "requestBody" in found]
)
def test_every_body_has_an_example(name: str) -> None:
    content = OPERATIONS[name][2]["requestBody"]["content"]
    assert [kind for kind, media in content.items() if not examples_of(media)] == []


def test_links_lead_to_operations_with_the_parameter_that_they_name() -> None:
    links = {
        (name, link["operationId"], parameter): expression
        for name, (_, _, operation) in OPERATIONS.items()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
        for parameter, expression in link["parameters"].items()
    }
    assert ("create_campaign", "list_samples", "campaign_id") in links
    assert ("request_valuation_run", "cancel_valuation_run", "run_id") in links
    assert ("create_webhook", "delete_webhook", "webhook_id") in links
    assert set(links.values()) == {"$response.body#/id"}
    for _, target, parameter in links:
        assert parameter in {item["name"] for item in OPERATIONS[target][2]["parameters"]}


def test_the_key_is_declared_and_only_health_needs_none() -> None:
    operations = [(path, operation.get("security", [])) for path, _, operation in OPERATIONS.values()]
    named = {name for _, entries in operations for entry in entries for name in entry}
    assert named == set(DOCUMENT["components"]["securitySchemes"])
    assert {path for path, entries in operations if not entries} == {"/health/live", "/health/ready"}


def test_ids_in_paths_are_what_the_database_can_hold() -> None:
    bounds = {
        (parameter["schema"].get("minimum"), parameter["schema"].get("maximum"))
        for _, _, operation in OPERATIONS.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    }
    assert bounds == {(1, LARGEST_ID)}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/campaigns", ["GET", "POST"]),
        ("/api/v1/campaigns/7/samples:bulk", ["POST"]),
        ("/api/v1/schedules/7", ["DELETE", "GET", "PATCH"]),
        ("/api/v1/schedules/7:fire", ["POST"]),
        ("/campaigns/7", []),
    ],
)
def test_an_address_has_the_methods_of_all_its_operations(path: str, methods: list[str]) -> None:
    assert methods_of(DOCUMENT, path) == methods


def test_a_method_that_an_address_has_not_is_a_405_with_those_it_has(client: TestClient) -> None:
    for path in sorted({re.sub(r"\{\w+\}", "7", path) for path in DOCUMENT["paths"] if path.startswith(API)}):
        allowed = methods_of(DOCUMENT, path)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed):
            response = client.request(method, path)
            assert_problem(response, 405, "method_not_allowed")
            assert response.headers["allow"] == ", ".join(allowed), path


def test_an_id_that_is_no_number_is_named(client: TestClient) -> None:
    problem = assert_problem(client.get(f"{API}/campaigns/abc"), 422, "invalid_input")
    assert set(pointers(problem)) == {"/path/campaign_id"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"target": {"minimum": False}}, "/target/minimum"),
        ({"feature_schema": [{"name": "speed", "maximum": True}]}, "/feature_schema/0/maximum"),
        ({"feature_schema": [{"name": "speed", "required": 1}]}, "/feature_schema/0/required"),
        ({"stop_rule": {"target_error": True}}, "/stop_rule/target_error"),
    ],
)
def test_true_is_no_number_and_a_number_no_flag(
    client: TestClient, changes: dict[str, Any], pointer: str
) -> None:
    document = campaign_document(**{"target_domain": {}} | changes)
    problem = assert_problem(client.post(f"{API}/campaigns", json=document), 422, "invalid_input")
    assert list(pointers(problem)) == [pointer]


def test_a_time_is_a_text(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    trigger = {"kind": "interval", "every_minutes": 60, "starts_at": 1_800_000_000}
    response = client.post(f"{API}/campaigns/{campaign_id}/schedules", json={"name": "s", "trigger": trigger})
    problem = assert_problem(response, 422, "invalid_input")
    assert "expects a time like" in next(iter(pointers(problem).values()))


def test_the_example_of_many_samples_is_taken_in_each_format(client: TestClient) -> None:
    features = [
        {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
        {"name": "test_mass_kg", "unit": "kg"},
    ]
    campaign_id = create_campaign(client, feature_schema=features)
    content = OPERATIONS["create_samples"][2]["requestBody"]["content"]
    assert len(content) == 3
    for kind, media in content.items():
        example = media["example"]
        body = example if isinstance(example, str) else json.dumps(example)
        url = f"{API}/campaigns/{campaign_id}/samples:bulk"
        response = client.post(url, content=body, headers={"content-type": kind})
        assert response.status_code == 201, response.text
