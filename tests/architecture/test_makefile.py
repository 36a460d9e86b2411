"""Standard output of `make demo ARGS=--json` is the document alone, on a fresh clone too."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from service.stack import free_port

ROOT = Path(__file__).parents[2]
# Stands for Python: makes a `.venv` whose programs are as talkative as pip can be.
FAKE_PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "noise of venv"
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "noise of pip"\\n' > "$3/bin/python"
printf '#!/bin/sh\\necho "{}"\\n' > "$3/bin/crashscout"
chmod +x "$3"/bin/*
"""


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_an_audit_that_cannot_ask_says_so_and_fails_nothing() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"
    made = subprocess.run(
        ["make", "audit", f"ADVISORIES={nowhere}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert made.stderr == f"audit: {nowhere} cannot be reached, nothing was asked\n"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_setting_up_leaves_standard_output_to_the_command(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "fake-python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    # Under `make test` these would make it a part of that make.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    made = subprocess.run(
        ["make", "demo", f"PYTHON={python}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "noise of pip" in made.stderr
    assert made.stdout == "{}\n"
