"""An upload's way: plan against test, new label definitions, lost workers, races."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Upload
from service.ingest import labels
from service.lifecycles import UploadStatus
from service.logs import JsonLines
from service.runs import heartbeat
from service.signals import rolc, uncertainty
from service.uploads import processing, repository
from service.uploads import service as uploads
from service.uploads.processing import process
from service.uploads.reaping import reap, resend
from tests.ev5_writer import SPEED_KMH, ev5_files, half_sine_g, usual_curves, zipped
from tests.service.uploads.uploading import accept, campaign, parsed, read, samples, upload
from tests.support import (
    API,
    act,
    add_samples,
    assert_problem,
    move,
    pointers,
    propose,
    queued_fields,
    queued_messages,
)

PLAN = {"impact_speed_kmh": 56.0, "test_mass_kg": 1650.0, "has_frontal_airbag": True, "belt_type": "3PT"}
Sessions = sessionmaker[Session]


def candidate(client: TestClient, campaign_id: int, **changes: Any) -> int:
    row = {"source": "full_vehicle", "planned_features": PLAN | changes, "external_id": "plan-1"}
    return add_samples(client, campaign_id, [row])[0]


def test_the_test_of_a_candidate_labels_it_and_shows_how_far_it_was_from_the_plan(client: TestClient) -> None:
    campaign_id = campaign(client)
    sample_id = candidate(client, campaign_id)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()), sample_id=sample_id)
    (proposal,) = client.get(f"{API}/uploads/{upload_id}").json()["proposals"]
    speed, mass = proposal["drift"]
    assert speed == {
        "feature": "impact_speed_kmh", "unit": "km/h", "planned": 56.0, "executed": 56.3,
        "difference": pytest.approx(0.3), "tolerance": 1.0, "within_tolerance": True,
    }  # fmt: skip
    assert (mass["difference"], mass["tolerance"], mass["within_tolerance"]) == (50.0, None, None)
    (sample,) = accept(client, upload_id).json()["samples"]
    assert (sample["id"], sample["external_id"], sample["status"]) == (sample_id, "plan-1", "labelled")
    assert sample["planned_features"] == PLAN
    assert sample["executed_features"] == PLAN | {"impact_speed_kmh": 56.3, "test_mass_kg": 1700.0}
    assert len(samples(client, campaign_id)) == 1


def test_a_test_outside_of_its_tolerance_needs_a_word_of_consent(client: TestClient) -> None:
    campaign_id = campaign(client)
    sample_id = candidate(client, campaign_id, impact_speed_kmh=54.0, belt_type="LAP")
    upload_id = parsed(client, campaign_id, zipped(ev5_files()), sample_id=sample_id, accept="false")
    found = pointers(assert_problem(accept(client, upload_id), 409, "conflict"))
    assert found == {
        "/executed_features/impact_speed_kmh": "planned 54.0, executed 56.3 km/h, tolerance 1",
        "/executed_features/belt_type": "planned LAP, executed 3PT",
    }
    assert accept(client, upload_id, accept_drift=True).status_code == 200


def test_a_plan_given_beside_the_file_is_kept_as_the_plan(client: TestClient) -> None:
    upload_id = parsed(client, campaign(client), zipped(ev5_files()), features='{"impact_speed_kmh": 56.0}')
    (sample,) = accept(client, upload_id).json()["samples"]
    assert sample["planned_features"]["impact_speed_kmh"] == 56.0
    assert sample["executed_features"]["impact_speed_kmh"] == 56.3


def test_a_file_completes_the_recommendation_that_ordered_it(client: TestClient) -> None:
    plan = {"impact_speed_kmh": 56.0, "test_mass_kg": 1700, "barrier": "rigid"}
    proposal = propose(client, [{"source": "full_vehicle", "planned_features": plan}])
    (recommendation,), (sample_id,) = proposal.recommendation_ids, proposal.sample_ids
    upload_id = parsed(client, proposal.campaign_id, zipped(ev5_files()), sample_id=sample_id)
    act(client, recommendation, "approve")
    assert_problem(accept(client, upload_id), 409, "illegal_transition")  # approved, but never ordered
    move(client, recommendation, "order")
    assert accept(client, upload_id).status_code == 200
    done = client.get(f"{API}/recommendations/{recommendation}").json()
    assert done["status"] == "completed"
    assert f"upload {upload_id}" in done["history"][-1]["reason"]


@pytest.mark.parametrize("state", ["labelled", "elsewhere", "unknown"])
def test_a_file_is_the_test_of_an_open_candidate_of_its_campaign(client: TestClient, state: str) -> None:
    campaign_id = campaign(client)
    if state == "labelled":
        row = {"source": "full_vehicle", "planned_features": PLAN, "target": 25.0}
        sample_id, expected = add_samples(client, campaign_id, [row])[0], (409, "conflict")
    elif state == "elsewhere":
        sample_id, expected = candidate(client, campaign(client)), (422, "invalid_input")
    else:
        sample_id, expected = 77, (404, "not_found")
    assert_problem(upload(client, campaign_id, zipped(ev5_files()), sample_id=sample_id), *expected)


def test_a_candidate_is_one_occupant(client: TestClient) -> None:
    campaign_id = campaign(client)
    sample_id = candidate(client, campaign_id)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()), sample_id=sample_id, occupants="all")
    assert "gives several" in assert_problem(accept(client, upload_id), 422, "invalid_input")["detail"]


@pytest.fixture
def _second_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes t1 at 2 g, and never finds it for a chest that is braked less than 30 g at most."""

    def find_t1(motion: rolc.Motion) -> int | None:
        deceleration = -motion.chest_mps2 / 9.80665
        return int(np.argmax(deceleration >= 2.0)) if deceleration.max() > 30.0 else None

    definitions = {
        **rolc.ROLC_DEFINITIONS,
        "test/2": rolc.RolcDefinition(60, 180, find_t1, lambda *_: False),
    }
    for module in (rolc, uncertainty, labels, uploads):
        monkeypatch.setattr(module, "ROLC_DEFINITIONS", definitions)


def relabel(client: TestClient, campaign_id: int, definition: str = "test/2"):
    url = f"{API}/campaigns/{campaign_id}/uploads:relabel"
    return client.post(url, json={"label_definition": definition})


@pytest.mark.usefixtures("_second_definition")
def test_a_new_label_definition_recomputes_labels_from_the_originals_and_keeps_history(
    client: TestClient, broker_url: str
) -> None:
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    (sample,) = accept(client, upload_id).json()["samples"]
    response = relabel(client, campaign_id)
    assert response.status_code == 202, response.text
    assert response.json() == {"label_definition": "test/2", "queued": 1, "without_original": 0}
    assert queued_messages(broker_url, "io")[-1] == ("upload.read", [upload_id])
    row = read(client, upload_id)
    assert (row["status"], row["error_message"]) == ("accepted", None)
    now = client.get(f"{API}/samples/{sample['id']}").json()
    assert now["label_definition"] == "test/2"
    assert 0.1 < abs(now["target"] - sample["target"]) < 2.0
    assert now["label_details"]["t1_ms"] < sample["label_details"]["t1_ms"]
    first, second = client.get(f"{API}/samples/{sample['id']}/label-changes").json()
    assert (first["target"], first["label_definition"]) == (sample["target"], "rolc/1")
    assert (second["target"], second["label_definition"]) == (now["target"], "test/2")
    assert second["label_details"] == now["label_details"]
    assert client.get(f"{API}/campaigns/{campaign_id}").json()["target"]["label_definition"] == "test/2"


@pytest.mark.usefixtures("_second_definition")
def test_a_label_that_the_new_definition_does_not_give_stays_with_a_reason(client: TestClient) -> None:
    curves = usual_curves()
    for curve in curves[:2]:
        curve.values = half_sine_g(0.015, 0.120, SPEED_KMH / 3.6 + 3.0)  # 25 g at its peak
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files(curves)))
    (sample,) = accept(client, upload_id).json()["samples"]
    relabel(client, campaign_id)
    row = read(client, upload_id)
    assert (row["status"], row["error_code"]) == ("accepted", "label_kept")
    assert "driver: no label by test/2 (t1_not_reached" in row["error_message"]
    assert client.get(f"{API}/samples/{sample['id']}").json() == sample
    assert len(client.get(f"{API}/samples/{sample['id']}/label-changes").json()) == 1


@pytest.mark.usefixtures("_second_definition")
def test_a_lost_original_costs_no_label(client: TestClient) -> None:
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    (sample,) = accept(client, upload_id).json()["samples"]
    for path in (client.app.state.settings.files_dir / "uploads").rglob("*"):
        if path.is_file():
            path.unlink()
    relabel(client, campaign_id)
    row = read(client, upload_id)
    assert (row["status"], row["error_code"]) == ("accepted", "unavailable")
    assert "the labels stay" in row["error_message"]
    assert client.get(f"{API}/samples/{sample['id']}").json() == sample


@pytest.mark.usefixtures("_second_definition")
def test_a_file_that_waits_is_read_under_the_new_definition(client: TestClient) -> None:
    campaign_id = campaign(client)
    upload_id = upload(client, campaign_id, zipped(ev5_files())).json()["id"]
    relabel(client, campaign_id)
    assert read(client, upload_id)["label_definition"] == "test/2"


@pytest.mark.usefixtures("_second_definition")
def test_a_file_that_is_read_while_the_definition_changes_is_not_accepted_as_it_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = campaign(client)
    upload_id = upload(client, campaign_id, zipped(ev5_files())).json()["id"]
    real = processing.read_original

    def meanwhile(row: Upload, settings: Any) -> dict[str, Any]:
        relabel(client, campaign_id)
        return real(row, settings)

    with monkeypatch.context() as patch:
        patch.setattr(processing, "read_original", meanwhile)
        assert read(client, upload_id)["label_definition"] == "rolc/1"
    problem = assert_problem(accept(client, upload_id), 409, "conflict")
    assert "labelled by 'rolc/1'" in problem["detail"]
    relabel(client, campaign_id)
    read(client, upload_id)
    assert accept(client, upload_id).json()["samples"][0]["label_definition"] == "test/2"


def test_a_folder_that_cannot_be_written_is_said_with_the_remedy(client: TestClient) -> None:
    folder = client.app.state.settings.files_dir
    folder.mkdir()
    (folder / "uploads").write_text("in the way")
    problem = assert_problem(upload(client, campaign(client), zipped(ev5_files())), 503, "unavailable")
    assert "CRASHSCOUT_FILES_DIR" in problem["hint"]


def test_an_unknown_label_definition_changes_nothing(client: TestClient) -> None:
    campaign_id = campaign(client)
    assert "rolc/1" in assert_problem(relabel(client, campaign_id, "rolc/99"), 422, "invalid_input")["hint"]
    assert client.get(f"{API}/campaigns/{campaign_id}").json()["target"]["label_definition"] == "rolc/1"


def change(sessions: Sessions, upload_id: int, **columns: Any) -> None:
    with unit_of_work(sessions) as session:
        row = session.get_one(Upload, upload_id)
        for name, value in columns.items():
            setattr(row, name, value)


def reaped(sessions: Sessions) -> int:
    with unit_of_work(sessions) as session:
        return len(reap(session, attempts=3))


def resent(sessions: Sessions) -> int:
    with unit_of_work(sessions) as session:
        return len(resend(session, grace_s=10, in_broker=frozenset()))


def test_an_upload_whose_message_was_lost_is_sent_again(
    client: TestClient, sessions: Sessions, broker_url: str
) -> None:
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]
    assert resent(sessions) == 0
    change(sessions, upload_id, queued_at=datetime.now(UTC) - timedelta(seconds=15))
    assert resent(sessions) == 1
    assert queued_messages(broker_url, "io") == [("upload.read", [upload_id])] * 2


def fields_of_lines(caplog: pytest.LogCaptureFixture, logger: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    return [line for line in lines if line["logger"] == logger]


def test_the_request_that_asked_for_a_reading_is_named_after_it_was_sent_again(
    client: TestClient, sessions: Sessions, broker_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caplog.handler.setFormatter(JsonLines([]))
    campaign_id = campaign(client)
    client.headers["x-request-id"] = "sender-7"
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    client.headers["x-request-id"] = "relabeller-8"
    assert relabel(client, campaign_id, "rolc/1").json()["queued"] == 1
    change(sessions, upload_id, queued_at=datetime.now(UTC) - timedelta(seconds=15))
    assert resent(sessions) == 1
    asked = [fields["request_id"] for fields in queued_fields(broker_url, "io")]
    assert asked == ["sender-7", "relabeller-8", "relabeller-8"]
    process(sessions, upload_id, client.app.state.settings)
    lines = fields_of_lines(caplog, "service.uploads.processing")
    assert [(line["request_id"], line["upload_id"]) for line in lines] == [
        ("sender-7", upload_id), ("relabeller-8", upload_id),
    ]  # fmt: skip


@pytest.mark.parametrize(("attempt", "status"), [(1, "queued"), (3, "failed")])
def test_an_upload_whose_worker_died_is_read_again_and_at_last_given_up(
    client: TestClient, sessions: Sessions, attempt: int, status: str
) -> None:
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]
    past = datetime.now(UTC) - timedelta(hours=1)
    change(sessions, upload_id, status=UploadStatus.RUNNING, attempt=attempt, lease_expires_at=past)
    assert reaped(sessions) == 1
    row = client.get(f"{API}/uploads/{upload_id}").json()
    assert row["status"] == status
    if status == "failed":
        assert "lost 3 times" in row["error_message"]
    else:
        assert read(client, upload_id)["status"] == "parsed"


def test_a_message_that_comes_twice_reads_once(client: TestClient, sessions: Sessions) -> None:
    upload_id = parsed(client, campaign(client), zipped(ev5_files()))
    process(sessions, upload_id, client.app.state.settings)
    with sessions() as session:
        assert session.get_one(Upload, upload_id).attempt == 1


def test_a_worker_that_lost_its_upload_stores_nothing(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]
    real = processing.read_original

    def slow(row: Upload, settings: Any) -> dict[str, Any]:
        change(sessions, upload_id, attempt=row.attempt + 1)  # its lease lapsed and another one has it
        return real(row, settings)

    monkeypatch.setattr(processing, "read_original", slow)
    assert read(client, upload_id)["status"] == "running"


def test_an_unexpected_error_is_written_down_and_raised(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(processing, "read_crash_test", broken)
    with pytest.raises(ZeroDivisionError):
        process(sessions, upload_id, client.app.state.settings)
    row = client.get(f"{API}/uploads/{upload_id}").json()
    assert (row["status"], row["error_code"]) == ("failed", "internal")


def test_two_who_accept_at_once_make_one_sample(client: TestClient) -> None:
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: accept(client, upload_id).status_code, range(4)))
    assert sorted(answers) == [200, 409, 409, 409]
    assert len(samples(client, campaign_id)) == 1


def test_two_who_send_the_same_file_at_once_make_one_upload(client: TestClient) -> None:
    campaign_id, content = campaign(client), zipped(ev5_files())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: upload(client, campaign_id, content).status_code, range(4)))
    assert sorted(answers) == [202, 409, 409, 409]


def test_every_allowed_change_of_the_life_cycle_can_happen() -> None:
    assert {status for status in UploadStatus if status.is_terminal} == set(repository.GONE)
    reached = {UploadStatus.QUEUED}
    for _ in UploadStatus:
        reached |= {after for status in reached for after in status.allowed}
    assert reached == set(UploadStatus)


def test_a_long_reading_keeps_its_lease(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.02)
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]
    real, leases = processing.read_original, []

    def slow(row: Upload, settings: Any) -> dict[str, Any]:
        end = time.monotonic() + 30
        while len(set(leases)) < 3 and time.monotonic() < end:
            with sessions() as session:
                leases.append(session.get_one(Upload, upload_id).lease_expires_at)
        return real(row, settings)

    monkeypatch.setattr(processing, "read_original", slow)
    assert read(client, upload_id)["status"] == "parsed"
    assert len(set(leases)) == 3
    assert leases == sorted(leases)
