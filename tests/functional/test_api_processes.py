"""`crashscout api --processes 2`: two processes behind one port, which are one API to whoever asks."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.stack import Child, free_port
from tests.functional.conftest import API_KEY, wait_for
from tests.support import campaign_document

PROCESSES = 2
LONGEST_S = 120.0


@pytest.fixture
def api(api_settings: Settings, tmp_path: Path) -> Iterator[tuple[Child, str]]:
    environment = os.environ | {
        "CRASHSCOUT_DATABASE_URL": api_settings.database_url,
        "CRASHSCOUT_BROKER_URL": api_settings.broker_url,
        "CRASHSCOUT_FILES_DIR": str(tmp_path),
        "CRASHSCOUT_API_KEY": API_KEY,
    }
    port = free_port()
    options = ["api", "--port", str(port), "--processes", str(PROCESSES)]
    child = Child("api", options, tmp_path / "api.log", environment)
    try:
        wait_for(child, f"http://127.0.0.1:{port}")
        yield child, f"http://127.0.0.1:{port}"
    finally:
        child.process.terminate()
        child.process.wait(60)


def web_processes(parent: int) -> set[int]:
    """Children that have loaded the application; one that only tracks resources of the others is none."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ask(url: str, path: str, *, times: int = 1) -> httpx.Response:
    """The last of several answers, each over a connection of its own: whichever process takes it."""
    for _ in range(times):
        answer = httpx.get(url + path, headers={"authorization": f"Bearer {API_KEY}"}, timeout=60)
        assert answer.is_success, answer.text
    return answer


def counted(url: str, route: str) -> int:
    pattern = rf'^crashscout_request_duration_seconds_count{{.*route="{route}",status="200"}} (\d+)'
    return int(float(re.findall(pattern, ask(url, "/metrics").text, re.MULTILINE)[0]))


def test_processes_are_one_api(api: tuple[Child, str]) -> None:
    child, url = api
    until(lambda: len(web_processes(child.process.pid)) == PROCESSES)
    created = httpx.post(
        f"{url}/api/v1/campaigns",
        json=campaign_document(),
        headers={"authorization": f"Bearer {API_KEY}"},
        timeout=60,
    )
    path = f"/api/v1/campaigns/{created.json()['id']}"
    ask(url, path, times=20)
    assert counted(url, re.escape("/api/v1/campaigns/{campaign_id}")) == 20


def test_a_process_that_was_killed_is_replaced(api: tuple[Child, str]) -> None:
    child, url = api
    until(lambda: len(web_processes(child.process.pid)) == PROCESSES)
    before = web_processes(child.process.pid)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(web_processes(child.process.pid) - before) == 1)
    until(lambda: len(web_processes(child.process.pid)) == PROCESSES)
    ask(url, "/health/ready", times=5)


def test_all_end_together(api: tuple[Child, str]) -> None:
    child, _ = api
    until(lambda: len(web_processes(child.process.pid)) == PROCESSES)
    children = web_processes(child.process.pid)
    child.process.terminate()
    child.process.wait(60)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
