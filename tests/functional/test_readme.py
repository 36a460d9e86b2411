"""Every command of the README runs as it stands there.

`make demo` and `make test` are run by `.ci/run`; here they are only looked for in the Makefile.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.stack import Stack
from tests.ev5_writer import ev5_files, zipped

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
pytestmark = pytest.mark.functional


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def write_tables(folder: Path) -> None:
    """What the section without a server finds in the current folder."""
    for name, rows, mass in (("tests", 40, 1200), ("new_cars", 12, 1230)):
        lines = [f"{i},{40 + i % 17},{mass + 37 * (i % 23)},{15 + 0.3 * (i % 17)}" for i in range(rows)]
        (folder / f"{name}.csv").write_text("\n".join(["test_number,speed_kmh,mass_kg,rolc_g", *lines]))


@pytest.fixture(scope="module")
def session(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The whole curl session in one shell, against a running installation."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "v10146.zip").write_bytes(zipped(ev5_files()))
    write_tables(folder)
    script = "set -euo pipefail\n" + "\necho\n".join(blocks("bash"))
    script = script.replace("http://127.0.0.1:8000", stack.url)
    script = script.replace(".venv/bin/crashscout", f"{sys.executable} -m service.cli")
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )


def test_the_session_runs_to_its_end(session: subprocess.CompletedProcess[str]) -> None:
    assert session.returncode == 0, session.stdout + session.stderr


def test_runs_succeed_and_the_result_labels_the_sample(session: subprocess.CompletedProcess[str]) -> None:
    assert session.stdout.count("succeeded") == 2
    assert '"status":"completed"' in session.stdout
    assert '"created":16,"rejected":0' in session.stdout


def test_the_file_gives_a_label_and_a_sample(session: subprocess.CompletedProcess[str]) -> None:
    assert "rolc/1" in session.stdout
    assert '"filename":"v10146.zip"' in session.stdout
    assert "\nparsed\n" in session.stdout
    assert '"external_id":"ev5-4711-driver"' in session.stdout


def test_a_table_is_valued_without_a_server(session: subprocess.CompletedProcess[str]) -> None:
    assert "40 values by lossval in values.csv" in session.stdout
    assert "\nrow,value,value_std,rank,value_target_loss,value_transport\n0," in session.stdout


def test_the_last_call_shows_a_problem_with_remedies(session: subprocess.CompletedProcess[str]) -> None:
    problem = session.stdout.splitlines()[-1]
    assert "is outside 20 to 80 km/h" in problem
    assert "did you mean 'test_mass_kg'" in problem


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    commands = [line for block in blocks("") for line in block.splitlines() if line.startswith("make ")]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert commands == ["make demo", "make test"]
    assert {command.split()[1] for command in commands} <= targets


def test_the_paths_that_it_names_exist() -> None:
    table = README[README.index("## Where to read next") :]
    named = [
        name for name in re.findall(r"`([\w./-]+)`", table) if "/" in name or name.endswith((".md", ".json"))
    ]
    missing = [name for name in named if not name.startswith("/") and not (ROOT / name).exists()]
    assert not missing
