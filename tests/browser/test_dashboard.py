"""The dashboard in a real browser: live progress, charts, and nothing loaded from elsewhere."""

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from tests.browser.conftest import Watched
from tests.service.admin.rows import Rows, new_run
from tests.service.admin.story import add_backtest

pytestmark = pytest.mark.browser


def test_progress_moves_by_itself_and_stops(
    watched: Watched, rows: Rows, store: sessionmaker[Session]
) -> None:
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.RUNNING)
        session.add(run)
    page = watched.open(f"/campaigns/{rows.campaign_id}/runs")
    row = page.locator(f"#valuation-runs-{run.id}")
    expect(row).to_contain_text("42 % · epoch 210")
    cancel = page.get_by_role("button", name=f"Cancel Valuation {run.id}")
    cancel.focus()
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run.id).progress = 0.77
    expect(row).to_contain_text("77 %")
    expect(cancel).to_be_focused()
    expect(row.locator("time")).not_to_contain_text("UTC")  # the new part, too, shows the reader's own time
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run.id).status = RunStatus.CANCELLED
    expect(row).to_contain_text("cancelled")
    asked = len(watched.addresses)
    page.wait_for_timeout(2500)
    assert len(watched.addresses) == asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn(watched: Watched, rows: Rows, scheme: str) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    page = watched.open(f"/campaigns/{rows.campaign_id}/data-values")
    expect(page.locator("[data-chart] canvas")).to_have_count(2)
    colours = page.evaluate(
        """() => [...document.querySelectorAll("[data-chart] canvas")].map((canvas) => {
            const pixels = new Uint32Array(
                canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
            return new Set(pixels).size;
        })"""
    )
    assert min(colours) > 10


def test_a_point_tells_what_it_is_under_the_strict_policy(watched: Watched, rows: Rows) -> None:
    """The tooltip is built by script: a style or script that the policy refuses would be in `problems`."""
    page = watched.open(f"/campaigns/{rows.campaign_id}/data-values")
    expect(page.locator("[data-chart] canvas")).to_have_count(2)
    place = page.evaluate(
        """() => {
            const element = document.querySelector("[data-chart]");
            const chart = echarts.getInstanceByDom(element);
            const series = chart.getOption().series.findIndex((one) => one.type === "scatter" && one.data.length > 0);
            const point = chart.getOption().series[series].data[0];
            const [x, y] = chart.convertToPixel({ seriesIndex: series }, [point[0], point[1]]);
            const box = element.getBoundingClientRect();
            return [box.left + x, box.top + y];
        }"""
    )
    page.mouse.move(*place)
    expect(page.locator("[data-chart]").first).to_contain_text("value")


@pytest.mark.parametrize(
    "page_path", ["", "/recommendations", "/data-values", "/ledger", "/backtests", "/runs"]
)
def test_pages_fit_a_tablet_and_show_local_time(
    watched: Watched, rows: Rows, store: sessionmaker[Session], page_path: str
) -> None:
    add_backtest(store, rows.campaign_id)
    page = watched.open(f"/campaigns/{rows.campaign_id}{page_path}")
    moment = page.locator("time").first
    expect(moment).not_to_contain_text("UTC")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
