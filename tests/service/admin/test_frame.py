"""What is around every page: the menu of campaigns, the place in the events, parts that are renewed, errors."""

import pytest
from fastapi import Request
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.pages.error import render_error
from service.admin.templates_env import environment
from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.events import service as events
from service.lifecycles import RunStatus
from service.problems import Problem
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign, new_run
from tests.support import API

PAGES = ["", "/recommendations", "/data-values", "/ledger", "/backtests", "/runs"]


def test_menu_leads_to_the_same_page_of_other_campaigns(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    other = add_campaign(store, name="Side 2028")
    menu = soup_of(dashboard, f"/campaigns/{rows.campaign_id}/ledger").select_one(".switcher .menu")
    links = soup_of(dashboard, menu["hx-get"]).select("a")
    assert [(text_of(link), link["href"]) for link in links] == [
        ("Side 2028", f"/campaigns/{other.campaign_id}/ledger"),
        ("Frontal 2027", f"/campaigns/{rows.campaign_id}/ledger"),
        ("All campaigns", "/campaigns"),
    ]
    assert [link.get("aria-current") for link in links] == [None, "true", None]


def test_page_names_the_newest_event_that_it_shows(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    with unit_of_work(store) as session:
        events.following(session, rows.campaign_id, 0)  # gives what was committed its positions
        newest = events.newest_position(session)
    body = soup_of(dashboard, f"/campaigns/{rows.campaign_id}").body
    assert newest > 0
    assert body["data-position"] == str(newest)
    assert body["data-events"] == f"{API}/campaigns/{rows.campaign_id}/events"
    with unit_of_work(store) as session:
        session.add(new_run(ValuationRun, rows.campaign_id, RunStatus.QUEUED))
    with unit_of_work(store) as session:
        later = events.following(session, rows.campaign_id, newest)
    assert [event.type for event in later] == ["valuation_run.queued"]


@pytest.mark.parametrize("page", PAGES)
def test_live_regions_can_be_found_again(dashboard: TestClient, rows: Rows, page: str) -> None:
    """Each has an id of its own, and names events that there are."""
    from service.events.schemas import _check_pattern

    regions = soup_of(dashboard, f"/campaigns/{rows.campaign_id}{page}").select("[data-live]")
    ids = [region["id"] for region in regions]
    assert len(set(ids)) == len(ids)
    for region in regions:
        assert [_check_pattern(pattern) for pattern in region["data-live"].split()]


def test_renewing_a_part_neither_shows_nor_takes_the_message(dashboard: TestClient, rows: Rows) -> None:
    page = f"/campaigns/{rows.campaign_id}/recommendations"
    first = rows.recommendation_ids[0]
    assert dashboard.post(f"/recommendations/{first}/approve").status_code == 303
    renewed = dashboard.get(page, headers={"hx-request": "true"})
    assert 'class="flash' not in renewed.text
    assert "set-cookie" not in renewed.headers
    assert "Approved D-0" in text_of(soup_of(dashboard, page).select_one(".flash"))


def error_page(status: int, **headers: str) -> str:
    scope = {
        "type": "http", "method": "POST", "path": "/recommendations/1/approve", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    problem = Problem(
        type="urn:crashscout:problem:x", title="It did not work", status=status, detail="Why.", code="x",
        instance="/recommendations/1/approve", request_id="r-1",
    )  # fmt: skip
    return render_error(Request(scope), problem)


@pytest.mark.parametrize("status", [409, 412])
def test_stale_page_leads_to_the_fresh_one(status: int) -> None:
    html = error_page(
        status, host="localhost", referer="http://localhost/campaigns/1/recommendations?status=proposed"
    )
    assert 'href="/campaigns/1/recommendations?status=proposed">Open the page as it is now</a>' in html


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "Your account may not do this"), (404, "The address may be mistyped"), (409, "Nothing was changed by you"),
     (500, "request r-1"), (503, "reload the page in a moment")],
)  # fmt: skip
def test_error_page_says_what_to_do(status: int, words: str) -> None:
    assert words in error_page(status)


def macro(call: str) -> str:
    return environment().from_string('{% import "macros.html" as ui %}' + call).render()


def test_confirmation_names_the_act_and_can_ask_for_the_name() -> None:
    html = macro(
        '{{ ui.confirm("d", "Delete ci?", "It stops at once.", "/keys/1/delete", "Delete", must_type="<ci>") }}'
    )
    assert '<form method="post" action="/keys/1/delete"' in html
    assert 'data-must-equal="&lt;ci&gt;"' in html
    with_more = macro('{% call ui.confirm("d", "t", "x", "/a", "b") %}<input name="reason">{% endcall %}')
    assert '<input name="reason">' in with_more


def test_chart_without_a_table_has_no_button() -> None:
    assert "data-as-table" not in macro('{{ ui.chart("k", "i", {"a": "</script>"}, "label") }}')
    html = macro(
        '{{ ui.chart("k", "i", {"a": "</script>", "table": {"columns": [], "rows": []}}, "label", "10 of 20") }}'
    )
    assert "data-as-table" in html
    assert "10 of 20" in html
    assert html.count("</script>") == 1


def test_meter_never_overflows() -> None:
    html = macro('{{ ui.meter("money", [("a", "spent", 80.0), ("b", "committed", 50.0)]) }}')
    assert 'class="committed" x="80.0%" width="20.0%"' in html
