"""Files sent from a real browser: one by one, each with what became of it."""

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from service.database.models import Upload
from tests.browser.conftest import Watched
from tests.ev5_writer import ev5_files, zipped
from tests.service.admin.rows import Rows

pytestmark = pytest.mark.browser
SLOW_MS = 30_000


def test_several_files_are_sent_and_the_wrong_one_is_named(
    watched: Watched, store: sessionmaker[Session], rows: Rows
) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    files = [("v04711.zip", zipped(ev5_files())), ("notes.txt", b"no crash test")]
    page.set_input_files(
        "#upload-form input[type=file]",
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": content}
            for name, content in files
        ],
    )
    page.click("#upload-form button")
    page.wait_for_selector("#sending .error")
    assert "notes.txt holds no crash test" in page.inner_text("#sending .error")
    with store() as session:
        upload = session.query(Upload).one()
    assert page.get_attribute("#sending a", "href") == f"/uploads/{upload.id}"
    # The list above hears of the new file by itself.
    page.wait_for_selector(f"#upload-{upload.id}")
    assert page.is_enabled("#upload-form button")
    # A refused file is an answer of 422, which browsers write to their console: nothing else may stand there.
    assert all("422" in problem for problem in watched.problems)
    watched.problems.clear()


# A drag as the browser tells it to the page: real events with a real DataTransfer, over the place and over the rest.
DRAG = """([kind, selector, files, text]) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) transfer.items.add(new File([Uint8Array.from(content)], name));
  if (text) transfer.setData("text/plain", text);
  const target = document.querySelector(selector);
  const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true, composed: true });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}"""
ZONE, CHOSEN, SEND = "#upload-form .drop", "#chosen", "#upload-form > button"


def drag(page: Page, kind: str, *files: tuple[str, bytes], selector: str = ZONE, text: str = "") -> bool:
    """Send one event of a drag; whether the page keeps the browser from opening the files."""
    contents = [[name, list(content)] for name, content in files]
    return bool(page.evaluate(DRAG, [kind, selector, contents, text]))


def test_files_that_are_dropped_are_named_sent_and_read(
    watched: Watched, store: sessionmaker[Session], rows: Rows
) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    files = [("v04711.zip", zipped(ev5_files())), ("notes.txt", b"no crash test")]
    zone = page.locator(ZONE)
    assert drag(page, "dragover", *files)
    expect(zone).to_have_class("drop is-over")
    assert drag(page, "drop", *files)
    expect(zone).to_have_class("drop")
    expect(page.locator(CHOSEN)).to_contain_text("2 files to send: v04711.zip (")
    assert page.evaluate("document.querySelector('#upload-form input[type=file]').files.length") == 2
    page.click(SEND)
    expect(page.locator("#sending .error")).to_contain_text("notes.txt holds no crash test", timeout=SLOW_MS)
    with store() as session:
        upload = session.query(Upload).one()
    assert upload.filename == "v04711.zip"
    expect(page.locator("#sending a")).to_have_attribute("href", f"/uploads/{upload.id}")
    expect(page.locator(CHOSEN)).to_be_hidden(timeout=SLOW_MS)
    assert all("422" in problem for problem in watched.problems)
    watched.problems.clear()


def test_the_place_lights_up_only_while_something_is_over_it(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    zone = page.locator(ZONE)
    drag(page, "dragover", ("a.zip", b"PK"))
    page.eval_on_selector(  # from the place onto the input in it: still over it
        ZONE,
        "zone => zone.dispatchEvent(new DragEvent('dragleave', { relatedTarget: zone.querySelector('input') }))",
    )
    expect(zone).to_have_class("drop is-over")
    page.eval_on_selector(
        ZONE,
        "zone => zone.dispatchEvent(new DragEvent('dragleave', { relatedTarget: document.body }))",
    )
    expect(zone).to_have_class("drop")


def test_what_misses_the_place_or_is_no_file_changes_nothing(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    assert drag(page, "dragover", ("a.zip", b"PK"), selector="h1"), "the browser would open the file"
    assert drag(page, "drop", ("a.zip", b"PK"), selector="h1")
    expect(page.locator(CHOSEN)).to_be_hidden()
    assert not drag(page, "drop", selector="#import", text="10146"), "text may be dragged into fields"
    assert drag(page, "drop", text="a line of text")
    expect(page.locator(CHOSEN)).to_have_text("That was no file: drop the files of a test.")
    drag(page, "drop", ("a.zip", b"PK"))
    expect(page.locator(CHOSEN)).to_contain_text("1 file to send: a.zip")


def test_files_can_be_chosen_by_keyboard_alone(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    page.locator("#upload-form input[type=file]").focus()
    with page.expect_file_chooser() as asked:
        # Playwright does not wait until choosers come to it: an answer to anything says that they do.
        page.evaluate("null")
        page.keyboard.press("Enter")
    assert asked.value.is_multiple()
    asked.value.set_files([{"name": "a.zip", "mimeType": "application/zip", "buffer": b"PK"}])
    expect(page.locator(CHOSEN)).to_contain_text("1 file to send: a.zip")
    outline = page.eval_on_selector(ZONE, "zone => getComputedStyle(zone).borderColor")
    page.locator("#upload-form select").first.focus()
    assert page.eval_on_selector(ZONE, "zone => getComputedStyle(zone).borderColor") != outline


def test_a_file_beyond_the_limit_is_told_before_it_is_sent(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/uploads")
    page.eval_on_selector("#upload-form", "form => { form.dataset.mostMib = '1'; }")
    drag(page, "drop", ("long.zip", bytes(2**20 + 1)))
    page.click(SEND)
    expect(page.locator("#sending .error")).to_contain_text("long.zip is larger than 1 MiB")
    assert not [address for address in watched.addresses if address.endswith("/api/v1/uploads")]
