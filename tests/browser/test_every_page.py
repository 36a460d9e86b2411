"""Every page in light and dark: no barrier that axe calls serious or critical, no sideways scrolling, and a picture.

The pictures are for people to look at: in the folder that `BROWSER_SCREENSHOTS` names, or in pytest's own.
"""

import json
import os
import re
import time
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched
from tests.browser.demo import Demo
from tests.browser.places import CHARTS, PLACES, SCHEMES

pytestmark = pytest.mark.browser
WIDTHS_PX = {1280: 900, 768: 1024}
GRAVE = {"serious", "critical"}
SLOW_MS = 30_000
# Of the README: place, colour scheme. `make screenshots` puts them into docs/images.
README = {"overview": "light", "recommendations": "light", "map": "dark", "data-values": "dark"}
LARGEST_PICTURE_BYTES = 150_000
COLOURS = 256
IMAGES = Path(__file__).parents[2] / "docs" / "images"
ENLARGED = {"width": 640, "height": 800}
DRAWN_WITHIN_S = 5.0
NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"

# Controls that lie on one another, and those whose words are cut.
OVERLAPS = """() => {
    const shown = [...document.querySelectorAll("main :is(a, button, input, select), header :is(a, button)")]
        .filter(e => e.checkVisibility() && !e.closest(".unseen, .skip, .decide, dialog"))
        .map(e => [e, e.getBoundingClientRect()]);
    const cut = shown.filter(([e]) => e.tagName === "BUTTON" && e.scrollWidth > e.clientWidth + 2);
    const over = shown.filter(([a, x], i) => shown.slice(i + 1, i + 12).some(([b, y]) => !a.contains(b)
        && Math.min(x.right, y.right) - Math.max(x.left, y.left) > 2
        && Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 2));
    return [...cut, ...over].map(([e]) => e.outerHTML.slice(0, 120));
}"""
FOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter(e => e.tabIndex >= 0 && !e.disabled && e.type !== "hidden" && e.checkVisibility()
        && !(e.type === "radio" && !e.checked)).length"""
# Where the keyboard is: whether one sees it, in the window and with a ring.
FOCUSED = """() => {
    const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (e === document.body) return null;
    return {what: e.outerHTML.slice(0, 120), seen: box.width > 1 && box.bottom > 0 && box.top < innerHeight
        && (style.outlineStyle !== "none" || style.boxShadow !== "none")};
}"""


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


def holds(page: Page, condition: str) -> bool:
    """Whether it is so, at the latest when charts have been drawn anew for another width."""
    deadline = time.monotonic() + DRAWN_WITHIN_S
    while not (found := bool(page.evaluate(condition))) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return found


def enlarged(page: Page, name: str) -> None:
    """At 200 % a desktop is half as wide: nothing may lie beyond its edge but what scrolls in a box of its own."""
    page.set_viewport_size(ENLARGED)
    assert holds(page, NO_SIDEWAYS), f"{name} scrolls sideways at 200 %"
    assert page.evaluate(OVERLAPS) == [], f"{name} at 200 %"


def photograph(page: Page, name: str, pictures: Path) -> None:
    for width, height in WIDTHS_PX.items():
        page.set_viewport_size({"width": width, "height": height})
        whole(page)
        assert holds(page, NO_SIDEWAYS), f"{name} scrolls sideways at {width} px"
        page.screenshot(path=pictures / f"{name}-{width}.png", full_page=True, animations="disabled")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", PLACES)
def test_page(desk: Watched, demo: Demo, pictures: Path, place: str, scheme: str) -> None:
    desk.page.emulate_media(color_scheme=scheme)
    page = desk.open(PLACES[place](demo))
    whole(page)
    found = barriers(page, f"{place}-{scheme}", pictures)
    photograph(page, f"{place}-{scheme}", pictures)
    enlarged(page, place)
    if place == "error":
        desk.problems[:] = [text for text in desk.problems if not re.search("404", text)]
    assert found == []


@pytest.mark.parametrize(
    "place", ["overview", "recommendations", "uploads", "settings", "schedules", "users"]
)
def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(
    desk: Watched, demo: Demo, place: str
) -> None:
    page = desk.open(PLACES[place](demo))
    page.set_viewport_size(ENLARGED)
    whole(page)
    reached = []
    for _ in range(page.evaluate(FOCUSABLE)):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    assert None not in reached  # the end of the page came before all of it was reached
    assert [one["what"] for one in reached if not one["seen"]] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_login(browser: Browser, demo: Demo, pictures: Path, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{demo.origin}/login")
    found = barriers(page, f"login-{scheme}", pictures)
    photograph(page, f"login-{scheme}", pictures)
    page.close()
    assert found == []


@pytest.mark.parametrize("place", README)
def test_picture_of_the_readme(desk: Watched, demo: Demo, pictures: Path, place: str) -> None:
    """What one sees first, small enough for a README; the one that is kept is of the same size."""
    desk.page.emulate_media(color_scheme=README[place])
    page = desk.open(PLACES[place](demo))
    whole(page)
    page.locator("#map[data-ready]").wait_for(timeout=SLOW_MS) if place == "map" else None
    shot = page.screenshot(animations="disabled")
    target = pictures / f"readme-{place}.png"
    with Image.open(BytesIO(shot)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    assert target.stat().st_size < LARGEST_PICTURE_BYTES
    with Image.open(IMAGES / f"{place}.png") as kept, Image.open(target) as fresh:
        assert kept.size == fresh.size


def test_the_readme_shows_its_pictures() -> None:
    text = (IMAGES.parents[1] / "README.md").read_text()
    assert set(re.findall(r"docs/images/([\w-]+)\.png", text)) == set(README)
    assert all((IMAGES / f"{place}.png").stat().st_size < LARGEST_PICTURE_BYTES for place in README)


def test_axe_finds_a_barrier(desk: Watched, tmp_path: Path) -> None:
    """The look at the pages is not blind: a picture without words and grey on white are found."""
    page = desk.open("/login")
    page.evaluate(
        """() => { document.body.insertAdjacentHTML("beforeend", "<img src='/static/none.svg'><p id='pale'>pale</p>");
            document.getElementById("pale").style.color = "#ddd"; }"""
    )
    found = " ".join(barriers(page, "barrier", tmp_path))
    assert "image-alt (critical)" in found
    assert "color-contrast (serious)" in found
    desk.problems.clear()  # the picture is not there
