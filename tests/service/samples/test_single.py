"""One sample over HTTP."""

from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.database.models import AuditEvent
from tests.support import API, assert_problem, pointers, post_json, sample_document

FLAGS = {"impact_speed_kmh": 56.0, "test_mass_kg": 1810, "barrier": "rigid"}


def post(client: TestClient, campaign_id: int, **changes: Any) -> httpx.Response:
    return post_json(client, f"{API}/campaigns/{campaign_id}/samples", sample_document(**changes))


def complaints(client: TestClient, campaign_id: int, **changes: Any) -> dict[str, str]:
    return pointers(assert_problem(post(client, campaign_id, **changes), 422, "invalid_input"))


def test_a_sample_without_target_is_a_candidate(client: TestClient, campaign_id: int) -> None:
    created = post(client, campaign_id, external_id="T-1", group="platform-A")
    assert created.status_code == 201
    assert created.json()["status"] == "candidate"
    assert created.json()["label_definition"] is None
    assert client.get(created.headers["location"]).json() == created.json()


def test_a_sample_with_target_is_labelled_by_the_rule_of_the_campaign(
    client: TestClient, campaign_id: int
) -> None:
    sample = post(client, campaign_id, target=25.8).json()
    assert (sample["status"], sample["target"], sample["label_definition"]) == ("labelled", 25.8, "rolc/1")
    assert sample["labelled_at"] is not None


def test_what_was_not_executed_differently_was_executed_as_planned(
    client: TestClient, campaign_id: int
) -> None:
    sample = post(client, campaign_id, target=25.8, executed_features={"impact_speed_kmh": 56.3}).json()
    assert sample["executed_features"] == FLAGS | {"impact_speed_kmh": 56.3}
    assert sample["planned_features"]["impact_speed_kmh"] == 56.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("airbags", 1), ("airbags", 0), ("pretensioner", True), ("pretensioner", False), ("barrier", "offset")],
)
def test_a_value_keeps_its_type(client: TestClient, campaign_id: int, name: str, value: object) -> None:
    stored = post(client, campaign_id, features={name: value}).json()["planned_features"][name]
    assert (stored, type(stored)) == (value, type(value))


def test_a_number_that_looks_like_a_truth_value_is_a_number(client: TestClient, campaign_id: int) -> None:
    message = complaints(client, campaign_id, features={"impact_speed_kmh": 1})
    assert message["/planned_features/impact_speed_kmh"].startswith("1 is outside 20 to 80 km/h")


def test_a_measure_in_the_unit_of_the_schema_is_accepted(client: TestClient, campaign_id: int) -> None:
    sample = post(client, campaign_id, features={"test_mass_kg": {"value": 1500, "unit": "kg"}}).json()
    assert sample["planned_features"]["test_mass_kg"] == 1500


def test_an_optional_feature_may_be_missing_or_null(client: TestClient, campaign_id: int) -> None:
    sample = post(client, campaign_id, features={"airbags": None}).json()
    assert "airbags" not in sample["planned_features"]


@pytest.mark.parametrize(
    ("features", "pointer", "complaint"),
    [
        ({"impact_speed_kmph": 5}, "impact_speed_kmph", "did you mean 'impact_speed_kmh' (in km/h)?"),
        ({"zzz": 5}, "zzz", "unknown feature: the schema has"),
        ({"a/b~": 5}, "a~1b~0", "unknown feature"),
        ({"test_mass_kg": {"value": 4000, "unit": "lb"}}, "test_mass_kg", "given in lb: convert it to kg"),
        ({"test_mass_kg": {"value": 4000}}, "test_mass_kg", "an object of value and unit"),
        ({"test_mass_kg": 18100}, "test_mass_kg", "outside 700 to 4000 kg"),
        ({"test_mass_kg": 10**400}, "test_mass_kg", "give a finite number"),
        ({"test_mass_kg": 1e200}, "test_mass_kg", "give a finite number"),
        ({"test_mass_kg": "1810"}, "test_mass_kg", "expects a number in kg"),
        ({"test_mass_kg": True}, "test_mass_kg", "expects a number in kg"),
        ({"test_mass_kg": None}, "test_mass_kg", "missing: give it in kg"),
        ({"test_mass_kg": [1810]}, "test_mass_kg", "expects a number, a text"),
        ({"barrier": "soft"}, "barrier", "use one of rigid, offset"),
        ({"barrier": 1}, "barrier", "use one of rigid, offset"),
        ({"airbags": 2.5}, "airbags", "expects a whole number"),
        ({"pretensioner": 1}, "pretensioner", "expects true or false"),
        ({"pretensioner": "yes"}, "pretensioner", "expects true or false"),
    ],
)
def test_a_feature_that_does_not_fit_is_named_with_its_remedy(
    client: TestClient, campaign_id: int, features: dict[str, Any], pointer: str, complaint: str
) -> None:
    found = complaints(client, campaign_id, features=features)
    assert list(found) == [f"/planned_features/{pointer}"]
    assert complaint in found[f"/planned_features/{pointer}"]


def test_everything_that_is_wrong_is_said_at_once(client: TestClient, campaign_id: int) -> None:
    found = complaints(
        client,
        campaign_id,
        source="sled",
        target=900.0,
        features={"barrier": "soft"},
        executed_features={"speed": 1},
    )
    assert list(found) == ["/planned_features/barrier", "/executed_features/speed", "/target", "/source"]
    assert "use one of full_vehicle, simulation" in found["/source"]


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (900.0, "900 is outside 5 to 80 g"),
        ({"value": 258, "unit": "m/s²"}, "given in m/s²: convert it to g"),
        ("25.8", "expects a number"),
        (True, "expects a number"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(
    client: TestClient, campaign_id: int, target: object, complaint: str
) -> None:
    assert complaint in complaints(client, campaign_id, target=target)["/target"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["planned", "target", "provenance"])
def test_numbers_that_are_not_finite_are_refused(
    client: TestClient, campaign_id: int, field: str, number: str
) -> None:
    values = {"planned": "1810", "target": "26", "provenance": "1"} | {field: number}
    body = (
        '{"source": "full_vehicle", "planned_features": {"impact_speed_kmh": 56, "barrier": "rigid", '
        f'"test_mass_kg": {values["planned"]}}}, "target": {values["target"]}, '
        f'"provenance": {{"x": [{values["provenance"]}]}}}}'
    )
    headers = {"content-type": "application/json"}
    response = client.post(f"{API}/campaigns/{campaign_id}/samples", content=body, headers=headers)
    (pointer,) = pointers(assert_problem(response, 422, "invalid_input"))
    assert pointer == {"planned": "/planned_features/test_mass_kg"}.get(field, f"/{field}")


@pytest.mark.parametrize("field", ["external_id", "group", "label_definition"])
@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_postgres_cannot_hold_is_refused(
    client: TestClient, campaign_id: int, field: str, text: str
) -> None:
    assert f"/{field}" in complaints(client, campaign_id, target=26.0, **{field: text})


def test_a_document_that_postgres_cannot_hold_is_refused(client: TestClient, campaign_id: int) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}
    assert "nested" in complaints(client, campaign_id, provenance=deep)["/provenance"]
    assert "NUL" in complaints(client, campaign_id, provenance={"a\x00": 1})["/provenance"]


def test_an_unknown_field_is_refused(client: TestClient, campaign_id: int) -> None:
    assert list(complaints(client, campaign_id, targett=25.0)) == ["/targett"]


def test_a_taken_external_id_is_a_conflict(client: TestClient, campaign_id: int) -> None:
    post(client, campaign_id, external_id="T-1")
    problem = assert_problem(post(client, campaign_id, external_id="T-1"), 409, "conflict")
    assert "'T-1'" in problem["detail"]


def test_a_holdout_sample_needs_a_target(client: TestClient, campaign_id: int) -> None:
    assert "needs a target" in complaints(client, campaign_id, split="holdout")["/split"]


@pytest.mark.parametrize(("first", "second"), [("train", "holdout"), ("holdout", "validation")])
def test_a_group_does_not_stand_on_both_sides_of_the_holdout(
    client: TestClient, campaign_id: int, first: str, second: str
) -> None:
    assert post(client, campaign_id, split=first, group="A", target=26.0).status_code == 201
    assert (
        "keep groups whole" in complaints(client, campaign_id, split=second, group="A", target=26.0)["/split"]
    )


def test_an_unknown_sample_is_404(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/samples/77"), 404, "not_found")


def test_a_sample_of_an_unknown_campaign_is_404(client: TestClient) -> None:
    assert_problem(post(client, 77), 404, "not_found")


def test_the_audit_event_stands_beside_the_sample(client: TestClient, campaign_id: int) -> None:
    sample_id = post(client, campaign_id, external_id="T-1").json()["id"]
    with client.app.state.sessions() as session:
        event = session.query(AuditEvent).filter_by(entity="sample").one()
    assert (event.action, event.entity_id, event.actor) == ("create", sample_id, "local")
    assert event.campaign_id == campaign_id
