"""Data values, review queue, one sample and the surrogate in a real browser."""

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import Sample, Upload
from service.lifecycles import UploadStatus
from tests.browser.conftest import CHROMIUM, Watched
from tests.service.admin.rows import Rows, new_campaign
from tests.service.admin.test_surrogate_page import train

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]
DRAWN = """(canvases) => canvases.map((canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer;
    return new Set(new Uint32Array(pixels)).size;
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_surrogate_is_drawn(
    watched: Watched, store: sessionmaker[Session], rows: Rows, scheme: str
) -> None:
    train(store, rows, 0.5)
    train(store, rows, 2.0)
    watched.page.emulate_media(color_scheme=scheme)
    page = watched.open(f"/campaigns/{rows.campaign_id}/surrogate")
    canvases = page.locator("[data-chart] canvas")
    expect(canvases).to_have_count(4)
    assert min(canvases.evaluate_all(DRAWN)) > 10


def test_a_decision_with_the_keyboard(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/reviews")
    page.get_by_label("Correct: T-3").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("31.5")
    page.keyboard.press("Tab")
    page.keyboard.type("The log says so.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("T-3: label is 31.50 now.")
    expect(page.get_by_role("region", name="Last decisions")).to_contain_text("The log says so.")
    page.get_by_role("link", name="T-3").first.click()
    expect(page.get_by_role("region", name="History of labels")).to_contain_text("31.50 g")


@pytest.mark.parametrize("path", ["data-values", "reviews", "surrogate"])
def test_pages_fit_a_tablet(watched: Watched, store: sessionmaker[Session], rows: Rows, path: str) -> None:
    train(store, rows, 0.5)
    page = watched.open(f"/campaigns/{rows.campaign_id}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("path", ["data-values", "reviews", "surrogate"])
def test_empty_pages_say_what_to_do(watched: Watched, store: sessionmaker[Session], path: str) -> None:
    with unit_of_work(store) as session:
        campaign = new_campaign(name="empty")
        session.add(campaign)
        session.flush()
    page = watched.open(f"/campaigns/{campaign.id}/{path}")
    expect(page.get_by_role("main").get_by_role("link", name="Runs")).to_be_visible()


def test_a_filter_applies_when_it_is_chosen(
    watched: Watched,
    store: sessionmaker[Session],
    rows: Rows,
) -> None:
    with unit_of_work(store) as session:
        session.query(Sample).filter_by(external_id="T-3").one().group = "platform-A"
        session.query(Sample).filter_by(external_id="T-2").one().group = "platform-B"
    page = watched.open(f"/campaigns/{rows.campaign_id}/data-values")
    page.get_by_label("Group").select_option("platform-A")
    expect(page.locator("td.name")).to_have_count(1)
    expect(page.locator("td.name")).to_contain_text("T-3")


CURVES = {
    "sample_id": 1, "upload_id": 1, "occupant": "driver", "label_definition": "rolc/1", "rolc_g": 25.0,
    "t1_ms": 20.0, "t2_ms": 60.0, "samples": 1200, "shown": 121, "time_ms": list(range(121)),
    "vehicle_g": [-20.0] * 121, "chest_g": [-25.0] * 121, "vehicle_mps": [15.0 - 0.2 * i for i in range(121)],
    "chest_mps": [15.0 - 0.15 * i for i in range(121)],
}  # fmt: skip


def with_file(store: sessionmaker[Session], rows: Rows) -> int:
    """T-3 as a sample that came from a file."""
    with unit_of_work(store) as session:
        sample = session.query(Sample).filter_by(external_id="T-3").one()
        upload = Upload(
            campaign_id=rows.campaign_id, status=UploadStatus.ACCEPTED, filename="a.zip", sha256="a" * 64,
            size_bytes=1, request={"source": "full_vehicle"}, label_definition="rolc/1", report={},
            sample_ids={"driver": sample.id}, requested_by="tester",
        )  # fmt: skip
        session.add(upload)
        session.flush()
        sample.upload_id = upload.id
        return sample.id


def test_curves_are_drawn_when_they_come_into_sight(
    watched: Watched,
    store: sessionmaker[Session],
    rows: Rows,
) -> None:
    """The answer is given here: reading an original is tested with the API (`tests/service/uploads/test_curves.py`)."""
    sample_id = with_file(store, rows)
    watched.page.route(f"**/samples/{sample_id}/curves", lambda route: route.fulfill(json=CURVES))
    page = watched.open(f"/campaigns/{rows.campaign_id}/samples/{sample_id}")
    canvas = page.locator("[data-curves] canvas")
    expect(canvas).to_have_count(1)
    expect(page.locator("[data-curves-note]")).to_have_text(
        "driver, rolc/1: 121 of 1200 samples drawn, evenly thinned."
    )
    assert min(canvas.evaluate_all(DRAWN)) > 10


def test_curves_that_cannot_be_read_say_why(
    watched: Watched,
    store: sessionmaker[Session],
    rows: Rows,
) -> None:
    sample_id = with_file(store, rows)
    page = watched.open(f"/campaigns/{rows.campaign_id}/samples/{sample_id}")
    expect(page.locator("[data-curves-note]")).to_contain_text("was not kept")
    # The browser itself writes the 404 of the curves into its console.
    watched.problems[:] = [text for text in watched.problems if "404" not in text]
