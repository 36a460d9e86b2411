"""What the columns of a table mean: a JSON document beside the file, because a table has no units or roles.

{"time": {"column": "Time", "unit": "ms"},
"initial_speed": {"value": 56.0, "unit": "km/h"},
"channels": [
{"column": "B-pillar ax", "unit": "g", "axis": "x", "role": "vehicle"},
{"column": 3, "unit": "mm/ms", "axis": "x", "role": "chest", "occupant": "driver", "sign": -1}],
"delimiter": ",", "decimal": ".", "header_rows": 1, "features": {"test_mass_kg": 1719}}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.errors import FieldError, InputError, json_pointer
from service.signals.units import UNIT_FACTORS, factor, parse_unit

Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)]
LARGEST_MAPPING_BYTES = 2**20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TimeColumn(_Strict):
    """Sample times: `column` is a heading or a number from 1, `unit` s, ms or us."""

    column: Column
    unit: str

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        return _parsed(unit, ("time",))[1]

    @property
    def seconds(self) -> float:
        """Factor to seconds."""
        return factor(self.unit, "s", "time")


class Speed(_Strict):
    """Speed of the car at the first contact."""

    value: float = Field(gt=0)
    unit: str

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        return _parsed(unit, ("velocity",))[1]

    @property
    def mps(self) -> float:
        return self.value * factor(self.unit, "m/s", "velocity")


class ChannelColumn(_Strict):
    """One signal: an acceleration or a velocity, told by its unit.

    Attributes:
        axis: only x is used; others may be named and are left out with a reason.
        role: `vehicle`, `chest`, or `other` to be chosen by hand only.
        occupant: driver, passenger ...; demanded for a chest.
        place: where a vehicle sensor sits, of `VEHICLE_PLACES`; left and right are averaged.
        sign: -1 turns a signal whose positive direction is rearward.
    """

    column: Column
    unit: str
    axis: Literal["x", "y", "z"]
    role: Literal["vehicle", "chest", "other"]
    occupant: str = ""
    place: str = "vehicle"
    redundant: bool = False
    sign: Literal[1, -1] = 1

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        return _parsed(unit, ("acceleration", "velocity"))[1]

    @model_validator(mode="after")
    def _has_occupant(self) -> ChannelColumn:
        if (self.role == "chest") != bool(self.occupant):
            raise ValueError("a chest, and nothing else, names its occupant")
        return self

    @property
    def quantity(self) -> str:
        return _parsed(self.unit, ("acceleration", "velocity"))[0]


class TableMapping(_Strict):
    """Columns of a table with their units and roles; the module's docstring shows one."""

    time: TimeColumn
    channels: tuple[ChannelColumn, ...] = Field(min_length=1)
    initial_speed: Speed | None = None
    delimiter: Literal[",", ";", "\t", "|", " "] = ","
    decimal: Literal[".", ","] = "."
    header_rows: int = Field(1, ge=0, le=100)
    title: str = ""
    features: dict[str, float | str | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _readable(self) -> TableMapping:
        if self.decimal == self.delimiter:
            raise ValueError("the decimal sign cannot be the delimiter")
        by_name = [
            column
            for column in (self.time.column, *(channel.column for channel in self.channels))
            if isinstance(column, str)
        ]
        if by_name and not self.header_rows:
            raise ValueError(f"column {by_name[0]!r} is named, but header_rows is 0")
        return self


def _parsed(unit: str, quantities: tuple[str, ...]) -> tuple[str, str]:
    """Quantity and spelling of a unit that may belong to one of several quantities."""
    for quantity in quantities:
        try:
            return quantity, parse_unit(unit, quantity)
        except InputError:
            continue
    known = ", ".join(name for quantity in quantities for name in UNIT_FACTORS[quantity])
    raise ValueError(f"{unit!r} is not a unit of {' or '.join(quantities)}; known: {known}")


def parse_mapping(text: str | bytes, label: str) -> TableMapping:
    """Read a mapping.

    Raises:
        InputError: not JSON, or a field that is missing, unknown or wrong; all of them are named.
    """
    try:
        return TableMapping.model_validate(json.loads(text))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise InputError(f"The mapping {label} is not JSON: {error}.") from error
        wrong = [FieldError(json_pointer(item["loc"]), item["msg"]) for item in error.errors()]
        said = "; ".join(f"{item.pointer or '/'}: {item.message}" for item in wrong)
        raise InputError(f"The mapping {label} is wrong: {said}.", errors=wrong) from error


def load_mapping(path: Path) -> TableMapping:
    """Read a mapping from a JSON file.

    Raises:
        InputError: not there, too large, or wrong.
    """
    try:
        if path.stat().st_size > LARGEST_MAPPING_BYTES:
            raise InputError(f"The mapping {path.name} is larger than 1 MB.")
        return parse_mapping(path.read_bytes(), path.name)
    except OSError as error:
        raise InputError(f"The mapping {path} cannot be read: {error.strerror}.") from error
