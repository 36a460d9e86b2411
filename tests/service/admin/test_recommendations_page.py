from collections.abc import Sequence

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.lifecycles import RecommendationStatus
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign


def url_of(rows: Rows, query: str = "") -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations{query}"


def status_of(store: sessionmaker[Session], recommendation_id: int) -> tuple[str, str]:
    """Status and last reason."""
    with store() as session:
        row = acquisitions.get_recommendation(session, recommendation_id)
        return row.status.value, row.history[-1].reason


def test_row_says_what_why_and_for_how_much(dashboard: TestClient, rows: Rows) -> None:
    first = soup_of(dashboard, url_of(rows)).select("table.recommendations tbody")[0]
    cells = [text_of(cell) for cell in first.tr.select("td")]
    assert cells[1:3] == ["1", "D-0 full vehicle"]
    assert cells[4:] == ["26.34 ± 1.22 g", "300,000", "42 days", "proposed"]
    assert text_of(first.select_one(".detail")) == (
        "test mass 2,310 kg impact speed 56.3 km/h model year 2026 Reason number 1. Nearest tests "
        "T-0 close (0.42 sd), 24.00 g T-3 far off (1.20 sd), 27.00 g its label is doubted"
    )


def test_bars_are_as_long_as_the_components(dashboard: TestClient, rows: Rows) -> None:
    second = soup_of(dashboard, url_of(rows)).select("table.recommendations tbody")[1]
    bars = [(text_of(bar), bar.select_one(".value")["width"]) for bar in second.select(".bars li")]
    assert bars == [
        ("Information 0.105 g²", "50.0%"),
        ("Relevance × 1.00", "50.0%"),
        ("Label trust 0.60", "30.0%"),
        ("Price 30 %", "30.0%"),
    ]


def test_heads_carry_units(dashboard: TestClient, rows: Rows) -> None:
    heads = [text_of(head) for head in soup_of(dashboard, url_of(rows)).select("thead th")]
    assert heads[1:] == [
        "Rank", "Design", "Why here", "Predicted ROLC (g)", "Cost (USD)", "Lead time", "Status",
    ]  # fmt: skip


def test_ranking_can_be_taken_away_in_three_formats(dashboard: TestClient, rows: Rows) -> None:
    links = [link["href"] for link in soup_of(dashboard, url_of(rows)).select(".export a")]
    base = f"/api/v1/acquisition-rounds/{rows.round_id}/ranking:export?format="
    assert links == [base + name for name in ("csv", "parquet", "ndjson")]


def test_a_random_design_says_why_it_is_there(dashboard: TestClient, rows: Rows) -> None:
    second = soup_of(dashboard, url_of(rows)).select("table.recommendations tbody")[1]
    assert "Drawn at random, one of 5." in text_of(second.select_one(".detail"))


def test_control_arm_is_marked(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, url_of(rows))
    marked = [
        body.select_one("td.num").get_text() for body in soup.select("tbody") if body.select(".control")
    ]
    assert marked == ["2"]


def test_round_shows_its_gain_and_evidence(dashboard: TestClient, rows: Rows) -> None:
    text = text_of(soup_of(dashboard, url_of(rows)).select_one("section.card"))
    assert f"Round {rows.round_id} variance reduction," in text
    assert "predictive sd 2.400 → 1.800 g, batch 901,200 USD, pool 6" in text
    assert "not enough data" in text


def decide(
    client: TestClient, rows: Rows, decision: str, ids: Sequence[object], **more: str
) -> httpx.Response:
    form = {"decision": decision, "ids": [str(key) for key in ids], **more}
    return client.post(f"{url_of(rows)}/decide", data=form)


def decided(client: TestClient, rows: Rows, decision: str, ids: Sequence[object], **more: str) -> str:
    """The message after a decision that went through."""
    response = decide(client, rows, decision, ids, **more)
    assert response.status_code == 303, response.text
    return text_of(soup_of(client, response.headers["location"]).select_one(".flash.ok"))


def test_approve_commits_money_and_says_so_once(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    first = rows.recommendation_ids[0]
    text = decided(dashboard, rows, "approve", [first])
    assert text == "Approved D-0: 300,000 USD committed, 700,000 USD of the budget left."
    assert status_of(store, first)[0] == "approved"
    soup = soup_of(dashboard, url_of(rows))
    assert soup.select_one(".flash") is None
    assert "700,000 USD of the budget left." in text_of(soup.hgroup)
    assert soup.select_one(f"#recommendation-{first} input") is None


def test_three_are_approved_together(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    ids = rows.recommendation_ids[:3]
    text = decided(dashboard, rows, "approve", ids, reason="Agreed on Monday.")
    assert text == "Approved 3 designs: 900,000 USD committed, 100,000 USD of the budget left."
    assert [status_of(store, key) for key in ids] == [("approved", "Agreed on Monday.")] * 3


def test_all_or_none_is_approved(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    """The money is enough for three of four."""
    ids = rows.recommendation_ids[:4]
    response = decide(dashboard, rows, "approve", ids, reason="All of them.")
    soup = BeautifulSoup(response.text, "html.parser")
    assert response.status_code == 409
    assert "100,000.00 are left of the budget" in text_of(soup.select_one(".flash.error"))
    assert [status_of(store, key)[0] for key in ids] == ["proposed"] * 4
    assert [int(box["value"]) for box in soup.select("input[name=ids][checked]")] == ids
    assert soup.select_one("input[name=reason]")["value"] == "All of them."


def test_a_stale_tab_loses_nothing(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    """Somebody else rejects one of three: the page comes back fresh, with the other two selected."""
    ids = rows.recommendation_ids[:3]
    with unit_of_work(store) as session:
        rejected = RecommendationStatus.REJECTED
        acquisitions.change(session, ids[1], rejected, actor="colleague", reason="No body left.")
    response = decide(dashboard, rows, "approve", ids, reason="Agreed.")
    soup = BeautifulSoup(response.text, "html.parser")
    assert response.status_code == 409
    message = text_of(soup.select_one(".flash.error"))
    assert message == (
        "Somebody was faster: D-1 is rejected and cannot become approved. Nothing was changed."
    )
    assert [int(box["value"]) for box in soup.select("input[name=ids][checked]")] == [ids[0], ids[2]]
    assert "colleague: No body left." in text_of(soup.select_one(f"#recommendation-{ids[1]}"))
    assert [status_of(store, key)[0] for key in ids] == ["proposed", "rejected", "proposed"]


def test_decision_returns_to_filter_and_page(dashboard: TestClient, rows: Rows) -> None:
    response = decide(dashboard, rows, "approve", rows.recommendation_ids[:1], status="proposed", page="2")
    assert response.headers["location"] == f"{url_of(rows)}?status=proposed&page=2"


@pytest.mark.parametrize("form", [{"status": "//evil.example"}, {"page": "x"}, {"page": "0"}])
def test_decision_never_returns_elsewhere(dashboard: TestClient, rows: Rows, form: dict[str, str]) -> None:
    response = decide(dashboard, rows, "approve", rows.recommendation_ids[:1], **form)
    assert (response.status_code, response.headers["location"]) == (303, url_of(rows))


def test_reject_keeps_the_reason(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    first = rows.recommendation_ids[0]
    text = decided(dashboard, rows, "reject", [first], reason=" No body left. ")
    assert text == "Rejected D-0; a later round may propose it again."
    assert status_of(store, first) == ("rejected", "No body left.")
    row = soup_of(dashboard, url_of(rows, "?status=rejected")).select_one(f"#recommendation-{first}")
    assert "local: No body left." in text_of(row)


@pytest.mark.parametrize("reason", ["", "   ", "\x00", "x" * 2001])
def test_reject_without_a_usable_reason_changes_nothing(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, reason: str
) -> None:
    ids = rows.recommendation_ids[:2]
    response = decide(dashboard, rows, "reject", ids, reason=reason)
    assert response.status_code == 422
    assert "Nothing was rejected: give a reason" in response.text
    assert [status_of(store, key)[0] for key in ids] == ["proposed"] * 2


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"decision": "approve"}, "Nothing was selected."),
        ({"decision": "approve", "ids": ["x", "9" * 40, "-1"]}, "Nothing was selected."),
        ({"decision": "order", "ids": ["1"]}, "Nothing was decided"),
        ({"ids": ["1"]}, "Nothing was decided"),
    ],
)
def test_a_forged_decision_is_refused(
    dashboard: TestClient, rows: Rows, form: dict[str, list[str] | str], words: str
) -> None:
    response = dashboard.post(f"{url_of(rows)}/decide", data=form)
    assert response.status_code == 422
    assert words in response.text


def test_a_design_of_another_campaign_is_not_decided(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    other = add_campaign(store)
    response = decide(dashboard, rows, "approve", [rows.recommendation_ids[0], other.recommendation_ids[0]])
    assert response.status_code == 404
    assert status_of(store, rows.recommendation_ids[0])[0] == "proposed"
    assert status_of(store, other.recommendation_ids[0])[0] == "proposed"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "http://evil.example"},
    ],
)
def test_another_sites_form_is_refused(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, headers: dict[str, str]
) -> None:
    first = rows.recommendation_ids[0]
    if not headers["sec-fetch-site"]:
        del dashboard.headers["sec-fetch-site"]
        headers = {"origin": headers["origin"]}
    form = {"decision": "approve", "ids": [str(first)]}
    response = dashboard.post(f"{url_of(rows)}/decide", data=form, headers=headers)
    assert response.status_code == 403
    assert "The request comes from another site." in response.text
    assert status_of(store, first)[0] == "proposed"


def test_filter_counts_and_shows_one_status(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        acquisitions.change(
            session, rows.recommendation_ids[1], RecommendationStatus.APPROVED, actor="tester"
        )
    soup = soup_of(dashboard, url_of(rows, "?status=approved"))
    assert [text_of(link) for link in soup.select(".filters a")] == ["all 5", "proposed 4", "approved 1"]
    assert [text_of(link) for link in soup.select(".filters [aria-current]")] == ["approved 1"]
    assert [body["id"] for body in soup.select("tbody")] == [f"recommendation-{rows.recommendation_ids[1]}"]


def test_unknown_status_is_an_error_page(dashboard: TestClient, rows: Rows) -> None:
    assert "status" in text_of(soup_of(dashboard, url_of(rows, "?status=nonsense"), status=422).main)


def test_long_tables_are_cut_on_the_server(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    rows = add_campaign(store, candidates=53)
    first = soup_of(dashboard, url_of(rows))
    assert len(first.select("tbody")) == 50
    assert text_of(first.select_one(".pager")) == "1 to 50 of 53 Next →"
    second = soup_of(dashboard, first.select_one("a[rel=next]")["href"])
    assert len(second.select("tbody")) == 3
    beyond = soup_of(dashboard, url_of(rows, "?page=99"))
    assert beyond.select("tbody") == second.select("tbody")


def test_a_message_cookie_that_is_not_ours_is_ignored(dashboard: TestClient) -> None:
    for value in ("nonsense", "W10=", "bnVsbA==", "/w=="):
        dashboard.cookies.set("crashscout_flash", value)
        assert soup_of(dashboard, "/campaigns").select_one(".flash") is None
