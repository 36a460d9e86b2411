"""Reader of LS-DYNA binout: nodal and rigid-body motion, whose units the caller must say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError, InputError
from service.ingest.archive import FileSet
from service.ingest.assembly import KMH_PER_MPS, Head, Seat, assemble
from service.ingest.ev5 import ROLES
from service.ingest.lsda import LsdaRecord, array, records
from service.ingest.model import CrashTest
from service.ingest.numbers import is_usable
from service.ingest.options import UNIT_SYSTEMS, ReadOptions
from service.ingest.selection import CHEST_PLACES, Sensor
from service.signals.channel import Channel
from service.signals.grid import even_grid
from service.signals.integration import acceleration_of
from service.signals.units import factor

LEGEND_CHARACTERS = 80
# Longitudinal speed and acceleration of each branch that holds motion.
BRANCHES: Mapping[str, tuple[str, str]] = {
    "nodout": ("x_velocity", "x_acceleration"),
    "rbdout": ("global_vx", "global_ax"),
}
# Words of a legend that tell where a history node sits; the first that fits counts.
LEGEND_PLACES = (
    (re.compile(r"CHEST|THORAX|STERNUM"), "chest"),
    (re.compile(r"\bT0?4\b|UPPER.?SPINE"), "upper_spine"),
    (re.compile(r"REAR.?(FLOOR|SEAT.?CROSS)"), "rear_floor"),
    (re.compile(r"REAR.?SILL|\bSILL\b"), "rear_sill"),
    (re.compile(r"B.?PILL?AR"), "b_pillar"),
    (re.compile(r"VEHICLE.?CO?G|\bCOG\b"), "vehicle_cg"),
)
SIDES = ((re.compile(r"\b(LEFT|LE|LH|L)\b"), "left"), (re.compile(r"\b(RIGHT|RI|RH|R)\b"), "right"))
PASSENGER = re.compile(r"PASS")
_STATE = re.compile(r"^d\d+$", re.ASCII)
_REDUNDANT = re.compile(r"REDUNDAN")


@dataclass
class Branch:
    """States of one branch in their order, with the ids and legends of its columns."""

    name: str
    ids: list[int] = field(default_factory=list)
    metadata: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    states: dict[str, list[NDArray[np.generic]]] = field(default_factory=dict)

    def legend(self, number: int) -> str:
        """The title of a history node, empty when it has none."""
        numbers = self.metadata.get("legend_ids")
        text = self.metadata.get("legend")
        if numbers is None or text is None or number not in numbers:
            return ""
        at = int(np.argmax(numbers == number)) * LEGEND_CHARACTERS
        return " ".join(
            text.tobytes()[at : at + LEGEND_CHARACTERS].decode("latin-1").replace("\0", " ").split()
        )

    def column(self, variable: str, number: int) -> NDArray[np.float64]:
        """Values of one id over the states, shape (states,).

        Raises:
            FileFormatError: a state without the variable or with another number of columns.
        """
        rows = self.states.get(variable, [])
        if len(rows) != len(self.times):
            raise FileFormatError(f"{self.name} has {variable} in {len(rows)} of {len(self.times)} states.")
        at = self.ids.index(number)
        for state, row in enumerate(rows, start=1):
            if row.size != len(self.ids):
                raise FileFormatError(
                    f"{self.name} has {row.size} values of {variable} in state {state}, but {len(self.ids)} ids."
                )
        return np.array([row[at] for row in rows], dtype=np.float64)


def read_binout(files: FileSet, options: ReadOptions) -> CrashTest:
    """Read one simulation: history nodes and rigid bodies, chosen by their legends or by id.

    Speeds are taken where they are written, and differentiated: nodal accelerations are raw. The speed at
    t = 0 is the vehicle's own. Files `binout0000`, `binout0001` and continuations `binout0000%001` are read
    together.

    Raises:
        FileFormatError: not a binout, cut off, or nothing in it that can be labelled.
        InputError: no system of units, or a channel named by hand that is not there.
    """
    names = _binouts(files)
    branches = _branches(files, names)
    if options.units is None:
        raise InputError(
            f"{files.label} holds numbers without units.",
            hint=f"Name the model's system of units (units, --units): {', '.join(UNIT_SYSTEMS)}.",
        )
    sensors = [
        _sensor(branch, number, options, alone=len(branches) == 1)
        for branch in branches
        for number in branch.ids
    ]
    offered = dict.fromkeys(sensor.seat for sensor in sensors if sensor.seat)
    chosen = [role for role in options.channels.chest if role in ROLES.values()]
    head = Head(
        test_number=PurePosixPath(names[0]).name,
        format="binout",
        title=files.label,
        seats=[Seat(role, role, {}) for role in dict.fromkeys((*offered, *chosen))],
    )
    test = assemble(head, sensors, options, files.label)
    return replace(test, features={"impact_speed_kmh": test.initial_speed_mps * KMH_PER_MPS})


def _binouts(files: FileSet) -> list[str]:
    found = [name for name in files.names if PurePosixPath(name).name.lower().startswith("binout")]
    found = found or list(files.names)
    folders = {PurePosixPath(name).parent for name in found}
    if not found or len(folders) > 1:
        listed = ", ".join(map(str, sorted(folders))) or "none"
        raise FileFormatError(
            f"{files.label} must hold the binout files of one run; found in: {listed}.", hint="Give one run."
        )
    return sorted(found)


def _branches(files: FileSet, names: Sequence[str]) -> list[Branch]:
    branches = {name: Branch(name) for name in BRANCHES}
    for file in names:
        content = files.read(file)
        for record in records(content, PurePosixPath(file).name):
            parts = record.folder.split("/")  # /nodout/d000001
            if len(parts) == 3 and parts[1] in branches:
                _add(branches[parts[1]], parts[2], record, content)
    found = [branch for branch in branches.values() if branch.times and branch.ids]
    if not found:
        raise FileFormatError(
            f"{files.label} holds no {' or '.join(BRANCHES)} states.",
            hint="Ask for *DATABASE_HISTORY_NODE and *DATABASE_NODOUT in the model.",
        )
    return found


def _add(branch: Branch, folder: str, record: LsdaRecord, content: bytes) -> None:
    if folder == "metadata":
        _add_metadata(branch, record, content)
    elif _STATE.match(folder) and record.name == "time":
        branch.times += [float(time) for time in array(content, record)[:1]]
    elif _STATE.match(folder) and record.name in BRANCHES[branch.name]:
        branch.states.setdefault(record.name, []).append(array(content, record).copy())


def _add_metadata(branch: Branch, record: LsdaRecord, content: bytes) -> None:
    if record.name == "ids":
        ids = [int(number) for number in array(content, record)]
        if branch.ids and ids != branch.ids:
            raise FileFormatError(
                f"{branch.name} has other ids in a later file.", hint="Give the files of one run."
            )
        if len(set(ids)) < len(ids):
            raise FileFormatError(f"{branch.name} names an id twice.")
        branch.ids = ids
    elif record.name in {"legend", "legend_ids"}:
        branch.metadata[record.name] = array(content, record)


def _place(legend: str) -> tuple[str, str]:
    """Place and seat that a legend tells; nothing is a place that cannot be told."""
    words = legend.upper().replace("_", " ")
    place = next((place for pattern, place in LEGEND_PLACES if pattern.search(words)), "")
    if place in CHEST_PLACES:
        return place, "passenger" if PASSENGER.search(words) else "driver"
    if place in {"", "vehicle_cg"}:
        return place, ""
    side = next((side for pattern, side in SIDES if pattern.search(words)), None)
    return f"{place}_{side}" if side else "vehicle", ""


def _sensor(branch: Branch, number: int, options: ReadOptions, *, alone: bool) -> Sensor:
    legend = branch.legend(number)
    place, seat = _place(legend)
    name = f"{number} {legend}" if legend else f"{branch.name} {number}"
    return Sensor(
        key=str(number) if alone else f"{branch.name}/{number}",
        name=name,
        place=place,
        load=partial(_load, branch, number, name, options.units or ""),
        seat=seat,
        redundant=bool(_REDUNDANT.search(legend.upper())),
        initial_speed_mps=_speed_at_contact(branch, number, options.units or ""),
    )


def _load(branch: Branch, number: int, name: str, units: str) -> Channel:
    acceleration_unit, velocity_unit, time_unit = UNIT_SYSTEMS[units]
    velocity_name, acceleration_name = BRANCHES[branch.name]
    has_velocity = velocity_name in branch.states
    values = branch.column(velocity_name if has_velocity else acceleration_name, number)
    time_s = np.array(branch.times) * factor(time_unit, "s", "time")
    if not is_usable(time_s) or not is_usable(values):
        raise FileFormatError("a time or a value is not finite, or beyond any measurement.")
    even, interval_s, start_s = even_grid(time_s, values)
    channel = Channel(
        values=even, sample_interval_s=interval_s, start_s=start_s,
        unit=velocity_unit if has_velocity else acceleration_unit,
        quantity="velocity" if has_velocity else "acceleration",
        location=branch.name, name=name, status="simulated",
    )  # fmt: skip
    return acceleration_of(channel) if has_velocity else channel


def _speed_at_contact(branch: Branch, number: int, units: str) -> float | None:
    """Speed of the first state when it is written; a run begins at the first contact."""
    rows = branch.states.get(BRANCHES[branch.name][0], [])
    at = branch.ids.index(number)
    if not rows or at >= rows[0].size:
        return None
    speed_mps = float(rows[0][at]) * factor(UNIT_SYSTEMS[units][1], "m/s", "velocity")
    return abs(speed_mps) if np.isfinite(speed_mps) else None
