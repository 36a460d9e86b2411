"""The client of docs/examples against a real web process, on good days and on bad ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crashscout_client import (
    Conflict,
    Crashscout,
    CrashscoutError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    RunFailed,
    Unavailable,
)

from service.stack import free_port
from tests.functional.conftest import API_KEY
from tests.functional.faulty_proxy import LOST_BEFORE, FaultyProxy, faulty_proxy
from tests.support import campaign_document, sample_document, sample_documents

pytestmark = pytest.mark.functional


@pytest.fixture
def proxy(locked_api: str) -> Iterator[FaultyProxy]:
    with faulty_proxy(locked_api) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def crashscout(proxy: FaultyProxy, pauses: list[float]) -> Iterator[Crashscout]:
    with Crashscout(proxy.url, API_KEY, sleep=pauses.append) as client:
        yield client


@pytest.fixture
def campaign_id(crashscout: Crashscout) -> int:
    return int(crashscout.post("/campaigns", campaign_document())["id"])


def test_many_samples_go_in_parts_and_come_back_in_pages(crashscout: Crashscout, campaign_id: int) -> None:
    results = crashscout.add_samples(campaign_id, sample_documents(25), chunk=10)
    assert [row["row"] for row in results] == list(range(25))
    assert {row["status"] for row in results} == {"created"}
    found = list(crashscout.items(f"/campaigns/{campaign_id}/samples", page_size=7))
    assert [row["id"] for row in found] == [row["id"] for row in results]


def test_a_bad_row_is_named_by_its_place_in_the_whole(crashscout: Crashscout, campaign_id: int) -> None:
    rows = [*sample_documents(12), sample_document(features={"impact_speed_kmh": 900})]
    with pytest.raises(InvalidInput) as refused:
        crashscout.add_samples(campaign_id, rows, chunk=5)
    (error,) = refused.value.errors
    assert error["pointer"] == "/samples/12/planned_features/impact_speed_kmh"
    assert refused.value.__notes__ == ["10 rows before this part are stored."]
    assert len(list(crashscout.items(f"/campaigns/{campaign_id}/samples"))) == 10


def test_the_good_rows_of_a_part_can_be_kept(crashscout: Crashscout, campaign_id: int) -> None:
    rows = [sample_document(source="nobody"), *sample_documents(2)]
    results = crashscout.add_samples(campaign_id, rows, keep_good=True)
    assert [row["status"] for row in results] == ["rejected", "created", "created"]


@pytest.mark.parametrize(
    ("path", "document", "kind", "code"),
    [
        ("/campaigns", {"name": ""}, InvalidInput, "invalid_input"),
        ("/campaigns/99999/samples", sample_document(), NotFound, "not_found"),
        ("/campaigns/{id}/valuation-runs", {}, Conflict, "conflict"),
    ],
)
def test_what_the_api_refuses_is_raised_with_its_problem(
    crashscout: Crashscout, campaign_id: int, path: str, document: Any, kind: type[CrashscoutError], code: str
) -> None:
    with pytest.raises(kind) as refused:
        crashscout.post(path.format(id=campaign_id), document)
    assert refused.value.code == code
    assert refused.value.request_id
    assert str(refused.value).startswith(str(refused.value.status))


def test_a_wrong_key_is_an_error_of_its_own(locked_api: str) -> None:
    with Crashscout(locked_api, "wrong") as stranger, pytest.raises(NotAuthenticated, match="API key"):
        stranger.get("/campaigns")


@pytest.mark.parametrize("variable", ["CRASHSCOUT_API_KEY", "CRASHSCOUT_API_KEY_FILE"])
def test_the_key_comes_from_the_environment_or_a_file(
    locked_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{API_KEY}\n")
    monkeypatch.setenv("CRASHSCOUT_SERVER", locked_api)
    monkeypatch.setenv(variable, str(file) if variable.endswith("FILE") else API_KEY)
    with Crashscout() as crashscout:
        assert "items" in crashscout.get("/campaigns")


@pytest.mark.parametrize("fault", [429, 503, LOST_BEFORE])
def test_a_passing_fault_is_outlived(
    crashscout: Crashscout, campaign_id: int, proxy: FaultyProxy, fault: int | str
) -> None:
    proxy.faults = [fault, fault]
    assert crashscout.get(f"/campaigns/{campaign_id}")["id"] == campaign_id
    proxy.faults = [fault, fault]
    proxy.seen.clear()
    sample = crashscout.post(f"/campaigns/{campaign_id}/samples", sample_document(external_id=f"T-{fault}"))
    assert sample["external_id"] == f"T-{fault}"
    first, *again = proxy.seen
    assert again == [first, first], "the same request to the byte, under the same key"
    assert proxy.keys()[0]


def test_two_requests_never_share_a_key(crashscout: Crashscout, campaign_id: int, proxy: FaultyProxy) -> None:
    proxy.seen.clear()
    for _ in range(2):
        crashscout.post(f"/campaigns/{campaign_id}/samples", sample_document())
    assert len(set(proxy.keys())) == 2


def test_pauses_grow_and_follow_what_the_server_asks(
    crashscout: Crashscout, proxy: FaultyProxy, pauses: list[float]
) -> None:
    proxy.faults, proxy.retry_after = [429], "7"
    crashscout.get("/campaigns")
    assert pauses == [7.0]
    pauses.clear()
    proxy.faults = [LOST_BEFORE] * 5
    crashscout.get("/campaigns")
    assert len(pauses) == 5
    assert all(2.0**n / 4 <= pause <= 2.0**n / 2 for n, pause in enumerate(pauses))


def test_what_would_change_something_twice_is_sent_once(
    crashscout: Crashscout, campaign_id: int, proxy: FaultyProxy
) -> None:
    proxy.faults = [503]
    proxy.seen.clear()
    with pytest.raises(Unavailable):
        crashscout.request("DELETE", f"/webhooks/{campaign_id}")
    assert len(proxy.seen) == 1


def test_nobody_there_is_an_error_after_all_attempts(pauses: list[float]) -> None:
    crashscout = Crashscout(f"http://127.0.0.1:{free_port()}", "", sleep=pauses.append)
    with crashscout, pytest.raises(Unavailable, match="does not answer"):
        crashscout.get("/campaigns")
    assert len(pauses) == 5


def test_a_run_is_followed_to_its_end(crashscout: Crashscout, campaign_id: int, pauses: list[float]) -> None:
    """No worker is there: the run ends when it is cancelled, while the client waits."""
    crashscout.add_samples(campaign_id, sample_documents(12, target=25.0))
    run = crashscout.post(f"/campaigns/{campaign_id}/valuation-runs", {})

    def cancel(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            crashscout.post(f"/valuation-runs/{run['id']}:cancel")

    crashscout._sleep = cancel
    with pytest.raises(RunFailed, match="cancelled") as ended:
        crashscout.follow(f"/valuation-runs/{run['id']}")
    assert ended.value.document["status"] == "cancelled"
    assert pauses == [2.0, 2.0, 2.0], "as Retry-After says"


def test_waiting_has_an_end(crashscout: Crashscout, campaign_id: int) -> None:
    crashscout.add_samples(campaign_id, sample_documents(12, target=25.0))
    with pytest.raises(Unavailable, match="is still queued"):
        crashscout.run(f"/campaigns/{campaign_id}/valuation-runs", {}, timeout_s=0)


def test_an_answer_is_streamed_into_a_file_that_is_whole_or_not_there(
    crashscout: Crashscout, campaign_id: int, tmp_path: Path
) -> None:
    target = tmp_path / "samples.json"
    crashscout.add_samples(campaign_id, sample_documents(3))
    assert crashscout.download(f"/campaigns/{campaign_id}/samples", target) == target.stat().st_size
    assert target.read_text().startswith('{"items":[{')
    with pytest.raises(NotFound):
        crashscout.download("/surrogates/9/artefact", tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["samples.json"]
