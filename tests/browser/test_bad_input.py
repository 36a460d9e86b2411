"""What goes wrong in a browser: a stale tab, a killed server, a forged form, a huge paste. And no mouse at all."""

import pytest
from playwright.sync_api import Locator, Page, expect

from service.acquisitions import service as acquisitions
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.lifecycles import RecommendationStatus
from tests.browser.conftest import Watched
from tests.browser.demo import Demo

pytestmark = pytest.mark.browser
SLOW_MS = 60_000
MEGABYTES = "No body left. " * 150_000
MOST_TABS = 400
PASTE = "(field, text) => { field.value = text; }"  # a script is not held back by `maxlength`


def status_of(demo: Demo, key: int) -> str:
    return str(demo.api.get(f"/recommendations/{key}")["status"])


def test_a_stale_tab_is_told_who_was_faster(desk: Watched, demo: Demo) -> None:
    row = demo.proposed()[-1]
    page = desk.open(f"/recommendations/{row['id']}")
    demo.api.post(f"/recommendations/{row['id']}:reject", {"reason": "Sold out."})
    page.get_by_role("button", name=f"Approve {row['external_id']}").click()
    expect(page.get_by_role("alert").first).to_contain_text("is rejected")
    expect(page.get_by_role("heading", level=1)).to_contain_text("rejected")  # as it is now
    expect(page.get_by_role("button", name=f"Approve {row['external_id']}")).to_have_count(0)
    assert [text for text in desk.problems if "409" in text]
    desk.problems.clear()  # the browser writes the refusal into its console


def test_a_killed_server_is_told_and_nothing_is_missed(desk: Watched, demo: Demo) -> None:
    """The process is killed, not asked; what happens meanwhile is on the page when it is back."""
    row, waiting = demo.proposed()[-1], len(demo.proposed())
    page = desk.open(demo.path)
    expect(page.locator(".tasks")).to_contain_text(f"{waiting} proposed tests wait")
    (child,) = [one for one in demo.stack.children if one.name == "api"]
    child.process.kill()
    child.process.wait()
    try:
        lost = "Connection lost, showing the state of"
        expect(page.locator("#connection")).to_contain_text(lost, timeout=SLOW_MS)
        _reject_behind_its_back(demo, row["id"])
    finally:
        child.start()  # the other tests need it, whatever happened
    expect(page.locator("#connection")).to_be_hidden(timeout=SLOW_MS)
    expect(page.locator(".tasks")).to_contain_text(f"{waiting - 1} proposed tests wait", timeout=SLOW_MS)
    desk.problems.clear()  # the browser writes each refused connection into its console


def _reject_behind_its_back(demo: Demo, key: int) -> None:
    engine = make_engine(demo.database_url)
    with unit_of_work(make_session_factory(engine)) as session:
        rejected = RecommendationStatus.REJECTED
        acquisitions.change(session, key, rejected, actor="colleague", reason="No body left.")
    engine.dispose()


@pytest.mark.parametrize("token", ["", "forged"])
def test_a_forged_form_changes_nothing(desk: Watched, demo: Demo, token: str) -> None:
    """Another site can make the browser send the session's cookie, but knows no token."""
    key = demo.proposed()[0]["id"]
    form = {"csrf_token": token} if token else {}
    answer = desk.page.context.request.post(f"{demo.origin}/recommendations/{key}/approve", form=form)
    assert answer.status == 403
    assert status_of(demo, key) == "proposed"


def test_a_huge_paste_is_refused_and_nothing_is_lost(desk: Watched, demo: Demo) -> None:
    first, second = demo.proposed()[:2]
    page = desk.open(f"{demo.path}/recommendations")
    for row in (first, second):
        page.get_by_label(f"Select {row['external_id']}", exact=True).check()
    page.get_by_label("Reason").evaluate(PASTE, MEGABYTES)
    page.locator("button[value=reject]").click()
    expect(page.get_by_role("alert").first).to_contain_text("give a reason, of 2,000 characters at most")
    expect(page.get_by_label(f"Select {first['external_id']}", exact=True)).to_be_checked()
    expect(page.get_by_label(f"Select {second['external_id']}", exact=True)).to_be_checked()
    expect(page.get_by_label("Reason")).to_have_value(MEGABYTES[:4000].strip())
    assert status_of(demo, first["id"]) == "proposed"
    desk.problems[:] = [text for text in desk.problems if "422" not in text]


def test_names_by_the_megabyte_are_refused(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/recommendations/wishes")
    page.locator("input[name=reason]").fill("All of them.")
    # Sent at once: laying out a million lines would take the browser a minute.
    page.locator("textarea[name=names]").evaluate(
        "(field, text) => { field.value = text; field.form.requestSubmit(); }", "cand-0001\n" * 200_000
    )
    refused = "Nothing was changed: 200,000 names, and 1,000 are taken at once."
    expect(page.get_by_role("alert").first).to_contain_text(refused, timeout=SLOW_MS)
    expect(page.locator("input[name=reason]")).to_have_value("All of them.")
    desk.problems[:] = [text for text in desk.problems if "422" not in text]


def tab_to(page: Page, place: Locator) -> None:
    """Only the Tab key, and every stop is one that shows."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if place.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{place} cannot be reached with the keyboard")


def test_the_mornings_decision_with_the_keyboard_alone(desk: Watched, demo: Demo) -> None:
    row = demo.proposed()[0]
    name, cost = row["external_id"], f"{float(row['acquisition_cost']):,.0f} USD"
    page = desk.open(demo.path)
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="proposed tests wait"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label(f"Select {name}", exact=True))
    page.keyboard.press("Space")
    approve = page.get_by_role("button", name=f"Approve 1 for {cost}")
    expect(approve).to_be_enabled()
    tab_to(page, approve)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text(f"Approved {name}: {cost} committed")
    assert status_of(demo, row["id"]) == "approved"
