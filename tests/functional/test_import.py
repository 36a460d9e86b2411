"""`crashscout import nhtsa` against a whole installation and a local server in the shape of NHTSA's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from service.stack import Stack
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


def crashscout(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", "import", "nhtsa", *arguments],
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
