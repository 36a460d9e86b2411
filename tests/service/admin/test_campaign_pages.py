"""The list, the overview, and what every page has in common: errors, keys, escaping."""

import json

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.main import create_app
from service.settings import Settings
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign, new_campaign, new_run

HOSTILE = "<script>alert(1)</script>"
PAGES = ["", "/recommendations", "/data-values", "/ledger", "/backtests", "/runs", "/runs/live"]


def test_root_leads_to_the_campaigns(dashboard: TestClient) -> None:
    response = dashboard.get("/")
    assert (response.status_code, response.headers["location"]) == (303, "/campaigns")


def test_empty_list_says_what_to_do_and_the_call_works(dashboard: TestClient) -> None:
    soup = soup_of(dashboard, "/campaigns")
    assert "make demo" in text_of(soup.main)
    call = soup.select_one("pre").get_text()
    assert call.startswith("curl http://localhost/api/v1/campaigns ")
    body = json.loads(call.partition("-d '")[2].removesuffix("'"))
    assert dashboard.post("/api/v1/campaigns", json=body).status_code == 201
    assert "Frontal 2027" in text_of(soup_of(dashboard, "/campaigns").table)


def test_list_counts_what_can_be_acquired_and_what_waits(dashboard: TestClient, rows: Rows) -> None:
    cells = [text_of(cell) for cell in soup_of(dashboard, "/campaigns").select("tbody tr td")]
    assert cells[:6] == ["Frontal 2027", "ROLC (g)", "6", "6", "5", "1,000,000 USD"]


def test_long_list_goes_on(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    with unit_of_work(store) as session:
        session.add_all([new_campaign(name=f"campaign {index}") for index in range(51)])
    first = soup_of(dashboard, "/campaigns")
    older = soup_of(dashboard, first.select_one("a[rel=next]")["href"])
    names = [text_of(link) for soup in (first, older) for link in soup.select("td.name a")]
    assert len(names) == len(set(names)) == 51
    assert older.select_one("a[rel=next]") is None


def test_overview_shows_counts_money_and_quality(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}")
    figures = {text_of(div.dt): text_of(div.dd) for div in soup.select(".figures div")}
    assert figures == {"Labelled": "6", "Candidates": "6", "Validation": "0", "Holdout": "2"}
    text = text_of(soup.main)
    assert "Predicts ROLC (g). Target domain: test mass ≥ 2,200 kg." in text
    assert "1,000,000 USD left of 1,000,000 USD" in text
    assert "RMSE 2.31 g mean predictor 3.98 g" in text
    assert "42 % less error than predicting the mean." in text
    assert "R² 0.66" in text
    assert "Measured on holdout (2)" in text
    assert "CoP, out of fold 0.58" in text
    assert "95 % of errors below 4.43 g" in text
    assert "Largest error 5.21 g" in text
    assert "90 % intervals cover 94 %, mean width 7.75 g" in text
    lines = [text_of(line) for line in soup.select("[aria-labelledby=surrogate] .candidates + dl > div")]
    assert lines == ["weighted in use 2.401 g", "plain 2.715 g", "in run 2.900 g"]
    assert "The lowest RMSE on validation serves:" in text


def test_overview_is_honest_about_evidence(dashboard: TestClient, rows: Rows) -> None:
    card = soup_of(dashboard, f"/campaigns/{rows.campaign_id}").select_one("[aria-labelledby=evidence]")
    assert "Not enough data to say whether this strategy beats random picks here." in text_of(card)
    assert "No backtest has run on its 4 labelled samples." in text_of(card)


def test_overview_says_so_when_the_surrogate_is_no_good(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).metrics = {"rmse": 4.2, "baseline_rmse": 4.0, "r2": -0.1}
    text = text_of(soup_of(dashboard, f"/campaigns/{rows.campaign_id}").main)
    assert "No better than predicting the mean." in text


def test_overview_without_anything_to_measure_on(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).metrics = {"rmse": {}, "r2": None, "measured_on": None}
    text = text_of(soup_of(dashboard, f"/campaigns/{rows.campaign_id}").main)
    assert "which did not measure its error" in text


def test_overview_names_what_waits(dashboard: TestClient, rows: Rows) -> None:
    link = soup_of(dashboard, f"/campaigns/{rows.campaign_id}").select_one(".tasks a")
    assert text_of(link) == "5 proposed tests wait for your decision"
    assert link["href"] == f"/campaigns/{rows.campaign_id}/recommendations?status=proposed"


def test_overview_puts_a_failure_first(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.add(new_run(ValuationRun, rows.campaign_id, RunStatus.FAILED))
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}")
    assert text_of(soup.select_one(".tasks a")) == "The newest run has failed: see why"
    assert "The worker was lost 3 times." in text_of(soup.main)


def test_overview_shows_the_most_suspicious_first(dashboard: TestClient, rows: Rows) -> None:
    table = soup_of(dashboard, f"/campaigns/{rows.campaign_id}").select("table")[-1]
    names = [cell.find(string=True).strip() for cell in table.select("td.name")]
    assert names == ["T-3", "T-2", "T-1", "T-0"]


def test_new_campaign_says_what_to_send(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    with unit_of_work(store) as session:
        campaign = new_campaign(budget=None)
        session.add(campaign)
    soup = soup_of(dashboard, f"/campaigns/{campaign.id}")
    assert f"POST /api/v1/campaigns/{campaign.id}/samples:bulk" in text_of(soup.select_one(".tasks"))
    assert "No budget was set." in text_of(soup.main)
    for page in PAGES[1:]:
        soup_of(dashboard, f"/campaigns/{campaign.id}{page}")


@pytest.mark.parametrize("page", PAGES)
def test_hostile_names_stay_text(dashboard: TestClient, store: sessionmaker[Session], page: str) -> None:
    hostile = add_campaign(store, name=HOSTILE, description=HOSTILE)
    response = dashboard.get(f"/campaigns/{hostile.campaign_id}{page}")
    assert response.status_code == 200
    assert HOSTILE not in response.text


@pytest.mark.parametrize("url", [*(f"/campaigns/999{page}" for page in PAGES), "/campaigns/abc", "/nowhere"])
def test_unknown_address_is_a_page_that_says_so(dashboard: TestClient, url: str) -> None:
    soup = soup_of(dashboard, url, status=404)
    assert text_of(soup.h1) == "Not found"
    assert soup.select_one("header .brand")["href"] == "/campaigns"


def test_error_page_leads_back_to_our_own_pages_only(dashboard: TestClient) -> None:
    for referer, back in [
        ("http://localhost/campaigns/1/runs?x=1", "/campaigns/1/runs?x=1"),
        ("http://evil.example/campaigns/1", "/campaigns"),
        ("http://localhost/campaigns/999", "/campaigns"),
    ]:
        response = dashboard.get("/campaigns/999", headers={"referer": referer})
        assert f'href="{back}">Back</a>' in response.text


def test_current_page_is_marked(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}/runs")
    assert [text_of(link) for link in soup.select("header nav [aria-current=page]")] == ["Runs"]


def test_times_are_machine_readable(dashboard: TestClient, rows: Rows) -> None:
    moments = soup_of(dashboard, "/campaigns").select("time")
    assert moments
    assert all(moment["datetime"].endswith("Z") for moment in moments)


def test_pages_are_never_cached(dashboard: TestClient, rows: Rows) -> None:
    for page in PAGES:
        assert dashboard.get(f"/campaigns/{rows.campaign_id}{page}").headers["cache-control"] == "no-store"


def test_pages_need_a_sign_in_or_a_key_and_files_do_not(dashboard_settings: Settings) -> None:
    key = "k" * 32
    app = create_app(Settings(**(dashboard_settings.model_dump() | {"api_key": key}), _env_file=None))
    with TestClient(app, base_url="http://localhost", headers={"accept": "text/html"}) as client:
        client.follow_redirects = False
        refused = client.get("/campaigns?before=7")
        assert (refused.status_code, refused.headers["location"]) == (
            303,
            "/login?next=%2Fcampaigns%3Fbefore%3D7",
        )
        refused = client.post("/valuation-runs/1/cancel")
        assert (refused.status_code, refused.headers["location"]) == (303, "/login")
        wrong = client.get("/campaigns", auth=("anyone", "wrong"))
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"].startswith("Basic")
        assert client.get("/campaigns", auth=("anyone", key)).status_code == 200
        assert client.get("/static/dashboard.css").status_code == 200
