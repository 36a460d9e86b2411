"""What may be imported where; import-linter sees the source, a fresh process sees what really happens."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import service
for module in pkgutil.walk_packages(service.__path__, "service."):
    importlib.import_module(module.name)
print(*sorted({"torch", "ot", "pyarrow", "worker"} & set(sys.modules)))
print(len([name for name in sys.modules if name.startswith("service.")]))
"""
# (importer, what it must never reach), as DESIGN section 3 has it.
DIRECTIONS = [
    ("service", "worker"),
    ("service", "torch"),
    ("service", "ot"),
    ("worker.lossval", "service"),
    ("worker.lossval", "sqlalchemy"),
    ("worker.lossval", "celery"),
    ("worker.lossval", "fastapi"),
    ("worker.acquisition", "service"),
    ("worker.acquisition", "sqlalchemy"),
    ("worker.acquisition", "celery"),
    ("service.signals", "service.database"),
    ("service.signals", "service.queue"),
    ("service.signals", "service.settings"),
    ("service.signals", "sqlalchemy"),
    ("worker", "service.main"),
    ("worker", "service.admin"),
    ("worker", "service.*.routes"),
    ("worker", "fastapi"),
    ("service.*.service", "fastapi"),
    ("service.*.repository", "fastapi"),
    ("service.database", "fastapi"),
    ("service.*.routes", "sqlalchemy"),
    ("service.admin", "sqlalchemy"),
]


NOUNS = ["campaigns", "samples", "uploads", "imports", "valuations", "acquisitions", "rounds", "schedules", "events",
         "webhooks"]  # fmt: skip


def contracts() -> list[dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_importing_the_whole_service_loads_no_torch_no_transport_and_no_worker() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy, count = run.stdout.splitlines()
    assert heavy == ""
    assert int(count) > 60


def test_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(("importer", "imported"), DIRECTIONS)
def test_each_direction_of_the_design_has_a_contract(importer: str, imported: str) -> None:
    assert any(
        importer in contract.get("source_modules", []) and imported in contract.get("forbidden_modules", [])
        for contract in contracts()
    )


@pytest.mark.parametrize("noun", NOUNS)
def test_each_noun_is_layered(noun: str) -> None:
    layered = [contract for contract in contracts() if f"service.{noun}" in contract.get("containers", [])]
    assert [contract["layers"] for contract in layered] == [["routes", "service", "repository", "schemas"]]


def test_tasks_stand_above_acquisition_and_lossval() -> None:
    assert ["worker.tasks", "worker.acquisition", "worker.lossval"] in [c.get("layers") for c in contracts()]
