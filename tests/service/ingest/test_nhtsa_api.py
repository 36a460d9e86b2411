"""The client against a local server: polite, patient, resumable, and never fooled by a broken answer."""

import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from service.errors import FileFormatError, TooLargeError, UnavailableError
from service.ingest import nhtsa_api
from service.ingest.nhtsa_api import NhtsaClient, NhtsaConfig
from tests.nhtsa_server import Fault, NhtsaServer, metadata, metadata_path, running_nhtsa

ZIP = "/files/v09000.zip"


@pytest.fixture
def nhtsa() -> Iterator[NhtsaServer]:
    with running_nhtsa() as server:
        server.add(9000)
        yield server


class Patience:
    """Time that passes only by being slept through; `slept` keeps each nap."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def client(nhtsa: NhtsaServer, patience: Patience, tmp_path: Path) -> Iterator[NhtsaClient]:
    config = NhtsaConfig(nhtsa.base_url, "files.example", tmp_path / "cache", requests_per_s=2.0, attempts=4)
    with NhtsaClient(config, sleep=patience.sleep, clock=patience.clock) as opened:
        yield opened


def left_over(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.rglob("*.part")]


def test_metadata_and_file_are_fetched_once_and_then_cached(client: NhtsaClient, nhtsa: NhtsaServer) -> None:
    for _ in range(3):
        test = client.test(9000)
        assert test is not None
        assert zipfile.ZipFile(client.ev5(test)).namelist()[0] == "v09000/v09000.EV5"
    assert nhtsa.asked == [metadata_path(9000), ZIP]


def test_requests_keep_their_distance(client: NhtsaClient, patience: Patience) -> None:
    for number in range(1, 5):
        client.test(number)
    assert patience.slept == [0.5, 0.5, 0.5]


def test_a_test_that_is_not_there_is_asked_for_again_next_time(
    client: NhtsaClient, nhtsa: NhtsaServer
) -> None:
    assert client.test(9001) is None
    nhtsa.add(9001)
    assert client.test(9001) is not None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failing_server_is_asked_again_later_and_later(
    client: NhtsaClient, nhtsa: NhtsaServer, patience: Patience, status: int
) -> None:
    nhtsa.fail(9000, Fault(status), Fault(status), Fault(status))
    assert client.test(9000) is not None
    assert patience.slept == [1.0, 2.0, 4.0]


def test_it_waits_as_long_as_the_server_asks(
    client: NhtsaClient, nhtsa: NhtsaServer, patience: Patience
) -> None:
    nhtsa.fail(9000, Fault(429, {"Retry-After": "17"}))
    client.test(9000)
    assert sum(patience.slept) == 17.0
    assert max(patience.slept) <= nhtsa_api.WAITING_STEP_S


def test_it_understands_a_date_too(client: NhtsaClient, nhtsa: NhtsaServer, patience: Patience) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    nhtsa.fail(9000, Fault(503, {"Retry-After": moment}))
    client.test(9000)
    assert 25.0 < sum(patience.slept) <= 30.0


@pytest.mark.parametrize("text", ["soon", "-5", "", "1e9", "Mon, 99 Foo 2026"])
def test_a_senseless_wish_is_passed_over(
    client: NhtsaClient, nhtsa: NhtsaServer, patience: Patience, text: str
) -> None:
    nhtsa.fail(9000, Fault(429, {"Retry-After": text}))
    client.test(9000)
    assert patience.slept == [1.0]


def test_a_wish_of_hours_ends_the_attempt_with_a_reason(client: NhtsaClient, nhtsa: NhtsaServer) -> None:
    nhtsa.fail(9000, Fault(429, {"Retry-After": "7200"}))
    with pytest.raises(UnavailableError, match="asks for 7200 s of patience"):
        client.test(9000)


def test_it_gives_up_in_the_end_and_leaves_no_half_file(
    client: NhtsaClient, nhtsa: NhtsaServer, tmp_path: Path
) -> None:
    nhtsa.fail(9000, *[Fault(500)] * 4)
    with pytest.raises(UnavailableError, match=r"failed 4 times: status 500") as caught:
        client.test(9000)
    assert "what was fetched is kept" in caught.value.hint
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=b'{"meta": {}, "resu', cut=True),
        Fault(body=b'{"meta": {}, "resu'),
        Fault(body=b""),
        Fault(body=b"<html>maintenance</html>"),
    ],
    ids=["connection-cut", "json-cut", "empty", "html"],
)
def test_an_answer_that_is_not_whole_is_asked_for_again(
    client: NhtsaClient, nhtsa: NhtsaServer, tmp_path: Path, fault: Fault
) -> None:
    nhtsa.fail(9000, fault)
    assert client.test(9000) is not None
    assert len(nhtsa.asked) == 2
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("cut", [True, False])
def test_a_truncated_zip_is_fetched_again(client: NhtsaClient, nhtsa: NhtsaServer, cut: bool) -> None:
    nhtsa.fail(ZIP, Fault(body=nhtsa.files[ZIP][:2000], cut=cut), Fault(body=b"<html>busy</html>"))
    test = client.test(9000)
    assert client.ev5(test).read_bytes() == nhtsa.files[ZIP]


def test_a_zip_that_never_comes_whole_is_said_and_not_kept(
    client: NhtsaClient, nhtsa: NhtsaServer, tmp_path: Path
) -> None:
    nhtsa.files[ZIP] = nhtsa.files[ZIP][:2000]
    with pytest.raises(UnavailableError, match="the file is no whole zip"):
        client.ev5(client.test(9000))
    assert list((tmp_path / "cache" / "ev5").iterdir()) == []


def test_a_missing_file_is_not_asked_for_again_and_again(client: NhtsaClient, nhtsa: NhtsaServer) -> None:
    test = client.test(9000)
    del nhtsa.files[ZIP]
    with pytest.raises(FileFormatError, match="status 404"):
        client.ev5(test)
    assert nhtsa.asked.count(ZIP) == 1


@pytest.mark.parametrize(
    "url",
    ["http://files.example/v.zip", "https://evil.example/v.zip", "http://127.0.0.1:1/v.zip", "file:///etc/passwd",
     "https://files.example@evil.example/v.zip", "//evil.example/x"],
)  # fmt: skip
def test_a_file_on_an_unknown_host_is_never_asked_for(
    client: NhtsaClient, nhtsa: NhtsaServer, url: str
) -> None:
    nhtsa.documents[9000] = metadata(9000, url)
    with pytest.raises(FileFormatError, match="no host of the database"):
        client.ev5(client.test(9000))


def test_a_redirect_is_not_followed(client: NhtsaClient, nhtsa: NhtsaServer) -> None:
    test = client.test(9000)
    nhtsa.fail(ZIP, Fault(302, {"Location": "http://127.0.0.1:1/inside"}))
    with pytest.raises(FileFormatError, match="status 302"):
        client.ev5(test)


def test_a_file_beyond_all_measure_is_cut_off(
    client: NhtsaClient, nhtsa: NhtsaServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nhtsa_api, "MOST_FILE_BYTES", 1000)
    with pytest.raises(TooLargeError, match="is larger than"):
        client.ev5(client.test(9000))
    assert left_over(tmp_path) == []


def test_old_metadata_are_asked_for_again_and_files_are_not(
    client: NhtsaClient, nhtsa: NhtsaServer, tmp_path: Path
) -> None:
    client.ev5(client.test(9000))
    old = datetime.now(UTC).timestamp() - 31 * 86_400
    for path in (tmp_path / "cache").rglob("9000.*"):
        os.utime(path, (old, old))
    client.ev5(client.test(9000))
    assert nhtsa.asked == [metadata_path(9000), ZIP, metadata_path(9000)]


def test_nobody_listening_is_unavailable(patience: Patience, tmp_path: Path) -> None:
    config = NhtsaConfig("http://127.0.0.1:1", "x", tmp_path, attempts=2)
    client = NhtsaClient(config, sleep=patience.sleep, clock=patience.clock)
    with client, pytest.raises(UnavailableError, match="failed 2 times"):
        client.test(1)


def test_waiting_can_be_ended_by_whoever_listens(nhtsa: NhtsaServer, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(_message: str) -> None:
        raise StopError

    nhtsa.fail(9000, Fault(429, {"Retry-After": "200"}))
    config = NhtsaConfig(nhtsa.base_url, "x", tmp_path)
    with NhtsaClient(config, on_wait=stop) as client, pytest.raises(StopError):
        client.test(9000)
    assert left_over(tmp_path) == []
