"""`import.run` on real rows against a local server that behaves as badly as a real one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker, undefer

from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.database.engine import unit_of_work
from service.database.models import ImportRun, Sample, Upload
from service.imports import processing
from service.imports import service as imports
from service.imports.schemas import ImportRead, ImportRequest
from service.ingest import nhtsa_api
from service.lifecycles import AttemptOutcome, RunStatus, UploadStatus
from service.runs import service as runs
from service.settings import get_settings
from tests.ev5_writer import ev5_files, usual_curves
from tests.nhtsa_server import Fault, NhtsaServer, metadata_path, running_nhtsa
from tests.support import SOURCES, queued_messages
from worker.tasks.imports import import_run

Sessions = sessionmaker[Session]


@pytest.fixture
def nhtsa(worker_sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Iterator[NhtsaServer]:
    with running_nhtsa() as server:
        monkeypatch.setenv("CRASHSCOUT_NHTSA_URL", server.base_url)
        monkeypatch.setenv("CRASHSCOUT_NHTSA_REQUESTS_PER_S", "20")
        get_settings.cache_clear()
        yield server


@pytest.fixture
def campaign_id(worker_sessions: Sessions) -> int:
    document = {"name": "NHTSA", "feature_schema": {"library": "nhtsa_frontal/1"}, "sources": SOURCES}
    with unit_of_work(worker_sessions) as session:
        return campaigns.create(session, CampaignCreate.model_validate(document), actor="test").id


def request(sessions: Sessions, campaign_id: int, tests: str, **changes: Any) -> int:
    with unit_of_work(sessions) as session:
        wanted = ImportRequest(tests=tests, **changes)
        return imports.request_run(session, campaigns.get(session, campaign_id), wanted, actor="test").id


def read(sessions: Sessions, run_id: int) -> ImportRun:
    with sessions() as session:
        return session.get_one(ImportRun, run_id, options=[undefer(ImportRun.sample_ids)])


def imported(sessions: Sessions, run_id: int) -> dict[int, dict[str, Any]]:
    """Entry of each test, after the task has run once."""
    import_run(run_id)
    return {test["test"]: test for test in read(sessions, run_id).metrics["tests"]}


def outcomes(entries: dict[int, dict[str, Any]]) -> dict[int, str]:
    return {number: entry["outcome"] for number, entry in entries.items()}


def samples(sessions: Sessions) -> list[Sample]:
    with sessions() as session:
        return list(session.scalars(select(Sample).order_by(Sample.id)))


def side(number: int, nhtsa: NhtsaServer) -> None:
    nhtsa.add(number, TEST={"IMPANG": 270})


def test_tests_become_labelled_samples_of_the_library_schema(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    nhtsa.add(9000)
    nhtsa.add(9003)
    side(9001, nhtsa)
    run_id = request(worker_sessions, campaign_id, "9000-9003")
    entries = imported(worker_sessions, run_id)
    assert outcomes(entries) == {9000: "imported", 9001: "not_frontal", 9002: "no_data", 9003: "imported"}
    run = read(worker_sessions, run_id)
    assert (run.status, run.progress) == (RunStatus.SUCCEEDED, 1.0)
    assert run.metrics["outcomes"] == {"imported": 2, "no_data": 1, "not_frontal": 1}
    first, second = samples(worker_sessions)
    assert run.sample_ids == [first.id, second.id]
    assert (first.external_id, second.external_id) == ("ev5-9000-driver", "ev5-9003-driver")
    assert first.target == pytest.approx(26.17, abs=0.01)
    assert first.planned_features["impact_speed_kmh"] == 56.3
    assert first.planned_features["knee_to_dash_mm"] == 165.0  # the file's own; the metadata say 166
    assert first.planned_features["vehicle_modification"] == "P"
    assert first.planned_features["column_to_a_post_mm"] == 376.0  # a gap of the file, filled by the metadata
    assert "knee_to_dash_mm is 166 in the metadata and 165 in the file" in entries[9000]["notes"]
    assert metadata_path(9001) in nhtsa.asked
    assert "/files/v09001.zip" not in nhtsa.asked  # a side impact is not worth a download


def test_a_second_import_fetches_only_what_is_missing(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    nhtsa.add(9000)
    import_run(request(worker_sessions, campaign_id, "9000"))
    nhtsa.add(9001)
    nhtsa.asked.clear()
    entries = imported(worker_sessions, request(worker_sessions, campaign_id, "9000-9001"))
    assert outcomes(entries) == {9000: "already_there", 9001: "imported"}
    assert nhtsa.asked == [metadata_path(9001), "/files/v09001.zip"]


def test_faults_of_the_server_cost_time_and_no_test(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    nhtsa.add(9000)
    nhtsa.fail(9000, Fault(429, {"Retry-After": "0"}))
    nhtsa.fail("/files/v09000.zip", Fault(body=nhtsa.files["/files/v09000.zip"][:3000], cut=True))
    assert outcomes(imported(worker_sessions, request(worker_sessions, campaign_id, "9000"))) == {
        9000: "imported"
    }


def test_a_test_that_cannot_be_used_says_why_and_the_others_go_on(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    blind = [curve for curve in usual_curves() if curve.place != "CHST"]
    late = usual_curves()
    for curve in late:
        if curve.place == "CHST":
            curve.values = curve.values * 0.5  # never as slow as the car: t2 is not reached
    nhtsa.add(9000, ev5_files(blind, number=9000))
    nhtsa.add(9001, ev5_files(late, number=9001))
    nhtsa.add(9002, {"v09002.EV5": b"----- EV5 -----\n"})
    nhtsa.add(9003)
    nhtsa.documents[9004] = {"results": [{"odd": True}]}
    entries = imported(worker_sessions, request(worker_sessions, campaign_id, "9000-9004"))
    assert outcomes(entries) == {
        9000: "unreadable", 9001: "not_accepted", 9002: "unreadable", 9003: "imported", 9004: "unreadable",
    }  # fmt: skip
    assert "No usable chest accelerometer" in entries[9000]["detail"]
    assert "t2_not_reached" in entries[9001]["detail"]
    assert "truncated" in entries[9002]["detail"]
    assert "shaped otherwise" in entries[9004]["detail"]
    with worker_sessions() as session:
        statuses = session.scalars(select(Upload.status).order_by(Upload.id)).all()
    assert list(statuses) == [
        UploadStatus.FAILED,
        UploadStatus.PARSED,
        UploadStatus.FAILED,
        UploadStatus.ACCEPTED,
    ]


def test_a_server_that_stays_away_ends_the_import_with_a_reason(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nhtsa_api.NhtsaClient, "_wait", lambda *_: None)
    for number in range(9000, 9010):
        nhtsa.fail(number, *[Fault(503)] * 5)
    run_id = request(worker_sessions, campaign_id, "9000-9009")
    import_run(run_id)
    run = read(worker_sessions, run_id)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "unavailable")
    assert "Given up after test 9002" in run.error_message
    assert run.metrics["outcomes"] == {"unavailable": 3}


def test_a_long_import_gives_way_between_slices_and_estimates_the_rest(
    worker_sessions: Sessions,
    nhtsa: NhtsaServer,
    campaign_id: int,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processing.Importer.work, "__kwdefaults__", {"slice_s": 0.0})
    for number in (9000, 9001, 9002):
        side(number, nhtsa)
    run_id = request(worker_sessions, campaign_id, "9000-9002")
    import_run(run_id)
    run = read(worker_sessions, run_id)
    assert (run.status, run.attempt, run.metrics["done"]) == (RunStatus.QUEUED, 1, 1)
    assert run.progress == pytest.approx(1 / 3)
    assert ImportRead.model_validate(run).seconds_left == pytest.approx(2 * run.metrics["seconds"], abs=0.1)
    assert queued_messages(broker_url, "io") == [("import.run", [run_id])] * 2
    import_run(run_id)
    import_run(run_id)
    run = read(worker_sessions, run_id)
    assert (run.status, run.metrics["done"], run.error_message) == (RunStatus.SUCCEEDED, 3, None)
    assert len(nhtsa.asked) == 3


def test_an_import_between_slices_is_not_taken_for_a_lost_one(
    worker_sessions: Sessions,
    nhtsa: NhtsaServer,
    campaign_id: int,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processing.Importer.work, "__kwdefaults__", {"slice_s": 0.0})
    side(9000, nhtsa)
    run_id = request(worker_sessions, campaign_id, "9000-9001")
    import_run(run_id)
    with unit_of_work(worker_sessions) as session:
        session.get_one(ImportRun, run_id).created_at = datetime.now(UTC) - timedelta(hours=1)
    with unit_of_work(worker_sessions) as session:
        assert runs.reap(session, attempts=1) == []
        assert runs.resend(session, grace_s=10, in_broker=frozenset()) == []
    with worker_sessions() as session:
        (slice_,) = runs.history(session, session.get_one(ImportRun, run_id))
    assert (slice_.outcome, slice_.message) == (AttemptOutcome.HANDED_BACK, "1 of 2 done")


def test_a_killed_import_goes_on_where_it_was(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nhtsa.add(9000)
    nhtsa.add(9001)
    run_id = request(worker_sessions, campaign_id, "9000-9001")
    real = nhtsa_api.NhtsaClient.ev5

    def killed(self: nhtsa_api.NhtsaClient, test: Any) -> Any:
        if test.test_number == 9001:
            raise KeyboardInterrupt  # what a worker that is told to stop sees
        return real(self, test)

    with monkeypatch.context() as patch:
        patch.setattr(nhtsa_api.NhtsaClient, "ev5", killed)
        with pytest.raises(KeyboardInterrupt):
            import_run(run_id)
    with unit_of_work(worker_sessions) as session:
        row = session.get_one(ImportRun, run_id)
        assert row.status is RunStatus.RUNNING
        row.lease_expires_at = datetime.now(UTC) - timedelta(seconds=1)
    with unit_of_work(worker_sessions) as session:
        runs.reap(session, attempts=3)
    entries = imported(worker_sessions, run_id)
    assert outcomes(entries) == {9000: "imported", 9001: "imported"}
    assert len(samples(worker_sessions)) == 2
    assert nhtsa.asked.count("/files/v09000.zip") == 1


def test_a_cancelled_import_stops_and_keeps_what_it_has(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nhtsa.add(9000)
    nhtsa.add(9001)
    run_id = request(worker_sessions, campaign_id, "9000-9001")
    real = processing.Importer._accept

    def then_cancel(self: processing.Importer, *arguments: Any) -> Any:
        entry = real(self, *arguments)
        with unit_of_work(worker_sessions) as session:
            imports.cancel(session, run_id, actor="test")
        self._report.__self__.beat()  # the heartbeat learns of it
        return entry

    monkeypatch.setattr(processing.Importer, "_accept", then_cancel)
    import_run(run_id)
    run = read(worker_sessions, run_id)
    assert run.status is RunStatus.CANCELLED
    assert run.metrics["outcomes"] == {"imported": 1}
    assert len(samples(worker_sessions)) == 1


def test_a_disk_that_takes_no_file_ends_the_import(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    folder = get_settings().files_dir
    folder.mkdir()
    (folder / "uploads").write_text("in the way")
    nhtsa.add(9000)
    run_id = request(worker_sessions, campaign_id, "9000-9001")
    import_run(run_id)
    run = read(worker_sessions, run_id)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "unavailable")
    assert "CRASHSCOUT_FILES_DIR" in run.error_message


def test_the_hash_names_the_files_that_samples_came_from(
    worker_sessions: Sessions, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    with unit_of_work(worker_sessions) as session:
        document = {"name": "second", "feature_schema": {"library": "nhtsa_frontal/1"}, "sources": SOURCES}
        second = campaigns.create(session, CampaignCreate.model_validate(document), actor="test").id
    nhtsa.add(9000)
    nhtsa.add(9001)
    hashes = []
    for campaign, tests in ((campaign_id, "9000"), (second, "9000"), (second, "9001")):
        run_id = request(worker_sessions, campaign, tests)
        import_run(run_id)
        hashes.append(read(worker_sessions, run_id).data_hash)
    assert hashes[0] == hashes[1] != hashes[2]
