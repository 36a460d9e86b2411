"""A solver run by a worker: the label when all is well, a reason in every other case, and nothing left behind."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.acquisitions.schemas import Completion
from service.campaigns.oracles import CommandOracle
from service.errors import CrashscoutError
from service.ingest import label_occupants, read_crash_test
from tests.crash_files import SPEED_KMH
from tests.worker.oracles.solvers import curves_result, is_alive, settings, write_curves, write_solver
from worker.oracles import process
from worker.oracles.command import Order, solve
from worker.oracles.errors import SolverError

DESIGN = {"impact_speed_kmh": SPEED_KMH, "belted": True, "test_mass_kg": None}


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    return write_solver(tmp_path)


def order(solver: Path, how: str = "well", **changes: Any) -> Order:
    oracle = CommandOracle.model_validate(settings(solver, how, **changes))
    return Order(oracle, DESIGN, 7, "rolc/1", solver.parent / "run", [solver])


def run(wanted: Order, alive: Callable[[float], None] = lambda _: None) -> Completion:
    return solve(wanted, alive)


def failure(wanted: Order, code: str) -> str:
    with pytest.raises(SolverError) as caught:
        run(wanted)
    assert caught.value.code == code
    return str(caught.value)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not (path.is_file() and path.read_text()) and time.monotonic() < end:
        time.sleep(0.02)


class TestWell:
    def test_a_number_in_json(self, solver: Path) -> None:
        found = run(order(solver))
        assert found.target == pytest.approx(SPEED_KMH / 2)
        assert found.label_definition == "rolc/1"
        told = found.label_details["solver"]
        assert (told["status"], told["log_cut_bytes"], told["folder"]) == (0, 0, str(solver.parent / "run"))
        log = (Path(told["folder"]) / told["log"]).read_text()
        assert log.splitlines() == ["solver starts well", "last words"], "both streams, in their order"

    def test_the_deck_has_the_design_in_its_columns(self, solver: Path) -> None:
        run(order(solver))
        deck = (solver.parent / "run" / "decks" / "main.k").read_text()
        assert deck.startswith(f"$ a comment, cost 5@{{x}}\nspeed={SPEED_KMH:08.2f}\n")

    def test_the_last_line_of_a_table(self, solver: Path) -> None:
        result = {"reader": "number", "path": "result.csv", "field": "rolc"}
        assert run(order(solver, result=result)).target == pytest.approx(SPEED_KMH / 2)

    @pytest.mark.parametrize(
        "result",
        [
            curves_result(),
            {
                "reader": "binout",
                "path": "binout0000",
                "units": "kg-mm-ms",
                "speed_feature": "impact_speed_kmh",
            },
        ],
        ids=["csv", "binout"],
    )
    def test_curves_are_labelled_as_a_test_is(
        self, solver: Path, tmp_path: Path, result: dict[str, Any]
    ) -> None:
        curves = write_curves(tmp_path, result["reader"])
        found = run(order(solver, "curves", deck=f"curves={curves}", result=result))
        options = CommandOracle.model_validate(settings(solver, result=result)).result.options(DESIGN)
        test = read_crash_test(curves, options=options)
        (expected,) = (label for label in label_occupants(test) if label.role == "driver")
        assert found.target == pytest.approx(expected.rolc_g, rel=1e-6)
        assert found.label_definition == "rolc/1"
        assert found.label_details["channels"]

    def test_another_status_may_mean_success(self, solver: Path) -> None:
        assert run(order(solver, deck="exit=3", exit_codes=[0, 3])).label_details["solver"]["status"] == 3

    def test_it_sees_no_more_of_the_environment_than_is_named(
        self, solver: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LICENSE_SERVER", "license.example.com")
        monkeypatch.setenv("CRASHSCOUT_API_KEY", "very secret")
        run(order(solver, environment=["LICENSE_SERVER", "NOT_SET"]))
        seen = json.loads((solver.parent / "run" / "result.json").read_text())["env"]
        assert seen["LICENSE_SERVER"] == "license.example.com"
        assert set(seen) <= {"LICENSE_SERVER", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}

    def test_arguments_are_no_shell(self, solver: Path) -> None:
        wanted = order(solver)
        wanted.oracle.command.extend(["; touch pwned", "$(touch pwned)", "@{recommendation}"])
        run(wanted)
        assert not (solver.parent / "run" / "pwned").exists()


class TestBadCases:
    def test_one_that_hangs_is_stopped_with_its_children(self, solver: Path) -> None:
        message = failure(order(solver, "hang", timeout_s=1), "timeout")
        assert "stopped after 1 s" in message
        assert "solver starts hang" in message
        assert not is_alive(int((solver.parent / "run" / "child.pid").read_text()))

    def test_one_that_does_not_listen_is_killed(self, solver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "STOP_GRACE_S", 0.3)
        failure(order(solver, "deaf", timeout_s=1), "timeout")
        assert (solver.parent / "run" / "deaf").exists()

    def test_a_flood_in_the_log_is_cut_and_the_result_counts(self, solver: Path) -> None:
        found = run(order(solver, "flood", log_mib=1))
        told = found.label_details["solver"]
        log = (solver.parent / "run" / "solver.log").read_bytes()
        assert 0.9 * 2**20 < len(log) < 1.1 * 2**20
        assert log.startswith(b"solver starts flood\ncycle         0 of")
        assert log.endswith(b"last words\n")
        assert f"[... {told['log_cut_bytes']:,} bytes were cut ...]".encode() in log
        assert found.target == pytest.approx(SPEED_KMH / 2)

    def test_a_status_that_is_no_success(self, solver: Path) -> None:
        message = failure(order(solver, deck="exit=2"), "exit_code")
        assert "ended with status 2." in message
        assert "last words" in message

    @pytest.mark.parametrize(("how", "deck"), [("killed", ""), ("well", "exit=137")])
    def test_137_may_be_the_memory(self, solver: Path, how: str, deck: str) -> None:
        assert "status 137 (killed: out of memory?" in failure(order(solver, how, deck=deck), "exit_code")

    def test_a_limit_of_memory_holds(self, solver: Path) -> None:
        assert "MemoryError" in failure(order(solver, "memory", memory_mib=512), "exit_code")

    @pytest.mark.parametrize(
        ("how", "code", "words"),
        [
            ("silent", "no_result", "wrote no 'result.json'"),
            ("garbage", "invalid_result", "no text file"),
            ("nan", "invalid_result", "has no 'occupants.driver.rolc'"),
            ("list", "invalid_result", "has no 'occupants.driver.rolc'"),
        ],
    )
    def test_a_result_that_is_none(self, solver: Path, how: str, code: str, words: str) -> None:
        assert words in failure(order(solver, how), code)

    def test_a_number_that_is_none(self, solver: Path) -> None:
        result = {"reader": "number", "path": "result.json", "field": "rolc"}
        assert "'nan': no number" in failure(order(solver, "nan", result=result), "invalid_result")

    @pytest.mark.parametrize(
        "result", [curves_result(), {"reader": "binout", "units": "kg-mm-ms"}, {"reader": "iso_mme"}]
    )
    def test_curves_that_are_garbage_in_the_words_of_the_reader(
        self, solver: Path, tmp_path: Path, result: dict[str, Any]
    ) -> None:
        curves = write_curves(tmp_path)
        wanted = order(solver, "cut_curves", deck=f"curves={curves}", result=result)
        with pytest.raises((CrashscoutError, SolverError)) as caught:
            run(wanted)
        assert str(caught.value)

    def test_an_occupant_who_is_not_there(self, solver: Path, tmp_path: Path) -> None:
        wanted = order(
            solver, "curves", deck=f"curves={write_curves(tmp_path)}", result=curves_result(occupant="rear")
        )
        assert "no occupant 'rear', only: driver" in failure(wanted, "invalid_result")

    def test_an_executable_that_is_not_there(self, solver: Path) -> None:
        wanted = order(solver)
        solver.unlink()
        assert "status 127 (could not be started)" in failure(wanted, "exit_code")

    def test_an_executable_that_this_worker_may_not_run(self, solver: Path) -> None:
        wanted = order(solver)
        wanted = Order(wanted.oracle, DESIGN, 7, "rolc/1", wanted.folder, [])
        assert "CRASHSCOUT_ORACLE_COMMANDS" in failure(wanted, "forbidden")
        assert not wanted.folder.exists()

    def test_a_design_without_a_value_that_the_deck_needs(self, solver: Path) -> None:
        wanted = order(solver, input_files={"decks/main.k": "mass=@{test_mass_kg}"})
        assert "'test_mass_kg' has no value" in failure(wanted, "invalid_design")

    def test_a_folder_that_cannot_be_made(self, solver: Path) -> None:
        (solver.parent / "run").write_text("in the way")
        assert "CRASHSCOUT_FILES_DIR" in failure(order(solver), "unavailable")

    def test_what_it_leaves_behind_is_ended(self, solver: Path) -> None:
        started = time.monotonic()
        run(order(solver, "leave"))
        assert time.monotonic() - started < 60, "a child that holds the log open is not waited for"


class TestStops:
    def test_what_alive_raises_stops_the_solver(self, solver: Path) -> None:
        def cancelled(_seconds: float) -> None:
            if (solver.parent / "run" / "child.pid").exists():
                raise KeyError("cancelled")

        with pytest.raises(KeyError, match="cancelled"):
            run(order(solver, "hang"), cancelled)
        assert not is_alive(int((solver.parent / "run" / "child.pid").read_text()))

    def test_a_killed_worker_takes_the_solver_and_its_children_along(self, solver: Path) -> None:
        oracle = json.dumps(settings(solver, "hang"))
        code = (
            "import json, sys; from pathlib import Path\n"
            "from service.campaigns.oracles import CommandOracle\n"
            "from worker.oracles.command import Order, solve\n"
            f"oracle = CommandOracle.model_validate(json.loads(sys.argv[1])); solver = Path({str(solver)!r})\n"
            f"order = Order(oracle, {DESIGN!r}, 7, 'rolc/1', solver.parent / 'run', [solver])\n"
            "solve(order, lambda _: None)"
        )
        worker = subprocess.Popen([sys.executable, "-c", code, oracle])
        try:
            pid_file = solver.parent / "run" / "child.pid"
            wait_for(pid_file)
            child = int(pid_file.read_text())
            assert is_alive(child)
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        end = time.monotonic() + 10
        while is_alive(child) and time.monotonic() < end:
            time.sleep(0.05)
        assert not is_alive(child)
