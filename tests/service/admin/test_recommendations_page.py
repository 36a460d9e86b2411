import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.lifecycles import RecommendationStatus
from tests.service.admin.html import flash_after, soup_of, text_of
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
    assert cells[:7] == ["1", "D-0 full vehicle", "26.34 ± 1.22", "0.210", "300,000", "42 days", "proposed"]
    detail = text_of(first.select_one(".detail"))
    assert detail == "test mass 2,310 kg impact speed 56.3 km/h model year 2026 Reason number 1."


def test_heads_carry_units(dashboard: TestClient, rows: Rows) -> None:
    heads = [text_of(head) for head in soup_of(dashboard, url_of(rows)).select("thead th")]
    assert heads[2:6] == ["Predicted ROLC (g)", "Information", "Cost (USD)", "Lead time"]


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


def test_approve_commits_money_and_says_so_once(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    first = rows.recommendation_ids[0]
    address, kind, text = flash_after(dashboard, f"/recommendations/{first}/approve")
    assert address == f"{url_of(rows)}#recommendation-{first}"
    assert (kind, text) == ("ok", "Approved D-0: 300,000 USD committed, 700,000 USD of the budget left.")
    assert status_of(store, first)[0] == "approved"
    soup = soup_of(dashboard, url_of(rows))
    assert soup.select_one(".flash") is None
    assert "700,000 USD of the budget left." in text_of(soup.hgroup)
    assert soup.select_one(f"#recommendation-{first} form") is None


def test_decision_returns_to_filter_and_page(dashboard: TestClient, rows: Rows) -> None:
    form = {"status": "proposed", "page": "2"}
    response = dashboard.post(f"/recommendations/{rows.recommendation_ids[0]}/approve", data=form)
    assert response.headers["location"].startswith(f"{url_of(rows)}?status=proposed&page=2#")


@pytest.mark.parametrize("form", [{"status": "//evil.example"}, {"page": "x"}, {"page": "9" * 5000}])
def test_decision_never_returns_elsewhere(dashboard: TestClient, rows: Rows, form: dict[str, str]) -> None:
    response = dashboard.post(f"/recommendations/{rows.recommendation_ids[0]}/approve", data=form)
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{url_of(rows)}#")


def test_reject_keeps_the_reason(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    first = rows.recommendation_ids[0]
    _, kind, text = flash_after(dashboard, f"/recommendations/{first}/reject", {"reason": " No body left. "})
    assert (kind, text) == ("ok", "Rejected D-0; a later round may propose it again.")
    assert status_of(store, first) == ("rejected", "No body left.")
    row = soup_of(dashboard, url_of(rows, "?status=rejected")).select_one(f"#recommendation-{first}")
    assert "local: No body left." in text_of(row)


@pytest.mark.parametrize("reason", [None, "", "   ", "\x00", "x" * 2001])
def test_reject_without_a_usable_reason_changes_nothing(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, reason: str | None
) -> None:
    first = rows.recommendation_ids[0]
    form = {} if reason is None else {"reason": reason}
    _, kind, text = flash_after(dashboard, f"/recommendations/{first}/reject", form)
    assert kind == "error"
    assert text.startswith("Nothing was rejected: give a reason")
    assert status_of(store, first)[0] == "proposed"


def test_budget_is_kept(dashboard: TestClient, store: sessionmaker[Session], rows: Rows) -> None:
    answers = [
        flash_after(dashboard, f"/recommendations/{key}/approve") for key in rows.recommendation_ids[:4]
    ]
    assert [kind for _, kind, _ in answers] == ["ok", "ok", "ok", "error"]
    assert "100,000.00 are left of the budget" in answers[3][2]
    assert status_of(store, rows.recommendation_ids[3])[0] == "proposed"


def test_second_decision_is_refused(dashboard: TestClient, rows: Rows) -> None:
    first = rows.recommendation_ids[0]
    flash_after(dashboard, f"/recommendations/{first}/approve")
    _, kind, text = flash_after(dashboard, f"/recommendations/{first}/reject", {"reason": "changed my mind"})
    assert kind == "error"
    assert "cannot become rejected" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("action", ["approve", "reject"])
def test_another_sites_form_is_refused(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, headers: dict[str, str], action: str
) -> None:
    first = rows.recommendation_ids[0]
    if not headers["sec-fetch-site"]:
        del dashboard.headers["sec-fetch-site"]
        headers = {"origin": headers["origin"]}
    response = dashboard.post(f"/recommendations/{first}/{action}", data={"reason": "x"}, headers=headers)
    assert response.status_code == 403
    assert "The request comes from another site." in response.text
    assert status_of(store, first)[0] == "proposed"


def test_unknown_recommendation_is_not_found(dashboard: TestClient) -> None:
    assert dashboard.post("/recommendations/999/approve").status_code == 404


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
