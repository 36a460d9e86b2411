"""A campaign head's morning: sign in, look, decide, report a result, see what it did to the ledger."""

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched, sign_in
from tests.browser.demo import Demo, result_of

pytestmark = pytest.mark.browser


def money(amount: float) -> str:
    return f"{amount:,.0f} USD"


def ledger(demo: Demo) -> dict:
    return demo.api.get(f"{demo.path}/regret-ledger")["rounds"][-1]


def test_nobody_reads_a_page_without_signing_in(browser: Browser, demo: Demo) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{demo.origin}{demo.path}/ledger")
    expect(page).to_have_url(f"{demo.origin}/login?next=%2Fcampaigns%2F{demo.campaign_id}%2Fledger")
    page.get_by_label("Name").fill("head.of.tests")
    page.get_by_label("Password").fill("guessed")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    context.close()


def test_the_mornings_path(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watching = Watched(context.new_page(), demo.origin)
    page = watching.page
    sign_in(page, demo.origin)
    page.get_by_role("link", name="Frontal impact 2027").first.click()
    waiting = demo.proposed()
    before = ledger(demo)
    expect(page.locator(".tasks")).to_contain_text(f"{len(waiting)} proposed tests wait")
    page.get_by_role("link", name="proposed tests wait").click()
    look_at_one(page, waiting[0])
    page.get_by_role("link", name="Recommendations", exact=True).click()
    approve(page, waiting[:3])
    reject(page, waiting[3])
    report(page, waiting[0])
    after = ledger(demo)
    assert after["balance"]["results"] == before["balance"]["results"] + 1
    page.get_by_role("link", name="Ledger", exact=True).click()
    row = page.locator(f"#round-{demo.round_id}")
    expect(row).to_contain_text(f"{after['balance']['results']} of {after['balance']['proposed']}")
    expect(row).to_contain_text(f"{float(after['balance']['spent']):,.0f}")
    expect(row).to_contain_text(f"+ {float(after['balance']['committed']):,.0f} committed")
    context.close()
    assert watching.problems == []
    assert watching.external == []


def look_at_one(page: Page, row: dict) -> None:
    page.get_by_role("link", name=row["external_id"], exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(row["external_id"])
    expect(page.get_by_role("region", name="Why this design")).to_contain_text(row["reason"])


def approve(page: Page, rows: list[dict]) -> None:
    for row in rows:
        page.get_by_label(f"Select {row['external_id']}", exact=True).check()
    cost = money(sum(float(row["acquisition_cost"]) for row in rows))
    page.get_by_role("button", name=f"Approve {len(rows)} for {cost}").click()
    expect(page.get_by_role("status").first).to_contain_text(
        f"Approved {len(rows)} designs: {cost} committed"
    )


def reject(page: Page, row: dict) -> None:
    page.get_by_label(f"Select {row['external_id']}", exact=True).check()
    page.get_by_label("Reason").fill("The platform is sold out.")
    page.get_by_role("button", name="Reject 1").click()
    expect(page.get_by_role("status").first).to_contain_text(f"Rejected {row['external_id']}")
    expect(page.locator(f"#recommendation-{row['id']}")).to_contain_text("The platform is sold out.")


def report(page: Page, row: dict) -> None:
    """Ordered, run, and reported with what the laboratory changed."""
    result = result_of(row, np.random.default_rng(3))
    page.get_by_role("link", name=row["external_id"], exact=True).first.click()
    page.get_by_role("button", name=f"Mark {row['external_id']} as ordered").click()
    page.get_by_label("Measured").fill(f"{result['target']:.2f}")
    page.get_by_text("Not run exactly as planned?").click()
    page.locator("input[name$=impact_speed_kmh]").fill(
        f"{result['executed_features']['impact_speed_kmh']:.2f}"
    )
    page.get_by_role("button", name=f"Report the result of {row['external_id']}").click()
    expect(page.get_by_role("status").first).to_have_text(
        f"{row['external_id']} is labelled: {result['target']:.2f} g."
    )
    expect(page.get_by_role("heading", name="It has ended")).to_be_visible()
