"""docs/examples/engineering_tool.py from end to end, as a process of its own against a whole installation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.stack import Stack
from tests.ev5_writer import ev5_files, zipped

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = pytest.mark.functional


def write_table(folder: Path) -> Path:
    """24 finished tests and 6 candidates."""
    lines = ["external_id,source,impact_speed_kmh,test_mass_kg,target"]
    for number in range(30):
        speed, mass = 40 + 3 * (number % 9), 1300 + 70 * (number % 17)
        target = f"{0.45 * speed - 0.001 * mass + 2:.1f}" if number < 24 else ""
        name = f"T-{number}" if target else f"C-{number}"
        lines.append(f"{name},full_vehicle,{speed},{mass},{target}")
    table = folder / "tests.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def run_tool(stack: Stack, *arguments: str, server: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "engineering_tool.py"), *arguments],
        capture_output=True, text=True, timeout=300, check=False,
        env={"PATH": os.environ["PATH"], "CRASHSCOUT_SERVER": server or stack.url,
             "CRASHSCOUT_API_KEY": os.environ.get("CRASHSCOUT_API_KEY", "")},
    )  # fmt: skip


def test_the_tool_pushes_asks_approves_reports_and_asks_again(
    stack: Stack, http: httpx.Client, tmp_path: Path
) -> None:
    signals = tmp_path / "v10146.zip"
    signals.write_bytes(zipped(ev5_files()))
    results = tmp_path / "results.csv"
    results.write_text("external_id,target\n" + "".join(f"C-{n},24.{n - 24}\n" for n in range(24, 30)))
    tool = run_tool(stack, str(write_table(tmp_path)), "--signals", str(signals), "--results", str(results))
    assert tool.returncode == 0, tool.stdout + tool.stderr
    said = tool.stdout
    campaign = int(re.findall(r"^campaign (\d+)$", said, flags=re.MULTILINE)[0])
    assert "30 samples sent" in said
    assert "v10146.zip gives 26.2 g for ev5-4711-driver" in said
    approved = re.findall(r"^approved (C-\d+) for 300000\.00 USD", said, flags=re.MULTILINE)
    assert len(approved) == 2, "600,000 USD pay for two tests"
    assert sorted(re.findall(r"^(C-\d+) is completed", said, flags=re.MULTILINE)) == sorted(approved)
    ranked = set(re.findall(r"^ +\d+\. (C-\d+): score", said, flags=re.MULTILINE))
    assert ranked == {f"C-{number}" for number in range(24, 30)} - set(approved)
    _the_service_agrees(http, campaign)


def _the_service_agrees(http: httpx.Client, campaign: int) -> None:
    summary = http.get(f"/campaigns/{campaign}/summary").json()
    assert (summary["samples"]["candidate"], summary["samples"]["labelled"]) == (4, 24 + 1 + 2)
    assert summary["spent"] == "600000.00"
    assert summary["recommendations"]["rejected"] == 1


def test_what_the_service_refuses_is_one_line_and_exit_2(stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "tests.csv"
    table.write_text("external_id,source,impact_speed_kmh,target\nT-1,full_vehicle,500,\n")
    refused = run_tool(stack, str(table))
    assert refused.returncode == 2
    assert refused.stderr.startswith("crashscout: 422: ")
    assert "/samples/0/planned_features/impact_speed_kmh" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
