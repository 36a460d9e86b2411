"""Campaigns over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import (
    API,
    FEATURES,
    SOURCES,
    add_samples,
    assert_problem,
    campaign_document,
    create_campaign,
    move,
    pointers,
    post_json,
    propose,
    sample_document,
)

SPEED = FEATURES[0]


def messages_of(client: TestClient, **changes: Any) -> str:
    """Everything that the refusal of a campaign says."""
    response = post_json(client, f"{API}/campaigns", campaign_document(**changes))
    problem = assert_problem(response, 422, "invalid_input")
    return "\n".join(f"{pointer} {message}" for pointer, message in pointers(problem).items())


def feature(**changes: Any) -> dict[str, Any]:
    return {"feature_schema": [SPEED | changes], "target_domain": {}}


def test_a_created_campaign_is_read_at_its_location(client: TestClient) -> None:
    created = client.post(f"{API}/campaigns", json=campaign_document(budget="1500000.50"))
    assert created.status_code == 201
    read = client.get(created.headers["location"])
    assert read.json() == created.json()
    assert read.json()["budget"] == "1500000.50"
    assert [source["name"] for source in read.json()["sources"]] == ["full_vehicle", "simulation"]
    assert read.json()["sources"][0]["acquisition_cost"] == "300000.00"
    assert read.json()["created_at"].endswith("Z")


def test_defaults_are_rolc_in_g(client: TestClient) -> None:
    campaign = client.get(f"{API}/campaigns/{create_campaign(client)}").json()
    assert (campaign["target"]["name"], campaign["target"]["unit"]) == ("rolc_g", "g")
    assert campaign["target"]["label_definition"] == "rolc/1"


BODY = {"name": "body", "kind": "categorical", "categories": ["sedan", "suv"]}


def test_one_categorical_feature_may_be_the_load_case(client: TestClient) -> None:
    marked = [SPEED, BODY | {"load_case": True}]
    campaign = create_campaign(client, feature_schema=marked, target_domain={})
    read = client.get(f"{API}/campaigns/{campaign}").json()["feature_schema"]
    assert [feature["load_case"] for feature in read] == [False, True]
    assert "only a categorical feature" in messages_of(client, **feature(load_case=True))
    both = [SPEED, BODY | {"load_case": True}, BODY | {"load_case": True, "name": "dummy"}]
    refused = messages_of(client, feature_schema=both, target_domain={})
    assert "several load cases: body, dummy; mark one feature only" in refused


def test_campaigns_are_listed_in_pages(client: TestClient) -> None:
    ids = [create_campaign(client, name=f"campaign {number}") for number in range(3)]
    first = client.get(f"{API}/campaigns?limit=2").json()
    second = client.get(f"{API}/campaigns?limit=2&cursor={first['next_cursor']}").json()
    assert [row["id"] for row in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None


def test_an_unknown_campaign_is_404(client: TestClient) -> None:
    problem = assert_problem(client.get(f"{API}/campaigns/77"), 404, "not_found")
    assert "77" in problem["detail"]


def test_an_id_beyond_64_bits_is_refused_not_a_crash(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/campaigns/{2**70}"), 422, "invalid_input")


def test_a_feature_known_only_after_the_test_leaks_the_result(client: TestClient) -> None:
    assert "leak" in messages_of(client, **feature(known_before_test=False))


def test_the_target_cannot_be_a_feature(client: TestClient) -> None:
    assert "predict itself" in messages_of(client, target={"name": "impact_speed_kmh"})


def test_features_are_named_once(client: TestClient) -> None:
    assert "features named twice: impact_speed_kmh" in messages_of(client, feature_schema=[*FEATURES, SPEED])


def test_sources_are_named_once(client: TestClient) -> None:
    assert "sources named twice: simulation" in messages_of(client, sources=[*SOURCES, SOURCES[1]])


def test_a_misspelt_field_is_named(client: TestClient) -> None:
    assert messages_of(client, budgett="1").startswith("/budgett ")


@pytest.mark.parametrize("name", ["", "Speed", "speed kmh", "1speed", "target", "external_id"])
def test_a_feature_name_is_a_plain_unreserved_word(client: TestClient, name: str) -> None:
    assert "/feature_schema/0" in messages_of(client, **feature(name=name))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"minimum": 80, "maximum": 20}, "minimum must be below maximum"),
        ({"kind": "categorical", "minimum": None, "maximum": None}, "give `categories`"),
        ({"categories": ["a"]}, "give `categories`"),
        ({"kind": "categorical", "categories": ["a", "a"], "minimum": None, "maximum": None}, "repeated"),
        ({"kind": "boolean"}, "only numbers have a minimum"),
        ({"kind": "colour"}, "/feature_schema/0/kind"),
        ({"unit": "km/h\x00"}, "NUL"),
        ({"description": "\ud800"}, "/feature_schema/0/description"),
    ],
)
def test_a_feature_that_contradicts_itself_is_refused(
    client: TestClient, changes: dict[str, Any], complaint: str
) -> None:
    assert complaint in messages_of(client, **feature(**changes))


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ({"feature": "mass", "minimum": 1}, "unknown feature 'mass'"),
        ({"feature": "test_mass_kg"}, "give minimum, maximum or categories"),
        ({"feature": "test_mass_kg", "minimum": 2, "maximum": 1}, "minimum must be below maximum"),
        ({"feature": "barrier", "minimum": 1}, "is no number"),
        ({"feature": "barrier", "categories": ["soft"]}, "has no category soft"),
    ],
)
def test_a_target_domain_that_no_design_can_meet_is_refused(
    client: TestClient, condition: dict[str, Any], complaint: str
) -> None:
    assert complaint in messages_of(client, target_domain={"conditions": [condition]})


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": []},
        {"feature_schema": []},
        {"name": "   "},
        {"name": "a\x00b"},
        {"budget": "-1"},
        {"budget": "0.001"},
        {"budget": "NaN"},
        {"currency": "usd"},
        {"target": {"minimum": 9, "maximum": 5}},
        {"sources": [SOURCES[0] | {"acquisition_cost": "0"}]},
        {"sources": [SOURCES[0] | {"capacity": 2**70}]},
        {"sources": [SOURCES[0] | {"lead_time_hours": "1e400"}]},
        {"sources": [SOURCES[0] | {"kind": "oracle"}]},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_named_by_its_pointer(client: TestClient, changes: dict[str, Any]) -> None:
    (field,) = changes
    assert messages_of(client, **changes).startswith(f"/{field}")


def test_a_source_is_priced_in_the_currency_of_the_campaign(client: TestClient) -> None:
    assert "priced in USD: use EUR" in messages_of(client, currency="EUR")


def test_infinity_in_the_body_is_refused(client: TestClient) -> None:
    body = '{"name": "a", "feature_schema": [{"name": "x", "maximum": Infinity}], "sources": []}'
    response = client.post(f"{API}/campaigns", content=body, headers={"content-type": "application/json"})
    assert "/feature_schema/0/maximum" in pointers(assert_problem(response, 422, "invalid_input"))


def test_a_body_that_is_not_json_is_a_problem(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    response = client.post(f"{API}/campaigns", content='{"name": }', headers=headers)
    problem = assert_problem(response, 422, "invalid_input")
    assert pointers(problem) == {"": "not JSON: Expecting value at character 9"}


def test_a_refused_campaign_leaves_nothing(client: TestClient) -> None:
    client.post(f"{API}/campaigns", json=campaign_document(sources=[]))
    assert client.get(f"{API}/campaigns").json()["items"] == []


def test_the_summary_counts_samples_and_money(client: TestClient) -> None:
    proposal = propose(client, budget="1000000")
    validation = sample_document(split="validation")
    holdout = sample_document(split="holdout", target=26.0)
    add_samples(client, proposal.campaign_id, [validation, holdout])
    move(client, proposal.recommendation_ids[0], "approve", "order", "complete")
    move(client, proposal.recommendation_ids[1], "approve")
    summary = client.get(f"{API}/campaigns/{proposal.campaign_id}/summary").json()
    assert summary["samples"] == {"candidate": 2, "labelled": 2}
    assert summary["splits"] == {"train": 2, "validation": 1, "holdout": 1}
    assert summary["recommendations"] == {"approved": 1, "completed": 1}
    money = {name: float(summary[name]) for name in ("budget", "spent", "committed", "remaining")}
    assert money == {"budget": 1e6, "spent": 3e5, "committed": 3e5, "remaining": 4e5}
