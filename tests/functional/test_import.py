"""`crashscout import` against a whole installation and a local server in the shape of NHTSA's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.stack import Stack
from tests.crash_files import FORMATS, MAIN_FILE
from tests.nhtsa_server import Fault, NhtsaServer, running_nhtsa
from tests.support import SOURCES

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module", autouse=True)
def nhtsa() -> Iterator[NhtsaServer]:
    """Named to the worker by its environment, and so started before the installation."""
    with running_nhtsa() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHSCOUT_NHTSA_URL", server.base_url)
        patch.setenv("CRASHSCOUT_NHTSA_REQUESTS_PER_S", "20")
        yield server


@pytest.fixture
def campaign_id(http: httpx.Client) -> int:
    document = {"name": "NHTSA", "feature_schema": {"library": "nhtsa_frontal/1"}, "sources": SOURCES}
    return http.post("/campaigns", json=document).json()["id"]


def crashscout(stack: Stack, *arguments: str, command: str = "nhtsa") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", "import", command, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | {"CRASHSCOUT_SERVER": stack.url},
    )


def test_a_range_is_imported_and_the_second_time_nothing_is_fetched(
    stack: Stack, http: httpx.Client, nhtsa: NhtsaServer, campaign_id: int
) -> None:
    nhtsa.add(9000)
    nhtsa.fail(9000, Fault(500))
    nhtsa.add(9002, TEST={"IMPANG": 90})
    arguments = ("--tests", "9000-9002", "--campaign", str(campaign_id))
    shown = crashscout(stack, *arguments)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "9002: not_frontal: the impact comes from 90 deg" in shown.stdout
    assert shown.stdout.splitlines()[-1].endswith("succeeded: 1 imported, 1 no_data, 1 not_frontal")
    (sample,) = http.get(f"/campaigns/{campaign_id}/samples").json()["items"]
    assert sample["target"] == pytest.approx(26.17, abs=0.01)
    nhtsa.asked.clear()
    again = json.loads(crashscout(stack, *arguments, "--json").stdout)
    assert again["outcomes"] == {"already_there": 1, "no_data": 1, "not_frontal": 1}
    assert not any(path.startswith("/files") for path in nhtsa.asked)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tests", "9000", "--campaign", "77"], "There is no campaign 77"),
        (["--tests", "x", "--campaign", "1"], "--tests: 'x' is no test number"),
        (["--tests", "9000", "--campaign", "{id}", "--source", "lab"], "unknown source 'lab'"),
        (["--tests", "9000", "--campaign", "{id}", "--occupants", "dog"], "/occupants"),
        (["--tests", "9000", "--campaign", "1", "--server", "http://127.0.0.1:1"], "does not answer"),
        (["--tests", "9000", "--campaign", "1", "--server", "nonsense"], "does not answer"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    stack: Stack, campaign_id: int, arguments: list[str], complaint: str
) -> None:
    refused = crashscout(stack, *[argument.format(id=campaign_id) for argument in arguments])
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert refused.stderr.startswith("crashscout: ")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert complaint in refused.stderr


def test_a_failed_import_is_exit_2_with_its_reason(
    stack: Stack, campaign_id: int, nhtsa: NhtsaServer
) -> None:
    for number in (9100, 9101, 9102):
        nhtsa.fail(number, *[Fault(429, {"Retry-After": "9999"})])
    failed = crashscout(stack, "--tests", "9100-9105", "--campaign", str(campaign_id))
    assert failed.returncode == 2
    assert "Given up after test 9102" in failed.stderr.strip().splitlines()[-1]


@pytest.fixture
def speed_campaign_id(http: httpx.Client) -> int:
    schema = [{"name": "impact_speed_kmh", "unit": "km/h"}]
    document = {"name": "files", "feature_schema": schema, "sources": SOURCES}
    return http.post("/campaigns", json=document).json()["id"]


def write(folder: Path, name: str) -> Path:
    """Files of a test in a folder; its main file."""
    for member, content in FORMATS[name]().items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / MAIN_FILE[name]


@pytest.mark.parametrize("name", FORMATS)
def test_a_main_file_is_sent_with_all_that_belongs_to_it(
    stack: Stack, http: httpx.Client, speed_campaign_id: int, tmp_path: Path, name: str
) -> None:
    where = ("--campaign", str(speed_campaign_id), "--source", "full_vehicle", "--accept")
    said = ["--features", '{"impact_speed_kmh": 56.3}', "--units", "kg-mm-ms", "--test-number", "T1"]
    main_file = write(tmp_path, name)
    shown = crashscout(stack, str(main_file), *where, *said, command="file")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "driver: 26.1" in shown.stdout
    assert "accepted: driver is sample" in shown.stdout
    (sample,) = http.get(f"/campaigns/{speed_campaign_id}/samples").json()["items"]
    assert sample["external_id"] == f"{name}-T1-driver"
    again = crashscout(stack, str(main_file), *where, *said, command="file")
    assert (again.returncode, "this very file" in again.stderr) == (2, True)


def test_a_folder_is_sent_and_waits_for_a_decision(
    stack: Stack, http: httpx.Client, speed_campaign_id: int, tmp_path: Path
) -> None:
    write(tmp_path / "v04711", "iso_mme")
    where = (
        "--campaign",
        str(speed_campaign_id),
        "--source",
        "full_vehicle",
        "--chest",
        "driver=001",
        "--json",
    )
    sent = crashscout(stack, str(tmp_path / "v04711"), *where, command="file")
    upload = json.loads(sent.stdout)
    assert (sent.returncode, upload["status"], upload["filename"]) == (0, "parsed", "v04711.zip")
    assert http.get(f"/campaigns/{speed_campaign_id}/samples").json()["items"] == []


@pytest.mark.parametrize(
    ("name", "more", "complaint"),
    [
        ("binout", [], "holds numbers without units"),
        ("binout", ["--units", "furlong"], "/units"),
        ("ev5", ["--vehicle-channel", "77"], "no x accelerometer"),
        ("ev5", ["--chest", "driver"], "--chest 'driver'"),
        ("ev5", ["--source", "sled"], "unknown source 'sled'"),
        ("ev5", ["--accept", "--occupants", "dog"], "/occupants"),
        ("csv", ["--mapping", "absent.json"], "absent.json cannot be read"),
    ],
)
def test_a_file_that_is_not_taken_is_one_line_and_exit_2(
    stack: Stack, speed_campaign_id: int, tmp_path: Path, name: str, more: list[str], complaint: str
) -> None:
    where = ["--campaign", str(speed_campaign_id), "--source", "full_vehicle", *more]
    refused = crashscout(stack, str(write(tmp_path, name)), *where, command="file")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert complaint in refused.stderr
    absent = crashscout(stack, str(tmp_path / "absent.zip"), *where, command="file")
    assert (absent.returncode, absent.stderr.startswith("crashscout: ")) == (2, True)
