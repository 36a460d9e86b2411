"""Results in the formats of test laboratories: each in the ways that a solver may leave it, whole and broken."""

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.acquisitions.schemas import Completion
from service.campaigns.oracles import CommandOracle
from service.errors import CrashscoutError
from service.ingest import label_occupants, read_crash_test
from tests.crash_files import FORMATS, MAIN_FILE, MmeChannel, mme_channels, mme_files, signals_g, tdms_file
from tests.ev5_writer import SPEED_KMH, Curve, ev5_files, usual_curves, write_folder, zipped
from tests.worker.oracles.solvers import settings, write_solver
from worker.oracles.command import Order, solve
from worker.oracles.errors import SolverError

Files = Mapping[str, bytes]
LABORATORY = ["ev5", "iso_mme", "tdms"]
# Labels are kept to a millionth of a g.
MICRO = 5.1e-7
CUT = {"ev5": "is truncated", "iso_mme": "No impact speed is given in v04711.mme", "tdms": "is truncated"}


def tarred(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"v04711/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


# How a solver may leave a test, and what the source's `path` then names.
WAYS: dict[str, Callable[[str, Files], tuple[Files, str]]] = {
    "working folder": lambda _, files: (files, "."),
    "main file": lambda name, files: (files, MAIN_FILE[name]),
    "folder": lambda _, files: ({f"out/{name}": content for name, content in files.items()}, "out"),
    "zip": lambda _, files: ({"out.zip": zipped(files, folder="v04711")}, "out.zip"),
    "tar": lambda _, files: ({"out.tgz": tarred(files)}, "out.tgz"),
}


def solved(folder: Path, written: Files, **result: Any) -> Completion:
    """What comes of a solver that writes these files."""
    folder.mkdir(exist_ok=True)
    solver, test = write_solver(folder), write_folder(folder / "test", written)
    oracle = CommandOracle.model_validate(settings(solver, "test", deck=f"test={test}", result=result))
    design = {"impact_speed_kmh": SPEED_KMH}
    return solve(Order(oracle, design, 7, "rolc/1", folder / "run", [solver]), lambda _: None)


def refused(folder: Path, written: Files, **result: Any) -> str:
    """The reason that the recommendation will show."""
    with pytest.raises((SolverError, CrashscoutError)) as caught:
        solved(folder, written, **result)
    return str(caught.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file_format", LABORATORY)
def test_it_is_labelled_as_an_uploaded_test_is(tmp_path: Path, file_format: str, way: str) -> None:
    files = FORMATS[file_format]()
    written, path = WAYS[way](file_format, files)
    found = solved(tmp_path, written, reader=file_format, path=path)
    test = read_crash_test(write_folder(tmp_path / "plain", files))
    (expected,) = (label for label in label_occupants(test) if label.role == "driver")
    assert found.target == pytest.approx(expected.rolc_g, abs=MICRO)
    assert found.label_definition == "rolc/1"
    assert found.label_details["channels"]


@pytest.mark.parametrize("file_format", LABORATORY)
def test_the_other_seat(tmp_path: Path, file_format: str) -> None:
    files = FORMATS[file_format]()
    found = solved(tmp_path, files, reader=file_format, path=".", occupant="passenger")
    test = read_crash_test(write_folder(tmp_path / "plain", files))
    (expected,) = (label for label in label_occupants(test) if label.role == "passenger")
    assert found.target == pytest.approx(expected.rolc_g, abs=MICRO)


def ev5_without_speed() -> Files:
    curves = [replace(curve, fields=curve.fields | {"INIVEL": ""}) for curve in usual_curves()]
    return ev5_files(curves, vehicle={"VEHSPD": ""}, test={"CLSSPD": ""})


@pytest.mark.parametrize("file_format", LABORATORY)
def test_the_speed_of_the_design_counts_where_the_file_says_none(tmp_path: Path, file_format: str) -> None:
    without: dict[str, Callable[[], Files]] = {
        "ev5": ev5_without_speed,
        "iso_mme": lambda: mme_files(header={"Velocity test object 1": None}),
        "tdms": lambda: {"v04711.tdms": tdms_file(root={"Veh_VehSpd": None})},
    }
    result = {"reader": file_format, "path": "."}
    files = without[file_format]()
    assert "speed" in refused(tmp_path / "a", files, **result)
    with_speed = solved(tmp_path / "b", files, **result, speed_feature="impact_speed_kmh")
    as_ever = solved(tmp_path / "c", FORMATS[file_format](), **result)
    assert with_speed.target == pytest.approx(as_ever.target, rel=1e-6)


def without_chest(file_format: str) -> Files:
    kept = [number for number in signals_g() if number >= 10]
    curves: list[Curve] = [curve for curve in usual_curves() if curve.number >= 10]
    channels: list[MmeChannel] = [channel for channel in mme_channels() if channel.number in kept]
    ways: dict[str, Callable[[], Files]] = {
        "ev5": lambda: ev5_files(curves),
        "iso_mme": lambda: mme_files(channels),
        "tdms": lambda: {"v04711.tdms": tdms_file(signals={n: signals_g()[n] for n in kept})},
    }
    return ways[file_format]()


@pytest.mark.parametrize("file_format", LABORATORY)
class TestBroken:
    def test_a_solver_that_wrote_nothing(self, tmp_path: Path, file_format: str) -> None:
        assert "wrote no 'out'" in refused(tmp_path, {}, reader=file_format, path="out")

    def test_a_working_folder_without_a_test(self, tmp_path: Path, file_format: str) -> None:
        assert (
            MAIN_FILE[file_format][-4:].lower()
            in refused(tmp_path, {"notes.txt": b"nothing"}, reader=file_format, path=".").lower()
        )

    def test_a_main_file_that_is_cut(self, tmp_path: Path, file_format: str) -> None:
        files, main = dict(FORMATS[file_format]()), MAIN_FILE[file_format]
        files[main] = files[main][: len(files[main]) // 3]
        assert CUT[file_format] in refused(tmp_path, files, reader=file_format, path=".")

    def test_an_empty_main_file(self, tmp_path: Path, file_format: str) -> None:
        files = FORMATS[file_format]() | {MAIN_FILE[file_format]: b""}
        said = refused(tmp_path, files, reader=file_format, path=MAIN_FILE[file_format])
        assert f"{MAIN_FILE[file_format]} is empty." in said

    def test_an_archive_that_is_cut(self, tmp_path: Path, file_format: str) -> None:
        whole = zipped(FORMATS[file_format]())
        said = refused(tmp_path, {"out.zip": whole[:-40]}, reader=file_format, path="out.zip")
        assert "out.zip is not a readable zip" in said

    def test_an_archive_that_reaches_outside(self, tmp_path: Path, file_format: str) -> None:
        packed = zipped(FORMATS[file_format](), folder="../..")
        assert "points outside" in refused(tmp_path, {"out.zip": packed}, reader=file_format, path="out.zip")

    def test_another_format_than_the_source_names(self, tmp_path: Path, file_format: str) -> None:
        other = LABORATORY[(LABORATORY.index(file_format) + 1) % 3]
        assert "run must hold one" in refused(tmp_path, FORMATS[other](), reader=file_format, path=".")

    def test_no_chest_no_label(self, tmp_path: Path, file_format: str) -> None:
        assert "chest" in refused(tmp_path, without_chest(file_format), reader=file_format, path=".")

    def test_a_seat_that_is_not_there(self, tmp_path: Path, file_format: str) -> None:
        result = {"reader": file_format, "path": ".", "occupant": "rear_left"}
        assert "no occupant 'rear_left', only: driver" in refused(tmp_path, FORMATS[file_format](), **result)
