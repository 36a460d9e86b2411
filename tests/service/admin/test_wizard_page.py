"""A campaign step by step, by what the forms of the page itself hold."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.campaigns.feature_schemas import FEATURE_SCHEMAS
from service.database.models import Campaign
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.wizard import URL, at_features, form_of, send, step_of, with_table
from tests.support import API, SOURCES


def test_the_whole_way_makes_the_campaign(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    soup = with_table(dashboard)
    assert "3 features guessed from 2 rows" in text_of(soup.main)
    assert "known only after the test" in text_of(soup.select_one(".changes"))
    form = form_of(soup)
    assert form["feature_name"] == ["impact_speed_kmh", "test_mass_kg", "belt_type", ""]
    form["feature_maximum"][0] = "90"
    form["feature_load_case"][2] = "yes"
    soup = send(dashboard, form, "next")
    assert step_of(soup) == "Target and domain"
    form = form_of(soup) | {"condition_feature": ["test_mass_kg"], "condition_minimum": ["2000"]}
    soup = send(dashboard, form, "next")
    assert step_of(soup) == "Sources"
    form = form_of(soup) | {"source_name": ["sled"], "source_acquisition_cost": ["20000"]}
    soup = send(dashboard, form | {"source_capacity": ["3"]}, "next")
    assert step_of(soup) == "Budget"
    soup = send(
        dashboard, form_of(soup) | {"budget": ["400000"], "target_error": ["2"], "four_eyes": ["yes"]}, "next"
    )
    assert step_of(soup) == "Review"
    assert "400000 EUR" in text_of(soup.main)
    assert "Load case belt_type" in text_of(soup.main)
    answer = dashboard.post(URL, data=form_of(soup) | {"action": "create"})
    assert answer.status_code == 303, answer.text
    with store() as session:
        campaign = session.query(Campaign).one()
        source = campaign.sources[0]
    assert answer.headers["location"] == f"/campaigns/{campaign.id}"
    assert (campaign.name, campaign.currency, campaign.budget, campaign.four_eyes) == (
        "Sled 2027",
        "EUR",
        400_000,
        True,
    )
    assert [feature["name"] for feature in campaign.feature_schema] == [
        "impact_speed_kmh",
        "test_mass_kg",
        "belt_type",
    ]
    assert campaign.feature_schema[0]["maximum"] == 90
    assert campaign.target_domain["conditions"][0]["minimum"] == 2000
    assert (source.name, source.acquisition_cost, source.capacity) == ("sled", 20_000, 3)
    assert campaign.stop_rule["target_error"] == 2


def test_what_does_not_fit_comes_back_as_it_was_typed(dashboard: TestClient) -> None:
    form = form_of(with_table(dashboard))
    form["feature_minimum"][1] = "heavy"
    soup = send(dashboard, form, "next")
    assert step_of(soup) == "Features"
    assert "feature schema row 2 minimum" in text_of(soup.select_one(".flash.error"))
    assert form_of(soup)["feature_minimum"][1] == "heavy"


def test_a_leak_is_refused_with_its_reason(dashboard: TestClient) -> None:
    form = form_of(with_table(dashboard))
    form["feature_name"][-1] = "hic15"
    soup = send(dashboard, form, "next")
    assert "known only after the test" in text_of(soup.select_one(".flash.error"))


@pytest.mark.parametrize(
    ("changes", "told"), [({"name": [""]}, "name"), ({"currency": ["Euro"]}, "currency")]
)
def test_the_first_step_is_checked(dashboard: TestClient, changes: dict[str, Any], told: str) -> None:
    soup = send(dashboard, form_of(soup_of(dashboard, URL)) | {"name": ["x"]} | changes, "next")
    assert step_of(soup) == "Name"
    assert told in text_of(soup.select_one(".flash.error"))


def test_going_back_loses_nothing(dashboard: TestClient) -> None:
    form = form_of(with_table(dashboard))
    form["feature_name"][0] = "not a NAME"
    soup = send(dashboard, form, "back")
    assert step_of(soup) == "Name"
    assert form_of(soup)["name"] == ["Sled 2027"]
    soup = send(dashboard, form_of(soup), "next")
    assert form_of(soup)["feature_name"][0] == "not a NAME"


def test_a_ready_made_schema(dashboard: TestClient) -> None:
    soup = send(dashboard, form_of(at_features(dashboard)), "library")
    names = form_of(soup)["feature_name"]
    assert "chest_to_steering_wheel_mm" in names
    assert step_of(send(dashboard, form_of(soup), "next")) == "Target and domain"


@pytest.mark.parametrize(
    ("content", "told"), [(b"\xff\xfe\x00", "not UTF-8"), (b"", "empty"), (b"a,b\n", "empty")]
)
def test_a_wrong_table_is_told(dashboard: TestClient, content: bytes, told: str) -> None:
    form = form_of(at_features(dashboard))
    soup = send(dashboard, form, "table", table=("t.csv", content, "text/csv"))
    assert told in text_of(soup.select_one(".flash.error"))


def test_a_forged_draft_makes_nothing(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    for draft in ("[", "[]", '{"feature_schema": 3, "sources": "x", "target": []}', '{"currency": 7}'):
        answer = dashboard.post(URL, data={"step": "review", "draft": draft, "action": "create"})
        assert answer.status_code == 422, draft
    with store() as session:
        assert session.query(Campaign).count() == 0


def to_the_end(client: TestClient, soup: BeautifulSoup) -> list[dict[str, Any]]:
    """Go on from the features with nothing but what must be typed; the features of the campaign that comes of it."""
    soup = send(client, form_of(soup), "next")
    soup = send(client, form_of(soup), "next")
    form = form_of(soup) | {"source_name": ["sled"], "source_acquisition_cost": ["20000"]}
    soup = send(client, form_of(send(client, form, "next")), "next")
    assert step_of(soup) == "Review"
    answer = client.post(URL, data=form_of(soup) | {"action": "create"})
    assert answer.status_code == 303, answer.text
    campaign = client.get(f"{API}{answer.headers['location']}")
    return campaign.json()["feature_schema"]


@pytest.mark.parametrize("library", FEATURE_SCHEMAS)
def test_a_ready_made_schema_comes_through_whole(dashboard: TestClient, library: str) -> None:
    request = {"name": "by API", "sources": SOURCES, "feature_schema": {"library": library}}
    wanted = dashboard.post(f"{API}/campaigns", json=request)
    assert wanted.status_code == 201, wanted.text
    soup = send(dashboard, form_of(at_features(dashboard)) | {"library": [library]}, "library")
    assert to_the_end(dashboard, soup) == wanted.json()["feature_schema"]


def test_all_of_a_feature_can_be_typed_and_comes_back(dashboard: TestClient) -> None:
    form = form_of(with_table(dashboard))
    form["feature_tolerance"][0] = "0"
    form["feature_load_case"][2] = "yes"
    form["feature_description"][2] = 'Belt, "as fitted"'
    forward = send(dashboard, form, "next")
    soup = send(dashboard, form_of(forward), "back")
    assert form_of(soup)["feature_description"] == ["", "", 'Belt, "as fitted"', ""]
    speed, mass, belt = to_the_end(dashboard, soup)
    assert (speed["tolerance"], mass["tolerance"]) == (0, None)
    assert (speed["load_case"], belt["load_case"], belt["description"]) == (False, True, 'Belt, "as fitted"')


@pytest.mark.parametrize(("row", "told"), [(0, "only a categorical feature"), (1, "several load cases")])
def test_a_wrong_load_case_is_told(dashboard: TestClient, row: int, told: str) -> None:
    form = form_of(with_table(dashboard))
    for each in {row, 2}:
        form["feature_load_case"][each] = "yes"
    form["feature_kind"][1], form["feature_categories"][1] = "categorical", "1500, 2310"
    form["feature_minimum"][1] = form["feature_maximum"][1] = ""
    soup = send(dashboard, form, "next")
    assert step_of(soup) == "Features"
    assert told in text_of(soup.select_one(".flash.error"))


def test_the_longest_schema_fits_into_the_form(dashboard: TestClient) -> None:
    names = [f"feature_{index}" for index in range(500)]
    table = f"{','.join(names)}\n{','.join('1.5' for _ in names)}\n".encode()
    form = form_of(at_features(dashboard))
    soup = send(dashboard, form, "table", table=("t.csv", table, "text/csv"))
    as_browsers_do = ("none.csv", b"", "text/csv")  # a form with a file is sent in parts
    soup = send(dashboard, form_of(soup), "next", table=as_browsers_do)
    assert step_of(soup) == "Target and domain"
