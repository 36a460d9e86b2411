"""Files sent from a real browser: one by one, each with what became of it."""

from sqlalchemy.orm import Session, sessionmaker

from service.database.models import Upload
from tests.browser.conftest import Watched
from tests.ev5_writer import ev5_files, zipped
from tests.service.admin.rows import Rows


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
