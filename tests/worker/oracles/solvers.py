"""A small solver as an executable file: it reads its deck, and behaves or misbehaves as the deck says."""

import sys
from pathlib import Path
from typing import Any

from tests.crash_files import FORMATS, MAIN_FILE, MAPPING

SOLVER = """#!{python}
import json, os, shutil, signal, subprocess, sys, time

deck = dict(line.split("=", 1) for line in open(sys.argv[1]).read().splitlines() if "=" in line)
how, speed = deck.get("how", "well"), float(deck.get("speed", "0"))
print("solver starts", how, flush=True)
if how == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open("child.pid", "w").write(str(child.pid))
    time.sleep(600)
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open("deaf", "w").write("")
    time.sleep(600)
if how == "flood":
    for number in range(200_000):
        print(f"cycle {{number:>9}} of a solver that talks too much, with more of it on each line")
if how == "garbage":
    open("result.json", "wb").write(bytes(range(256)))
elif how == "nan":
    open("result.json", "w").write('{{"rolc": NaN}}')
elif how == "list":
    open("result.json", "w").write("[1]")
elif how == "curves":
    shutil.copy(deck["curves"], ".")
elif how == "test":
    shutil.copytree(deck["test"], ".", dirs_exist_ok=True)
elif how == "cut_curves":
    open("run.csv", "wb").write(open(deck["curves"], "rb").read()[:300])
elif how != "silent":
    json.dump({{"occupants": {{"driver": {{"rolc": speed / 2}}}}, "env": dict(os.environ)}}, open("result.json", "w"))
    open("result.csv", "w").write(f"time,rolc\\n0,1\\n1,{{speed / 2}}\\n")
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "memory":
    kept = bytearray(2**30)
if how == "leave":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
sys.stdout.flush()
print("last words", file=sys.stderr)
sys.exit(int(deck.get("exit", "0")))
"""
NUMBER = {"reader": "number", "path": "result.json", "field": "occupants.driver.rolc"}


def write_solver(folder: Path) -> Path:
    path = folder / "solver"
    path.write_text(SOLVER.format(python=sys.executable))
    path.chmod(0o755)
    return path


def write_curves(folder: Path, file_format: str = "csv") -> Path:
    """The main file of a test, as a solver writes it."""
    name = MAIN_FILE[file_format]
    (folder / name).write_bytes(FORMATS[file_format]()[name])
    return folder / name


def settings(solver: Path, how: str = "well", **changes: Any) -> dict[str, Any]:
    """The oracle's settings; the deck has the speed and what the solver is to do."""
    extra = changes.pop("deck", "")
    return {
        "command": [str(solver), "decks/main.k"],
        "input_files": {
            "decks/main.k": f"$ a comment, cost 5@@{{x}}\nspeed=@{{impact_speed_kmh:08.2f}}\nhow={how}\n{extra}\n"
        },
        "result": NUMBER,
    } | changes


def curves_result(**changes: Any) -> dict[str, Any]:
    mapping = {name: value for name, value in MAPPING.items() if name != "initial_speed"}
    return {
        "reader": "csv", "path": "run.csv", "mapping": mapping, "speed_feature": "impact_speed_kmh",
    } | changes  # fmt: skip


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
