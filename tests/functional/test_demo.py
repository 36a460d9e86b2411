"""The demonstration as a newcomer runs it, and the second day on the same data folder."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from service.stack import free_port, running_stack

pytestmark = pytest.mark.functional
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demonstration(module_data_folder: Path) -> dict[str, Any]:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "service.cli",
            "demo",
            "--no-serve",
            "--json",
            "--data-dir",
            str(module_data_folder),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")},
    )
    assert finished.returncode == 0, finished.stderr
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


def test_the_document_has_what_tools_read(demonstration: dict[str, Any]) -> None:
    assert {
        "campaign_id",
        "samples",
        "valuation_run",
        "surrogate",
        "suspicious",
        "recommendations",
        "seconds",
    } <= set(demonstration)
    assert demonstration["samples"] > 2300
    assert set(demonstration["seconds"]) == {"data", "store", "valuation", "ranking"}


def test_the_surrogate_beats_the_mean_predictor_clearly(demonstration: dict[str, Any]) -> None:
    surrogate = demonstration["surrogate"]
    assert surrogate["rmse_g"] < 0.7 * surrogate["baseline_rmse_g"]


def test_detection_beats_chance_clearly(demonstration: dict[str, Any]) -> None:
    suspicious = demonstration["suspicious"]
    assert suspicious["planted"] == 24
    assert suspicious["found_in_lowest_10_percent"] > 3 * suspicious["expected_by_chance"]


def test_the_batch_keeps_the_budget_and_holds_both_sources_and_a_control_arm(
    demonstration: dict[str, Any],
) -> None:
    batch = demonstration["recommendations"]
    assert len(batch) == 20
    assert sum(float(item["acquisition_cost"]) for item in batch) <= 2_160_000
    assert {item["source"] for item in batch} == {"full_vehicle_test", "simulation"}
    assert {item["arm"] for item in batch} == {"chosen", "control"}
    assert all(item["reason"] for item in batch)


@contextmanager
def second_day(folder: Path) -> Iterator[httpx.Client]:
    with (
        running_stack(
            Settings(), data_folder=folder, host="127.0.0.1", port=free_port(), announce=print
        ) as stack,
        httpx.Client(base_url=f"{stack.url}/api/v1", timeout=60) as http,
    ):
        yield http


def test_on_the_second_day_an_approved_simulation_is_run_and_labels_its_sample(
    demonstration: dict[str, Any], module_data_folder: Path
) -> None:
    chosen = next(item for item in demonstration["recommendations"] if item["source"] == "simulation")
    with second_day(module_data_folder) as http:
        path = f"/recommendations/{chosen['id']}"
        assert http.get(path).json()["status"] == "proposed"
        assert http.post(f"{path}:simulate").status_code == 409, "only an approved one may be run"
        assert http.post(f"{path}:approve").json()["status"] == "approved"
        assert http.post(f"{path}:simulate").status_code == 202
        deadline = time.monotonic() + 60
        while (found := http.get(path).json())["status"] != "completed" and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [step["to_status"] for step in found["history"]] == [
            "proposed",
            "approved",
            "ordered",
            "running",
            "completed",
        ]
        sample = http.get(f"/samples/{found['sample_id']}").json()
    assert sample["status"] == "labelled"
    assert sample["label_definition"] == "rolc/1"
    assert abs(sample["target"] - chosen["components"]["predicted"]) < 5


def test_a_data_folder_in_use_is_refused_in_one_line(module_data_folder: Path) -> None:
    with second_day(module_data_folder):
        refused = subprocess.run(
            [
                sys.executable,
                "-m",
                "service.cli",
                "serve",
                "--port",
                str(free_port()),
                "--data-dir",
                str(module_data_folder),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert refused.returncode == 2
    assert "crashscout: " in refused.stderr
    assert "Traceback" not in refused.stderr
