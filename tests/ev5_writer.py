"""Writes small NHTSA EV5 tests in the real layout, for tests of the reader, the upload and the commands."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.ingest.ev5_records import RECORD_FIELDS

INTERVAL_US = 100
BEFORE_S = 0.020
AFTER_S = 0.200
SPEED_KMH = 56.3
GRAVITY = 9.80665

Signal = NDArray[np.float64]

VEHICLE = {
    "VEHNO": "1", "MAKE": "16", "MODEL": "03", "YEAR": "2018", "BODY": "4S", "VEHTWT": "1700",
    "CURBWT": "1500", "WHLBAS": "2800", "VEHLEN": "4900", "VEHWID": "0", "BX1": "4900", "BX2": "4250",
    "BX3": "3550", "BX16": "2850", "BX21": "9999", "VEHSPD": str(SPEED_KMH), "CRHDST": "512", "AX1": "4390",
    "DPD1": "385", "MODIND": "P",
}  # fmt: skip
TEST = {
    "VERNO": "V5", "TITLE": "SYNTHETIC [bold] TEST", "TSTTYP": "NCA", "TSTCFN": "VTB", "TEMP": "21",
    "CLSSPD": str(SPEED_KMH), "IMPANG": "0", "OFFSET": "0",
}  # fmt: skip
BARRIER = {"BARRIG": "R", "BARSHP": "LCB", "BARANG": "0"}
DRIVER = {
    "VEHNO": "1", "OCCLOC": "01", "OCCTYP": "H3", "OCCSEX": "M", "DUMSIZ": "50", "HH": "300", "HW": "640",
    "CD": "520", "CS": "300", "KD": "165", "SEPOSN": "CN", "HIC": "150", "CLIP3M": "41", "T1": "77",
}  # fmt: skip
PASSENGER = {**DRIVER, "OCCLOC": "02", "OCCSEX": "F", "DUMSIZ": "05", "CS": "0", "SEPOSN": "FW"}
BELT = {
    "VEHNO": "1",
    "RSTNO": "1",
    "RSTTYP": "3PT",
    "RSTMNT": "BC",
    "RSTCOM": "PRETENSIONER AND FORCE LIMITER",
}
AIRBAG = {
    "VEHNO": "1",
    "RSTNO": "2",
    "RSTTYP": "FRT",
    "RSTMNT": "SW",
    "RSTCOM": "FRONTAL AIRBAG",
    "DEPLOY": "DP",
}


@dataclass
class Curve:
    """One channel: values in g (None = the file is missing) and fields that differ from the usual."""

    number: int
    place: str
    seat: str
    values: Signal | None
    fields: dict[str, str] = field(default_factory=dict)
    columns: int = 2

    def record(self) -> dict[str, str]:
        rows = len(times()) if self.values is None else len(self.values)
        first = -round(BEFORE_S * 1e6 / INTERVAL_US)
        axis = "XL" if self.place == "CHST" else "XG"
        usual = {
            "VEHNO": "1", "CURNO": str(self.number), "SENTYP": "AC", "SENLOC": self.seat, "SENATT": self.place,
            "AXIS": axis, "XUNITS": "SEC", "YUNITS": "G'S", "INIVEL": str(SPEED_KMH), "NFP": str(first),
            "NLP": str(first + rows - 1), "DELT": str(INTERVAL_US), "DASTAT": "AM", "CHSTAT": "P",
            "INSCOM": f"{self.place} {self.seat} X",
        }  # fmt: skip
        return usual | self.fields

    def content(self) -> bytes:
        assert self.values is not None
        columns = (times()[: len(self.values)], self.values) if self.columns == 2 else (self.values,)
        return "".join(
            "\t".join(f"{x:.6f}" for x in row) + "\n" for row in zip(*columns, strict=True)
        ).encode()


def times() -> Signal:
    """Sample times in s, from 20 ms before to 200 ms after the first contact at 10 kHz."""
    samples = round((BEFORE_S + AFTER_S) * 1e6 / INTERVAL_US) + 1
    return (np.arange(samples) - round(BEFORE_S * 1e6 / INTERVAL_US)) * INTERVAL_US * 1e-6


def half_sine_g(onset_s: float, duration_s: float, speed_change_mps: float) -> Signal:
    """A frontal pulse in g (negative) that takes `speed_change_mps` away."""
    phase = (times() - onset_s) / duration_s
    peak_g = np.pi * speed_change_mps / (2 * duration_s * GRAVITY)
    return np.where((phase > 0) & (phase < 1), -peak_g * np.sin(np.pi * phase), 0.0)


def usual_curves() -> list[Curve]:
    """Driver and passenger with their vehicle: a car that rebounds at 2 m/s, chests that brake later."""
    speed = SPEED_KMH / 3.6
    car = half_sine_g(0.0, 0.090, speed + 2.0)
    driver, passenger = half_sine_g(0.015, 0.085, speed + 3.0), half_sine_g(0.012, 0.080, speed + 3.0)
    return [
        Curve(1, "CHST", "01", driver),
        Curve(2, "CHST", "01", driver * 0.999, {"CHSTAT": "R"}),
        Curve(3, "CHST", "02", passenger),
        Curve(10, "FLLR", "NA", car * 1.01),
        Curve(11, "FLRR", "NA", car * 0.99),
        Curve(12, "ENGN", "NA", car * 3.0),
    ]


def specification(
    curves: list[Curve],
    *,
    test: Mapping[str, str] | None = None,
    vehicle: Mapping[str, str] | None = None,
    occupants: list[dict[str, str]] | None = None,
    restraints: list[dict[str, str]] | None = None,
) -> str:
    """Text of the .EV5 file; `test` and `vehicle` change single fields."""
    seats = [DRIVER, PASSENGER] if occupants is None else occupants
    if restraints is None:
        restraints = [{**kind, "OCCLOC": seat["OCCLOC"]} for seat in seats for kind in (BELT, AIRBAG)]
    sets: dict[str, list[dict[str, str]]] = {
        "TEST": [TEST | dict(test or {})],
        "VEHICLE": [VEHICLE | dict(vehicle or {})],
        "BARRIER": [BARRIER],
        "OCCUPANT": seats,
        "RESTRAINT": restraints,
        "INSTRUMENTATION": [curve.record() for curve in curves],
    }
    lines = ["# written by a test", "----- EV5 -----"]
    for name, records in sets.items():
        lines.append(f"----- {name} -----")
        lines += ["|".join(record.get(key, "") for key in RECORD_FIELDS[name]) for record in records]
    return "\n".join([*lines, "----- END -----"])  # real files end without a newline


def ev5_files(
    curves: list[Curve] | None = None, *, number: int = 4711, text: str | None = None, **changes: Any
) -> dict[str, bytes]:
    """File names and contents of one test; `changes` as in `specification`."""
    curves = usual_curves() if curves is None else curves
    stem = f"v{number:05d}"
    text = specification(curves, **changes) if text is None else text
    files = {f"{stem}.EV5": text.encode()}
    return files | {f"{stem}.{c.number:03d}": c.content() for c in curves if c.values is not None}


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files of one test to a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(files: Mapping[str, bytes], *, folder: str = "") -> bytes:
    """The same as a zip, optionally inside a folder, as NHTSA's download has it: same files, same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(f"{folder}/{name}" if folder else name)  # dated 1980, not now
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
