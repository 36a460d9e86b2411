"""How a worker drives a solver: command, input files, limits, and where the label is found afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.campaigns.placeholders import Value, complaints
from service.errors import FieldError, InputError, json_pointer

if TYPE_CHECKING:
    from service.campaigns.schemas import Feature, SourceCreate
    from service.ingest import ReadOptions

KMH_PER_MPS = 3.6
LARGEST_TEMPLATE = 2**20
# What a template may name beside the features.
RUN_VALUES: Mapping[str, Value] = {"folder": "/folder/of/the/run", "recommendation": 1}
_EXAMPLES: Mapping[str, Value] = {"continuous": 1.5, "integer": 1, "categorical": "a", "boolean": True}


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("is not a path inside the working folder: name it relative, without `..`")
    return path


def _not_ours(name: str) -> str:
    if name.upper().startswith("CRASHSCOUT_"):
        raise ValueError("is a setting of Crashscout, which may hold a secret: name others")
    return name


Argument = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
InnerPath = Annotated[Short, AfterValidator(_inside)]
Variable = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"), AfterValidator(_not_ours)
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NumberResult(_Strict):
    """The label stands in a file as a number."""

    reader: Literal["number"]
    path: InnerPath = Field(description="A .json file, or a .csv file whose last line counts.")
    field: Short = Field(description="JSON: names from the outside in with dots between; CSV: the heading.")


class SignalResult(_Strict):
    """The solver writes curves, of which the label is computed as of a test's."""

    reader: Literal["ev5", "iso_mme", "tdms", "binout", "csv"]
    path: InnerPath = Field(".", description="File or folder; `.` is the working folder.")
    occupant: Short = "driver"
    units: Short | None = Field(None, description="binout: the model's system, such as kg-mm-ms.")
    mapping: dict[str, Any] | None = Field(None, description="csv: units and roles of the columns.")
    initial_speed_kmh: float | None = Field(None, gt=0, description="Instead of the file's.")
    speed_feature: Short | None = Field(None, description="The feature that holds that speed in km/h.")
    vehicle_channels: list[Short] = Field(default_factory=list, max_length=20)
    chest_channels: dict[Short, Short] = Field(default_factory=dict, max_length=20)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.initial_speed_kmh is not None and self.speed_feature is not None:
            raise ValueError("`initial_speed_kmh` and `speed_feature` both name the speed: give one")
        if self.reader == "csv" and self.mapping is None:
            raise ValueError("a csv needs its `mapping`: units and roles of the columns")
        self.options({})
        return self

    def options(self, design: Mapping[str, Any]) -> ReadOptions:
        """The same for `service.ingest.read_crash_test`, with the speed of the design.

        Raises:
            ValueError: units or mapping that no reader knows.
        """
        from service.ingest import ChannelChoice, ReadOptions, TableMapping  # readers are much to load

        speed_kmh = self.initial_speed_kmh or design.get(self.speed_feature or "")
        try:
            return ReadOptions(
                channels=ChannelChoice(tuple(self.vehicle_channels), dict(self.chest_channels)),
                initial_speed_mps=None if speed_kmh is None else float(speed_kmh) / KMH_PER_MPS,
                units=self.units,
                mapping=None if self.mapping is None else TableMapping.model_validate(self.mapping),
            )
        except InputError as error:
            raise ValueError(str(error)) from error


class CommandOracle(_Strict):
    """A solver that a worker runs for each design, in a fresh folder and without a shell.

    Arguments and input files may hold `@{feature}`, `@{feature:10.3f}`, `@{folder}` and `@{recommendation}`.
    """

    command: list[Argument] = Field(
        min_length=1, max_length=200, description="The executable's absolute path, then its arguments."
    )
    input_files: dict[InnerPath, Annotated[str, StringConstraints(max_length=LARGEST_TEMPLATE)]] = Field(
        default_factory=dict, max_length=50, description="Path in the working folder to its text."
    )
    environment: list[Variable] = Field(
        default_factory=list, max_length=100, description="Variables of the worker that the solver may see."
    )
    timeout_s: int = Field(86_400, ge=1, le=30 * 86_400)
    exit_codes: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        default_factory=lambda: [0], min_length=1, max_length=256, description="Those that mean success."
    )
    log_mib: int = Field(
        4, ge=1, le=1024, description="Of a longer log the first and the last half are kept."
    )
    memory_mib: int | None = Field(None, ge=16, description="Address space of a process; null: no limit.")
    result: Annotated[NumberResult | SignalResult, Field(discriminator="reader")]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        executable = self.command[0]
        if not os.path.isabs(executable) or "@{" in executable:
            raise ValueError("command: the executable is named by its absolute path, without placeholders")
        return self


def is_allowed(executable: str, allowed: Iterable[Path]) -> bool:
    """Whether an operator has named the executable, by this very path."""
    return executable in {str(path) for path in allowed}


def check_oracles(
    sources: Sequence[SourceCreate], features: Sequence[Feature], allowed: Sequence[Path]
) -> None:
    """Refuse commands that no operator allows, and templates with unknown placeholders.

    Raises:
        InputError: naming each.
    """
    errors = [
        FieldError(json_pointer(["sources", index, "oracle_settings", *where]), message)
        for index, source in enumerate(sources)
        if source.oracle_settings is not None
        for where, message in _wrong(source.oracle_settings, features, allowed)
    ]
    if errors:
        raise InputError("A source's oracle cannot be used.", errors=errors)


def _wrong(
    oracle: CommandOracle, features: Sequence[Feature], allowed: Sequence[Path]
) -> Iterator[tuple[Sequence[str | int], str]]:
    if not is_allowed(oracle.command[0], allowed):
        yield ("command", 0), _forbidden(oracle.command[0], allowed)
    examples = _examples(features)
    for index, argument in enumerate(oracle.command[1:], 1):
        yield from ((("command", index), message) for message in complaints(argument, examples))
    for path, text in oracle.input_files.items():
        yield from ((("input_files", path), message) for message in complaints(text, examples))
    speed = oracle.result.speed_feature if isinstance(oracle.result, SignalResult) else None
    if speed is not None and speed not in {feature.name for feature in features if feature.is_number}:
        yield ("result", "speed_feature"), f"'{speed}' is no feature that holds a number"


def _examples(features: Sequence[Feature]) -> dict[str, Value]:
    own: dict[str, Value] = {feature.name: _EXAMPLES[feature.kind.value] for feature in features}
    return {**RUN_VALUES, **own}


def _forbidden(executable: str, allowed: Sequence[Path]) -> str:
    known = f"it names {', '.join(map(str, allowed))}" if allowed else "it is empty"
    return (
        f"'{executable}' is not an executable that workers may run: an operator allows it "
        f"by CRASHSCOUT_ORACLE_COMMANDS ({known})"
    )
