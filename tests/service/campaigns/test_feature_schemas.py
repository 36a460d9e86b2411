"""The library of feature schemas: complete, free of leaks, and usable as it is."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from service.campaigns.feature_schemas import FEATURE_SCHEMAS, NHTSA_FRONTAL_1
from service.campaigns.leaks import known_after_test
from service.campaigns.schemas import Target
from service.ingest import label_occupants, read_crash_test
from service.ingest.derived import with_derived
from service.samples.validation import SampleSchema, check_features
from tests.ev5_writer import ev5_files, write_folder
from tests.support import API, SOURCES, assert_problem, pointers

NAMES = [feature.name for feature in NHTSA_FRONTAL_1.features]


def post(client: TestClient, **changes: Any):
    return client.post(f"{API}/campaigns", json={"name": "c", "sources": SOURCES} | changes)


def test_the_library_is_listed_with_units_ranges_and_sources(client: TestClient) -> None:
    (schema,) = client.get(f"{API}/feature-schemas").json()
    assert schema["name"] == "nhtsa_frontal/1"
    assert "Test Reference Guide" in schema["source"]
    speed = schema["features"][0]
    assert (speed["name"], speed["unit"], speed["required"]) == ("impact_speed_kmh", "km/h", True)
    assert all(feature["known_before_test"] and feature["description"] for feature in schema["features"])


def test_a_campaign_copies_a_schema_of_the_library(client: TestClient) -> None:
    campaign = post(client, feature_schema={"library": "nhtsa_frontal/1"})
    assert campaign.status_code == 201, campaign.text
    assert [feature["name"] for feature in campaign.json()["feature_schema"]] == NAMES


def test_a_campaign_takes_a_part_of_a_schema(client: TestClient) -> None:
    reference = {"library": "nhtsa_frontal/1", "only": ["crush_space_mm", "test_mass_kg"]}
    conditions = [{"feature": "test_mass_kg", "minimum": 2000}]
    campaign = post(client, feature_schema=reference, target_domain={"conditions": conditions})
    assert [feature["name"] for feature in campaign.json()["feature_schema"]] == [
        "test_mass_kg",
        "crush_space_mm",
    ]


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ({"library": "nhtsa_frontal/2"}, "Ready-made are: nhtsa_frontal/1"),
        ({"library": "nhtsa_frontal/1", "only": ["hic"]}, "has no feature 'hic'"),
        ({"library": "nhtsa_frontal/1", "without": ["hic"]}, "without"),
        ({}, "library"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(
    client: TestClient, reference: dict[str, Any], complaint: str
) -> None:
    found = pointers(assert_problem(post(client, feature_schema=reference), 422, "invalid_input"))
    assert complaint in found["/feature_schema"]


@pytest.mark.parametrize(
    "name",
    [
        "hic",
        "hic_15",
        "clip3m_g",
        "max_crush_mm",
        "crhdst",
        "ax_1_mm",
        "dpd3",
        "t1_ms",
        "olc_g",
        "belt_load_n",
    ],
)
def test_a_campaign_that_uses_a_result_of_the_test_is_refused(client: TestClient, name: str) -> None:
    problem = assert_problem(post(client, feature_schema=[{"name": name}]), 422, "invalid_input")
    (message,) = pointers(problem).values()
    assert name in message
    assert "known only after the test" in message


@pytest.mark.parametrize(
    "name",
    [
        "simulated_olc_g",
        "t1_temperature_degc",
        "axle_load_kg",
        "crush_space_mm",
        "belt_type",
        "chest_to_dash_mm",
    ],
)
def test_what_is_known_before_is_not_mistaken_for_a_result(name: str) -> None:
    assert known_after_test(name) is None


def test_no_schema_of_the_library_leaks() -> None:
    for schema in FEATURE_SCHEMAS.values():
        assert [feature.name for feature in schema.features if known_after_test(feature.name)] == []


def test_what_the_reader_finds_is_what_the_schema_means(tmp_path) -> None:
    """Names, units, ranges and codes of schema and reader fit together; nothing in the schema is never filled."""
    (driver, *_) = label_occupants(read_crash_test(write_folder(tmp_path / "t", ev5_files())))
    found = with_derived(driver.features)
    assert set(NAMES) <= set(found)
    schema = SampleSchema({f.name: f for f in NHTSA_FRONTAL_1.features}, Target(), {})
    errors: list[Any] = []
    kinds = {f.name: f.kind for f in NHTSA_FRONTAL_1.features}
    given = {
        name: bool(found[name]) if kinds[name] == "boolean" and found[name] is not None else found[name]
        for name in NAMES
    }
    clean = check_features(given, schema, "", errors)
    assert errors == []
    assert clean["bumper_to_firewall_mm"] == 1350.0


def test_crush_space_follows_from_the_geometry() -> None:
    known = {
        "bumper_to_firewall_mm": 1365.0, "bumper_to_engine_mm": 633.0, "engine_block_length_mm": 510.0,
        "vehicle_length_mm": 4896.0,
    }  # fmt: skip
    derived = with_derived(known)
    assert derived["crush_space_mm"] == 855.0
    assert derived["engine_to_firewall_gap_mm"] == 222.0
    assert derived["firewall_share_of_length"] == pytest.approx(0.2788, abs=1e-4)
    for name in known:
        less = with_derived(known | {name: None})
        assert None in {
            less["crush_space_mm"],
            less["engine_to_firewall_gap_mm"],
            less["firewall_share_of_length"],
        }


def test_a_tolerance_is_for_numbers(client: TestClient) -> None:
    feature = {"name": "a", "kind": "boolean", "tolerance": 1}
    problem = assert_problem(post(client, feature_schema=[feature]), 422, "invalid_input")
    assert "only numbers have a tolerance" in pointers(problem)["/feature_schema/0"]
