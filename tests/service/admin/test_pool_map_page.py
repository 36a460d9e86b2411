"""The map's page and its points."""

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import outcomes
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion
from service.database.engine import unit_of_work
from service.lifecycles import RecommendationStatus
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.map_rows import add_map
from tests.service.admin.rows import Rows, add_campaign


def url_of(rows: Rows, rest: str = "") -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations/map{rest}"


def test_without_a_map_the_page_says_what_to_do(dashboard: TestClient, rows: Rows) -> None:
    assert "No round has drawn a map yet: request one under Runs" in text_of(
        soup_of(dashboard, url_of(rows)).main
    )


def test_the_page_counts_honestly_and_names_its_axes(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    add_map(store, rows)
    text = text_of(soup_of(dashboard, url_of(rows)).main)
    assert "6 of 48,213 candidates shown: the batch, and the others drawn by lot." in text
    assert "the plane shows 48 % of the differences" in text
    assert "→ more impact speed (0.80) 30 %" in text
    assert "↑ less source full vehicle (−0.50) 18 %" in text


def test_a_whole_pool_is_called_so(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    add_map(store, rows, candidates=6)
    assert "all 6 candidates shown." in text_of(soup_of(dashboard, url_of(rows)).main)


def test_points_say_what_they_are(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    add_map(store, rows)
    soup = soup_of(dashboard, url_of(rows, f"?round={rows.round_id}"))
    document = dashboard.get(soup.select_one("#map")["data-url"]).json()
    points = document["points"]
    assert {len(column) for column in points.values()} == {11}
    lines = [dict(zip(points, values, strict=True)) for values in zip(*points.values(), strict=True)]
    assert (lines[0]["role"], lines[0]["sample_id"], lines[0]["name"]) == ("target", None, None)
    labelled = next(line for line in lines if line["name"] == "T-2")
    assert (labelled["role"], labelled["target"], labelled["value"]) == ("labelled", 26.0, 0.125)
    control = next(line for line in lines if line["name"] == "D-1")
    assert (control["rank"], control["arm"], control["source"]) == (2, "control", "full_vehicle")
    assert control["recommendation_id"] == rows.recommendation_ids[1]
    rest = next(line for line in lines if line["name"] == "D-5")
    assert (rest["role"], rest["rank"], rest["half_width"]) == ("candidate", None, 2.0)


def test_points_are_sent_again_only_when_a_label_came(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    add_map(store, rows)
    url = url_of(rows, f"/{rows.round_id}/points")
    first = dashboard.get(url)
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"if-none-match": first.headers["etag"]}
    again = dashboard.get(url, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    with unit_of_work(store) as session:
        key = rows.recommendation_ids[0]
        for status in (RecommendationStatus.APPROVED, RecommendationStatus.ORDERED):
            acquisitions.change(session, key, status, actor="tester")
        outcomes.complete(session, key, Completion(target=25.0), actor="tester")
    later = dashboard.get(url, headers=known)
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("rest", ["?round=999", "/999/points"])
def test_unknown_round_is_not_found(dashboard: TestClient, rows: Rows, rest: str) -> None:
    assert dashboard.get(url_of(rows, rest)).status_code == 404


def test_the_round_of_another_campaign_is_not_shown(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    other = add_campaign(store)
    add_map(store, other)
    assert dashboard.get(url_of(rows, f"/{other.round_id}/points")).status_code == 404


def test_the_api_has_the_same_points(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    add_map(store, rows)
    page = dashboard.get(url_of(rows, f"/{rows.round_id}/points")).json()
    assert dashboard.get(f"/api/v1/acquisition-rounds/{rows.round_id}/map").json() == page
