"""Recommendations in a real browser: the budget before a decision, stale tabs, the map with its lasso, the keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.lifecycles import RecommendationStatus
from tests.browser.conftest import Watched
from tests.service.admin.map_rows import add_map
from tests.service.admin.rows import Rows, add_campaign

pytestmark = pytest.mark.browser


def url_of(rows: Rows, rest: str = "") -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations{rest}"


def test_the_budget_is_told_before_the_decision(watched: Watched, rows: Rows) -> None:
    page = watched.open(url_of(rows))
    approve = page.locator("button[value=approve]")
    expect(approve).to_be_disabled()
    for name in ("D-0", "D-1", "D-2"):
        page.get_by_label(f"Select {name}").check()
    expect(page.locator(".effect")).to_have_text(
        "3 × full vehicle: 900,000 USD, the last result after 42 days. 100,000 USD of the budget would be left."
    )
    page.get_by_label("Select D-3").check()
    expect(page.locator(".effect")).to_contain_text("200,000 USD more than the 1,000,000 USD that are left.")
    expect(approve).to_be_disabled()
    page.get_by_label("Select D-3").uncheck()
    page.get_by_role("button", name="Approve 3 for 900,000 USD").click()
    expect(page.get_by_role("status").first).to_have_text(
        "Approved 3 designs: 900,000 USD committed, 100,000 USD of the budget left."
    )
    expect(page.get_by_label("Select D-0")).to_have_count(0)
    expect(page.get_by_role("link", name="approved 3")).to_be_visible()


def test_reject_with_the_keyboard(watched: Watched, rows: Rows) -> None:
    page = watched.open(url_of(rows))
    page.get_by_label("Select D-0").focus()
    page.keyboard.press("Space")
    reason = page.get_by_label("Reason")
    reason.focus()
    page.keyboard.press("Enter")  # without a reason: the browser holds the form back
    expect(page.locator(".flash")).to_have_count(0)
    page.keyboard.type("No body left.")
    page.keyboard.press("Enter")
    expect(page.locator(".flash")).to_have_text("Rejected D-0; a later round may propose it again.")
    expect(page.locator(f"#recommendation-{rows.recommendation_ids[0]}")).to_contain_text("No body left.")


def test_all_of_a_round_at_once(watched: Watched, rows: Rows) -> None:
    page = watched.open(url_of(rows))
    every = page.get_by_label("Select all proposals of round")
    every.check()
    expect(page.get_by_role("button", name="Reject 5")).to_be_enabled()
    page.get_by_label("Select D-2").uncheck()
    assert every.evaluate("box => box.indeterminate")


def test_the_decision_is_in_sight_wherever_one_reads(
    watched: Watched,
    store: sessionmaker[Session],
) -> None:
    many = add_campaign(store, candidates=30)
    page = watched.open(url_of(many))
    for name in ("D-0", "D-29"):
        page.get_by_label(f"Select {name}", exact=True).check()
        expect(page.locator(".decision")).to_be_in_viewport(ratio=1)


def test_a_stale_tab(watched: Watched, rows: Rows, store: sessionmaker[Session]) -> None:
    page = watched.open(url_of(rows))
    for name in ("D-0", "D-1"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_label("Reason").fill("Agreed.")
    with unit_of_work(store) as session:
        key, rejected = rows.recommendation_ids[1], RecommendationStatus.REJECTED
        acquisitions.change(session, key, rejected, actor="colleague", reason="No.")
    page.locator("button[value=approve]").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody was faster: D-1 is rejected")
    expect(page.get_by_label("Select D-0")).to_be_checked()
    expect(page.get_by_label("Reason")).to_have_value("Agreed.")
    assert [text for text in watched.problems if "409" in text]
    watched.problems.clear()  # the browser writes the refusal into its console


def map_page(watched: Watched, rows: Rows) -> Page:
    page = watched.open(url_of(rows, "/map"))
    page.locator("#map[data-ready]").wait_for(timeout=60_000)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_is_drawn_and_selects(
    watched: Watched,
    rows: Rows,
    store: sessionmaker[Session],
    scheme: str,
) -> None:
    add_map(store, rows)
    watched.page.emulate_media(color_scheme=scheme)
    page = map_page(watched, rows)
    box = page.locator("#map").bounding_box()
    page.get_by_role("button", name="Lasso").click()
    left, right = box["x"] + 15, box["x"] + box["width"] - 15
    top, bottom = box["y"] + 43, box["y"] + box["height"] - 15
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    expect(page.locator("#selection-count")).to_have_text("10, 6 of them candidates")
    expect(page.get_by_role("button", name="Inject 6")).to_be_enabled()


def test_the_map_without_a_mouse(
    watched: Watched,
    rows: Rows,
    store: sessionmaker[Session],
) -> None:
    add_map(store, rows)
    page = map_page(watched, rows)
    page.get_by_label("Find by name").fill("d-5")
    expect(page.locator("#selection-count")).to_have_text("1, 1 of them candidates")
    page.get_by_role("link", name="D-5").press("Enter")
    expect(page.locator("#point")).to_contain_text("26.34 g")
    page.locator(".wish form").get_by_label("Reason").fill("The board wants it.")
    page.get_by_role("button", name="Inject 1").press("Enter")
    expect(page.locator(".flash")).to_have_text("1 design will be in the next round.")
    expect(page).to_have_url(re.compile("/wishes$"))


@pytest.mark.parametrize("rest", ["", "/map", "/what-if", "/wishes"])
def test_pages_fit_a_tablet(
    watched: Watched,
    rows: Rows,
    store: sessionmaker[Session],
    rest: str,
) -> None:
    add_map(store, rows)
    watched.page.set_viewport_size({"width": 768, "height": 1024})
    page = watched.open(url_of(rows, rest))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
