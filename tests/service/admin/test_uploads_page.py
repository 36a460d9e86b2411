"""Files on their way to samples, on the pages: sent, read, looked at, decided."""

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ImportRun, Sample, Upload
from service.lifecycles import UploadStatus
from service.uploads.processing import process
from tests.ev5_writer import ev5_files, zipped
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.uploads import uploading
from tests.support import API

FORM = {"source": "full_vehicle", "split": "train", "occupants": "driver"}


@pytest.fixture
def campaign_id(dashboard: TestClient) -> int:
    return uploading.campaign(dashboard)


def url_of(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/uploads"


def send(client: TestClient, campaign_id: int, *files: tuple[str, bytes], **form: str) -> tuple[str, str]:
    """Kind and text of the message behind the plain form."""
    parts = [("files", (name, content)) for name, content in files]
    answer = client.post(url_of(campaign_id), data=FORM | form, files=parts)
    assert answer.status_code == 303, answer.text
    message = soup_of(client, answer.headers["location"]).select_one(".flash")
    return ("ok" if "ok" in message["class"] else "error"), text_of(message)


def crash() -> bytes:
    return zipped(ev5_files())


def newest(store: sessionmaker[Session]) -> Upload:
    with store() as session:
        return session.query(Upload).order_by(Upload.id.desc()).first()


def read(client: TestClient, store: sessionmaker[Session]) -> Upload:
    """Do what the worker does."""
    process(store, newest(store).id, client.app.state.settings)
    return newest(store)


def sent_and_read(client: TestClient, store: sessionmaker[Session], campaign_id: int) -> Upload:
    assert send(client, campaign_id, ("v04711.zip", crash()))[0] == "ok"
    upload = read(client, store)
    assert upload.status is UploadStatus.PARSED, upload.error_message
    return upload


def test_an_empty_list_says_what_to_do(dashboard: TestClient, campaign_id: int) -> None:
    assert "Send the file of a test above" in text_of(soup_of(dashboard, url_of(campaign_id)).main)


def test_good_and_bad_files_at_once(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    kind, text = send(dashboard, campaign_id, ("v04711.zip", crash()), ("notes.txt", b"no crash test"))
    assert kind == "error"
    assert text.startswith("1 of 2 files are sent to a worker")
    assert "notes.txt: " in text
    with store() as session:
        assert [upload.filename for upload in session.query(Upload)] == ["v04711.zip"]


@pytest.mark.parametrize(
    ("form", "told"),
    [({"source": "moon"}, "moon"), ({"split": "x"}, "split: "), ({"units": "furlongs"}, "t-mm-s"),
     ({"initial_speed_kmh": "fast"}, "initial speed")],
)  # fmt: skip
def test_a_form_that_does_not_fit_stores_nothing(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int, form: dict[str, str], told: str
) -> None:
    kind, text = send(dashboard, campaign_id, ("v04711.zip", crash()), **form)
    assert kind == "error"
    assert told in text
    with store() as session:
        assert session.query(Upload).count() == 0


def test_what_a_file_does_not_say_is_said_beside_it(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    beside = {"units": "t-mm-s", "initial_speed_kmh": "56.3"}
    assert send(dashboard, campaign_id, ("v04711.zip", crash()), **beside)[0] == "ok"
    request = read(dashboard, store).request
    assert (request["units"], request["initial_speed_kmh"]) == ("t-mm-s", 56.3)


def test_no_file_is_told(dashboard: TestClient, campaign_id: int) -> None:
    _, kind, text = flash_after(dashboard, url_of(campaign_id), FORM)
    assert (kind, text) == ("error", "No file was chosen.")


def test_what_was_read_and_what_would_become_of_it(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    upload = sent_and_read(dashboard, store, campaign_id)
    row = soup_of(dashboard, url_of(campaign_id)).select_one(f"#upload-{upload.id}")
    assert "waits for a decision" in text_of(row)
    soup = soup_of(dashboard, row.a["href"])
    proposal = dashboard.get(f"{API}/uploads/{upload.id}").json()["proposals"][0]
    shown = text_of(soup.select_one("section[aria-label^='Proposed']"))
    assert proposal["external_id"] in shown
    assert f"{proposal['target']:.2f} g" in shown
    assert len(soup.select("section[aria-labelledby=taken] tbody tr")) == len(upload.report["selection"])
    for item in upload.report["quarantined"]:
        assert item["reason"] in text_of(soup.select_one("section[aria-labelledby=left-out]"))


def test_curves_before_the_decision(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    upload = sent_and_read(dashboard, store, campaign_id)
    chart = soup_of(dashboard, f"/uploads/{upload.id}").select_one("[data-curves]")
    curves = dashboard.get(chart["data-curves"]).json()
    driver = next(seat for seat in upload.report["occupants"] if seat["occupant"] == "driver")
    assert curves["rolc_g"] == pytest.approx(driver["rolc_g"], abs=1e-5)
    assert curves["shown"] == len(curves["time_ms"]) <= curves["samples"]
    missing = dashboard.get(
        f"/uploads/{upload.id}/curves?occupant=nobody", headers={"accept": "application/json"}
    )
    assert missing.status_code == 409


def test_accept_with_what_was_corrected(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    upload = sent_and_read(dashboard, store, campaign_id)
    form = {
        "source": "full_vehicle", "split": "validation", "feature.belt_type": "LAP",
        "feature.has_frontal_airbag": "yes",
    }  # fmt: skip
    # The file says 3PT: that is told first, and accepted only when it is said so.
    drifted = dashboard.post(f"/uploads/{upload.id}/accept", data=form)
    assert drifted.status_code in {409, 422}
    assert "outside of its tolerances" in drifted.text
    form |= {"accept_drift": "yes"}
    address, kind, text = flash_after(dashboard, f"/uploads/{upload.id}/accept", form)
    assert (address, kind) == (f"/uploads/{upload.id}", "ok"), text
    with store() as session:
        sample = session.query(Sample).one()
        assert (sample.split, sample.upload_id) == ("validation", upload.id)
    soup = soup_of(dashboard, address)
    assert soup.select_one(f"a[href='/samples/{sample.id}']") is not None
    assert soup.select_one("#decide") is None


@pytest.mark.parametrize("changes", [{"feature.test_mass_kg": "heavy"}, {"source": "moon"}, {"split": "x"}])
def test_a_refused_acceptance_comes_back(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int, changes: dict[str, Any]
) -> None:
    upload = sent_and_read(dashboard, store, campaign_id)
    form = {"test_number": "T-77"} | changes
    answer = dashboard.post(f"/uploads/{upload.id}/accept", data=form)
    assert answer.status_code == 422
    assert 'value="T-77"' in answer.text
    with store() as session:
        assert session.query(Sample).count() == 0


def test_reject_with_a_reason(dashboard: TestClient, store: sessionmaker[Session], campaign_id: int) -> None:
    upload = sent_and_read(dashboard, store, campaign_id)
    _, kind, _ = flash_after(dashboard, f"/uploads/{upload.id}/reject", {"reason": "belt was broken"})
    assert kind == "ok"
    row = soup_of(dashboard, f"{url_of(campaign_id)}?status=rejected").select_one(f"#upload-{upload.id}")
    assert "belt was broken" in text_of(row)
    # Decided already: told, and nothing changes.
    assert flash_after(dashboard, f"/uploads/{upload.id}/reject")[1] == "error"


def test_an_import_with_its_cancellation(
    dashboard: TestClient, store: sessionmaker[Session], campaign_id: int
) -> None:
    url = f"/campaigns/{campaign_id}/imports"
    refused = dashboard.post(url, data={"tests": "all of them", "source": "full_vehicle"})
    assert refused.status_code == 422
    assert 'value="all of them"' in refused.text
    address, kind, _ = flash_after(dashboard, url, {"tests": "9000-9004", "source": "full_vehicle"})
    assert (address, kind) == (url_of(campaign_id), "ok")
    with unit_of_work(store) as session:
        run = session.query(ImportRun).one()
        run.metrics = {"done": 2, "total": 5, "seconds": 4.0, "outcomes": {"imported": 1, "not_frontal": 1}}
    section = soup_of(dashboard, url_of(campaign_id)).select_one("#imports")
    assert "1 imported, 1 not frontal" in text_of(section)
    assert "about 6 s left" in text_of(section)
    assert flash_after(dashboard, section.form["action"])[1] == "ok"
    assert "cancelled" in text_of(soup_of(dashboard, url_of(campaign_id)).select_one("#imports"))
