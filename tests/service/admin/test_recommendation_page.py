"""One recommendation: what is said of it, and its way from a proposal to a result."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.database.models import Sample
from service.lifecycles import RecommendationStatus
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.map_rows import add_map
from tests.service.admin.rows import Rows
from tests.service.admin.test_recommendations_page import status_of


@pytest.fixture
def url(rows: Rows) -> str:
    return f"/recommendations/{rows.recommendation_ids[0]}"


def section(soup: BeautifulSoup, name: str) -> str:
    return text_of(soup.select_one(f"section[aria-labelledby={name}]"))


def test_the_page_says_what_why_and_what_it_would_cost(dashboard: TestClient, url: str) -> None:
    soup = soup_of(dashboard, url)
    assert text_of(soup.h1) == "D-0 proposed"
    assert "full vehicle at 300,000 USD, result after 42 days. Rank 1 of round" in text_of(soup.hgroup)
    assert "Reason number 1." in section(soup, "why")
    assert "Share of what the batch teaches 25 %" in section(soup, "why")
    assert "T-0 close (0.42 sd) 24.00 g ordinary" in section(soup, "prediction")
    assert "test mass 2,310 kg in the target domain" in section(soup, "plan")
    assert "1,000,000 USD are left; after an approval 700,000 USD." in section(soup, "decision")
    assert "Approve D-0 for 300,000 USD" in section(soup, "decision")


def test_without_an_interval_the_page_says_why(dashboard: TestClient, url: str) -> None:
    assert "no interval: the surrogate has too few labels" in section(soup_of(dashboard, url), "prediction")


def test_interval_of_the_map(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    add_map(store, rows)
    text = section(soup_of(dashboard, url), "prediction")
    assert "26.34 g 90 % interval 24.3 to 28.3 g" in text
    listed = soup_of(dashboard, f"/campaigns/{rows.campaign_id}/recommendations")
    assert "24.3 to 28.3 g" in text_of(listed.select_one(f"#recommendation-{rows.recommendation_ids[0]}"))


def test_the_way_to_a_result(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    steps = [
        ("approve", {}, "Approved D-0: 300,000 USD committed, 700,000 USD of the budget left."),
        ("order", {}, "D-0 is ordered."),
        ("start", {}, "D-0 is running."),
    ]
    for action, form, words in steps:
        assert flash_after(dashboard, f"{url}/{action}", form) == (url, "ok", words)
    form = {"target": "25.5", "feature.impact_speed_kmh": "56.8", "feature.test_mass_kg": "2310.0"}
    assert flash_after(dashboard, f"{url}/complete", form)[2] == "D-0 is labelled: 25.50 g."
    soup = soup_of(dashboard, url)
    assert "25.50 g measured, predicted 26.34" in section(soup, "decision")
    assert [text_of(badge) for badge in soup.select("#history ~ table .badge")] == [
        "proposed", "approved", "ordered", "running", "completed",
    ]  # fmt: skip
    with store() as session:
        sample = session.get_one(
            Sample, acquisitions.get_recommendation(session, rows.recommendation_ids[0]).sample_id
        )
        assert sample.executed_features["impact_speed_kmh"] == 56.8
        assert sample.planned_features["impact_speed_kmh"] == 56.3


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"target": "a lot"}, "the result must be a number"),
        ({"target": "nan"}, "target: is nan: give a finite number"),
        ({"target": "500"}, "The result does not fit the campaign."),
        ({"target": "25", "feature.impact_speed_kmh": "fast"}, "'fast' is no number"),
    ],
)
def test_a_wrong_result_is_explained_and_what_was_typed_stays(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    url: str,
    form: dict[str, str],
    words: str,
) -> None:
    flash_after(dashboard, f"{url}/approve")
    flash_after(dashboard, f"{url}/order")
    response = dashboard.post(f"{url}/complete", data=form)
    assert response.status_code == 422
    assert words in text_of(BeautifulSoup(response.text, "html.parser").select_one(".flash.error"))
    assert status_of(store, rows.recommendation_ids[0])[0] == "ordered"
    if "feature.impact_speed_kmh" in form:
        assert 'value="fast"' in response.text


def test_a_second_decision_is_a_conflict_on_a_fresh_page(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    with unit_of_work(store) as session:
        acquisitions.change(
            session, rows.recommendation_ids[0], RecommendationStatus.APPROVED, actor="colleague"
        )
    response = dashboard.post(f"{url}/reject", data={"reason": "Changed my mind."})
    soup = BeautifulSoup(response.text, "html.parser")
    assert response.status_code == 409
    assert "cannot become rejected" in text_of(soup.select_one(".flash.error"))
    assert text_of(soup.h1) == "D-0 approved"
    assert "Changed my mind." in response.text


@pytest.mark.parametrize("confirm", ["", "d-0", "D-1"])
def test_nothing_is_abandoned_without_its_name(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str, confirm: str
) -> None:
    flash_after(dashboard, f"{url}/approve")
    response = dashboard.post(f"{url}/abandon", data={"reason": "No body.", "confirm": confirm})
    assert response.status_code == 422
    assert "type D-0 to confirm" in response.text
    assert status_of(store, rows.recommendation_ids[0])[0] == "approved"


def test_abandon_by_name(dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str) -> None:
    flash_after(dashboard, f"{url}/approve")
    form = {"reason": "No body.", "confirm": "D-0"}
    assert (
        flash_after(dashboard, f"{url}/abandon", form)[2] == "D-0 is abandoned: it is never proposed again."
    )
    assert status_of(store, rows.recommendation_ids[0]) == ("abandoned", "No body.")


def test_a_source_without_an_oracle_is_not_simulated(dashboard: TestClient, url: str) -> None:
    flash_after(dashboard, f"{url}/approve")
    response = dashboard.post(f"{url}/simulate")
    assert response.status_code == 409
    assert "has no oracle" in response.text


def test_failed_with_a_reason(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    flash_after(dashboard, f"{url}/approve")
    flash_after(dashboard, f"{url}/order")
    assert dashboard.post(f"{url}/fail").status_code == 422
    flash_after(dashboard, f"{url}/fail", {"reason": "Recorder lost."})
    assert status_of(store, rows.recommendation_ids[0]) == ("failed", "Recorder lost.")


@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_recommendation_is_not_found(dashboard: TestClient, method: str) -> None:
    url = "/recommendations/999" + ("" if method == "get" else "/approve")
    assert dashboard.request(method, url).status_code == 404
