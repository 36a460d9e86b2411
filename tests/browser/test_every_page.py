"""Every page in light and dark: no barrier that axe calls serious or critical, no sideways scrolling, and a picture.

The pictures are for people to look at: in the folder that `BROWSER_SCREENSHOTS` names, or in pytest's own.
"""

import json
import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched
from tests.browser.demo import Demo
from tests.browser.places import CHARTS, PLACES, SCHEMES

pytestmark = pytest.mark.browser
WIDTHS_PX = {1280: 900, 768: 1024}
GRAVE = {"serious", "critical"}
SLOW_MS = 30_000
# Moves with time alone.
NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("BROWSER_SCREENSHOTS")
    path = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


def whole(page: Page) -> None:
    """Fonts, charts and the live regions are there."""
    for chart in page.locator(CHARTS).all():
        expect(chart.locator("canvas").first).to_be_attached(timeout=SLOW_MS)
    page.wait_for_load_state("load")


def barriers(page: Page, name: str, pictures: Path) -> list[str]:
    """What axe finds, kept beside the pictures; returned in a line each when it is grave."""
    found = Axe().run(page).response["violations"]
    (pictures / f"{name}.axe.json").write_text(json.dumps(found, indent=1))
    return [
        f"{item['id']} ({item['impact']}): {node['html'][:160]} | {node['any'][0]['message'] if node['any'] else ''}"
        for item in found
        if item["impact"] in GRAVE
        for node in item["nodes"]
    ]


def photograph(page: Page, name: str, pictures: Path) -> None:
    for width, height in WIDTHS_PX.items():
        page.set_viewport_size({"width": width, "height": height})
        whole(page)
        assert page.evaluate(NO_SIDEWAYS), f"{name} scrolls sideways at {width} px"
        page.screenshot(path=pictures / f"{name}-{width}.png", full_page=True, animations="disabled")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", PLACES)
def test_page(desk: Watched, demo: Demo, pictures: Path, place: str, scheme: str) -> None:
    desk.page.emulate_media(color_scheme=scheme)
    page = desk.open(PLACES[place](demo))
    whole(page)
    found = barriers(page, f"{place}-{scheme}", pictures)
    photograph(page, f"{place}-{scheme}", pictures)
    if place == "error":
        desk.problems[:] = [text for text in desk.problems if not re.search("404", text)]
    assert found == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_login(browser: Browser, demo: Demo, pictures: Path, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{demo.origin}/login")
    found = barriers(page, f"login-{scheme}", pictures)
    photograph(page, f"login-{scheme}", pictures)
    page.close()
    assert found == []
