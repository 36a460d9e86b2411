"""A campaign made in a real browser: who runs its simulations, with what is hidden until it is chosen."""

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from service.database.models import Source
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser


def go_on(page: Page) -> None:
    page.locator("form.wizard .end").get_by_role("button", name="Next").click()


def to_the_sources(page: Page) -> None:
    page.get_by_label("Name").fill("Sled 2027")
    go_on(page)
    page.get_by_role("button", name="Take the ready-made list").click()
    expect(page.get_by_role("status").filter(has_text="features of the ready-made list")).to_be_visible()
    go_on(page)
    go_on(page)


def choose(page: Page, oracle: str) -> None:
    page.get_by_label("Who runs it").first.select_option(oracle)


def test_a_solver_is_refused_with_what_to_do_and_the_built_in_model_is_taken(
    watched: Watched, store: sessionmaker[Session]
) -> None:
    page = watched.open("/campaigns/new")
    to_the_sources(page)
    page.get_by_label("Name").first.fill("sled_model")
    page.get_by_label("Kind").first.select_option("simulation")
    page.get_by_label("Cost of one (USD)").first.fill("3000")
    command = page.get_by_label("Command").first
    expect(command).to_be_hidden()
    choose(page, "command")
    command.fill("/opt/solvers/run-dyna\ni=main.k")
    page.get_by_role("button", name="One more input file").click()
    files = page.get_by_label("Input file").filter(visible=True)
    expect(files).to_have_count(2)
    files.nth(1).fill("main.k")
    expect(page.get_by_label("System of units").first).to_be_hidden()
    page.get_by_label("Read as").first.select_option("binout")
    expect(page.get_by_label("System of units").first).to_be_visible()
    go_on(page)
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text(
        "'/opt/solvers/run-dyna' is not an executable that workers may run"
    )
    expect(page.get_by_label("Command").first).to_have_value("/opt/solvers/run-dyna\ni=main.k")
    expect(page.get_by_label("Input file").first).to_have_value("main.k")
    choose(page, "occupant_model")
    expect(page.get_by_label("Command").first).to_be_hidden()
    go_on(page)
    go_on(page)
    expect(page.locator("form.wizard")).to_contain_text("run by a worker, with the built-in occupant model")
    page.get_by_role("button", name="Create the campaign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sled 2027")
    with store() as session:
        source = session.query(Source).one()
    assert (source.name, source.oracle, source.oracle_settings) == ("sled_model", "occupant_model", None)
    # The refusal is an answer of 422, which browsers write to their console: nothing else may stand there.
    assert all("422" in problem for problem in watched.problems)
    watched.problems.clear()
