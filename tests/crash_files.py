"""One synthetic crash written in every format that is read, for tests of the readers and their contract."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from nptdms import ChannelObject, GroupObject, RootObject, TdmsWriter

from service.ingest import ReadOptions
from tests.ev5_writer import GRAVITY, SPEED_KMH, Signal, ev5_files, times, usual_curves

SPEED_MPS = SPEED_KMH / 3.6
# Keys of the usual curves → channel codes; 02 is the redundant chest.
CODES = {
    1: "11CHST0000H3ACXP", 2: "11CHST0000H3ACXP", 3: "13CHST0000HFACXP", 10: "10FORALERE00ACXP",
    11: "10FORARIRE00ACXP", 12: "10ENGN000000ACXP",
}  # fmt: skip
NAMES = {
    1: "DRIVER CHEST X", 2: "DRIVER CHEST XR", 3: "PASSENGER CHEST X", 10: "LEFT REAR CROSSMEMBER X",
    11: "RIGHT REAR CROSSMEMBER X", 12: "ENGINE X",
}  # fmt: skip


def signals_g() -> dict[int, Signal]:
    """Values in g by curve number, from 20 ms before to 200 ms after the first contact at 10 kHz."""
    return {curve.number: curve.values for curve in usual_curves() if curve.values is not None}


@dataclass
class MmeChannel:
    """One channel file; `header` changes or (with None) removes lines."""

    number: int
    code: str
    name: str
    values: Signal
    unit: str = "m/(s*s)"
    header: dict[str, str | None] = field(default_factory=dict)
    start_s: float = -0.02

    def content(self) -> bytes:
        highest, lowest = int(np.argmax(self.values)), int(np.argmin(self.values))
        usual: dict[str, str | None] = {
            "Test object number": self.code[0],
            "Name of the channel": self.name,
            "Channel code": self.code,
            "Unit": self.unit,
            "Reference channel": "implicit",
            "Sampling interval": "0.0001",
            "Time of first sample": f"{self.start_s:.6g}",
            "Number of samples": str(self.values.size),
            "Data status": "ok",
            "First global maximum value": f"{self.values[highest]:.6f}",
            "Time of maximum value": f"{self.start_s + highest * 1e-4:.6f}",
            "First global minimum value": f"{self.values[lowest]:.6f}",
            "Time of minimum value": f"{self.start_s + lowest * 1e-4:.6f}",
        }
        lines = [f"{key:<28}:{value}" for key, value in (usual | self.header).items() if value is not None]
        return "\r\n".join([*lines, *(f"{value:.6f}" for value in self.values), ""]).encode()


def mme_channels() -> list[MmeChannel]:
    return [
        MmeChannel(number, CODES[number], NAMES[number], values * GRAVITY)
        for number, values in signals_g().items()
    ]


def mme_files(
    channels: Sequence[MmeChannel] | None = None, *, header: Mapping[str, str | None] | None = None
) -> dict[str, bytes]:
    """Files of an ISO-MME test; `header` changes or removes lines of the description."""
    channels = mme_channels() if channels is None else channels
    usual: dict[str, str | None] = {
        "Data format edition number": "1.6",
        "Laboratory name": "A LAB: THE FIRST",
        "Title": "SYNTHETIC [bold] TEST",
        "Name of test object 1": "2018 SOME CAR",
        "Velocity test object 1": f"{SPEED_MPS:.9f}",
        "Mass test object 1": "1700",
        "Driver position object 1": "1",
        "Impact side test object 1": "FR",
    }
    lines = [f"{key:<28}:{value}" for key, value in (usual | dict(header or {})).items() if value is not None]
    index = [f"Number of channels          :{len(channels)}"]
    index += [f"Name of channel {c.number:03d}         :{c.code} / {c.name}" for c in channels]
    files = {"v04711.mme": "\r\n".join(lines).encode(), "Channel/v04711.chn": "\r\n".join(index).encode()}
    return files | {f"Channel/v04711.{c.number:03d}": c.content() for c in channels}


def tdms_file(
    changes: Mapping[int, Mapping[str, object]] | None = None,
    *,
    root: Mapping[str, object] | None = None,
    signals: Mapping[int, Signal] | None = None,
) -> bytes:
    """A TDMS file as NHTSA's; `changes` sets (or with None removes) properties of channels, `root` of the file."""
    stream = io.BytesIO()
    usual_root = {"Test_TstNo": "4711", "Test_ImpAng": "0", "Veh_VehSpd": SPEED_KMH, "Title": "SYNTHETIC"}
    set_root = {name: value for name, value in (usual_root | dict(root or {})).items() if value is not None}
    segment: list[object] = [RootObject(set_root), GroupObject("v4711_Veh1")]
    for number, values in (signals or signals_g()).items():
        usual: dict[str, object] = {
            "unit_string": "gn",
            "wf_increment": 1e-4,
            "wf_start_offset": -0.02,
            "Inst_InsCom": NAMES[number],
            "Inst_ChStat": "R" if number == 2 else "P",
            "Inst_DaStat": "AM",
        }
        properties = {
            k: v for k, v in (usual | dict((changes or {}).get(number, {}))).items() if v is not None
        }
        # A file holds each name once per group: the redundant sensor is told by its code's dummy field.
        code = CODES[number].replace("ACX", "AC1").replace("H3", "RD" if number == 2 else "H3")
        segment.append(ChannelObject("v4711_Veh1", code, values, properties))
    with TdmsWriter(stream) as writer:
        writer.write_segment(segment)
    return stream.getvalue()


LSDA_TYPES = {"i1": 1, "i4": 3, "f4": 9, "f8": 10}


class LsdaWriter:
    """Writes LSDA, the container of binout: little-endian, 8-byte lengths, no symbol tables."""

    def __init__(self) -> None:
        self.content = bytearray(bytes([8, 8, 8, 1, 1, 1, 0, 0]))

    def record(self, command: int, body: bytes) -> None:
        self.content += struct.pack("<QB", 9 + len(body), command) + body

    def folder(self, path: str) -> None:
        self.record(2, path.encode())

    def array(self, name: str, values: np.ndarray) -> None:
        kind = LSDA_TYPES[values.dtype.str[1:]]
        self.record(3, bytes([kind, len(name)]) + name.encode() + values.tobytes())


def binout_file(
    speeds: Mapping[int, tuple[str, Signal]] | None = None,
    *,
    variable: str = "x_velocity",
    time_step: float = 0.1,
) -> bytes:
    """A binout with nodout; `speeds`: node → legend and values (by default mm/ms from t = 0, times in ms)."""
    speeds = node_speeds() if speeds is None else speeds
    writer = LsdaWriter()
    writer.folder("/nodout/metadata")
    writer.array("ids", np.array(list(speeds), dtype="i4"))
    legends = b"".join(f"{legend:<80}".encode() for legend, _ in speeds.values())
    writer.array("legend", np.frombuffer(legends, dtype="i1"))
    writer.array("legend_ids", np.array(list(speeds), dtype="i4"))
    table = np.array([values for _, values in speeds.values()]).T
    for state, row in enumerate(table, start=1):
        writer.folder(f"../d{state:06d}")
        writer.array("time", np.array([(state - 1) * time_step], dtype="f8"))
        writer.array(variable, row.astype("f4"))
    return bytes(writer.content)


def node_speeds() -> dict[int, tuple[str, Signal]]:
    legends = {
        1001: ("REAR FLOOR LEFT", 10), 1002: ("REAR FLOOR RIGHT", 11), 2001: ("DRIVER CHEST", 1),
        2002: ("DRIVER CHEST REDUNDANT", 2), 3001: ("PASSENGER CHEST", 3), 9001: ("ENGINE TOP", 12),
    }  # fmt: skip
    return {node: (legend, speed_mps(signals_g()[number])) for node, (legend, number) in legends.items()}


def speed_mps(values_g: Signal) -> Signal:
    """Speed from t = 0 on, by trapezoids; mm/ms is the same number."""
    after = values_g[times() > -5e-5] * GRAVITY
    return SPEED_MPS + np.concatenate([[0.0], np.cumsum(0.5 * (after[1:] + after[:-1]) * 1e-4)])


MAPPING = {
    "time": {"column": "Time [ms]", "unit": "ms"},
    "initial_speed": {"value": SPEED_KMH, "unit": "km/h"},
    "channels": [
        {"column": "floor left", "unit": "g", "axis": "x", "role": "vehicle", "place": "rear_floor_left"},
        {"column": "floor right", "unit": "g", "axis": "x", "role": "vehicle", "place": "rear_floor_right"},
        {"column": "chest", "unit": "g", "axis": "x", "role": "chest", "occupant": "driver"},
        {
            "column": "chest 2",
            "unit": "g",
            "axis": "x",
            "role": "chest",
            "occupant": "driver",
            "redundant": True,
        },
        {"column": "passenger", "unit": "g", "axis": "x", "role": "chest", "occupant": "passenger"},
        {"column": "engine", "unit": "g", "axis": "x", "role": "other"},
    ],
}
HEADINGS = {10: "floor left", 11: "floor right", 1: "chest", 2: "chest 2", 3: "passenger", 12: "engine"}


def csv_files(
    mapping: Mapping[str, object] | None = None, *, signals: Mapping[int, Signal] | None = None
) -> dict[str, bytes]:
    """A table in ms and g with its mapping beside it."""
    columns = {"Time [ms]": times() * 1e3}
    columns |= {HEADINGS[number]: values for number, values in (signals or signals_g()).items()}
    rows = [
        ",".join(columns),
        *(",".join(f"{x:.6f}" for x in row) for row in zip(*columns.values(), strict=True)),
    ]
    return {
        "run.csv": ("\n".join(rows) + "\n").encode(),
        "run.mapping.json": json.dumps(mapping or MAPPING).encode(),
    }


# Every format: how its files are made, what its reader must be told, and its main file.
FORMATS: dict[str, Callable[[], dict[str, bytes]]] = {
    "ev5": ev5_files,
    "iso_mme": mme_files,
    "tdms": lambda: {"v04711.tdms": tdms_file()},
    "binout": lambda: {"binout0000": binout_file()},
    "csv": csv_files,
}
OPTIONS = {name: ReadOptions(units="kg-mm-ms") if name == "binout" else ReadOptions() for name in FORMATS}
MAIN_FILE = {
    "ev5": "v04711.EV5", "iso_mme": "v04711.mme", "tdms": "v04711.tdms", "binout": "binout0000", "csv": "run.csv",
}  # fmt: skip
