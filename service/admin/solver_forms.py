"""A source's own solver between the inputs of a form and the API's `oracle_settings`.

Forms and drafts keep the texts as they were typed, so that neither an error nor a step back loses one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.admin.contexts.solver import SolverChoices, SolverInputs
from service.errors import FieldError, InputError
from service.vocabulary import Oracle

Typed = dict[str, Any]
Lists = Mapping[str, Sequence[str]]
ORACLES = {
    Oracle.OCCUPANT_MODEL.value: "a worker, with the built-in occupant model",
    Oracle.COMMAND.value: "a worker, with a solver of your own",
}
READERS = {
    "number": "a number in a JSON or CSV file",
    "binout": "curves: LS-DYNA binout",
    "iso_mme": "curves: ISO-MME",
    "ev5": "curves: NHTSA EV5",
    "tdms": "curves: TDMS",
    "csv": "curves: CSV table",
}
DEFAULTS = {"hours": "24", "exit_codes": "0", "log_mib": "4", "reader": "number", "occupant": "driver"}
_CURVES = ("occupant", "initial_speed_kmh", "speed_feature")
_OF_READER = {"number": ("field",), "binout": (*_CURVES, "units")}
TEXTS = (
    "command", "environment", "hours", "exit_codes", "log_mib", "memory_mib", "reader", "path", "field", "units",
    "mapping", "vehicle_channels", "chest_channels", *_CURVES,
)  # fmt: skip
SECONDS_PER_HOUR = 3600
MOST_HOURS = 720


def choices(allowed: Sequence[Path]) -> SolverChoices:
    return SolverChoices(ORACLES, READERS, [str(path) for path in allowed])


def typed_solver(lists: Lists, prefix: str) -> Typed:
    """What was typed into the inputs whose names begin with `prefix`."""
    texts = {name: _clean(next(iter(lists.get(prefix + name, [])), "")).strip() for name in TEXTS}
    paths, contents = (lists.get(f"{prefix}file_{part}", []) for part in ("path", "text"))
    files = [[_clean(path).strip(), _clean(text)] for path, text in zip(paths, contents, strict=False)]
    return texts | {"files": [pair for pair in files if any(pair)]}


def _clean(text: str) -> str:
    """Without what Postgres refuses, and with the line ends that a solver's machine expects: browsers send CRLF."""
    return text.replace("\x00", "").replace("\r\n", "\n")


def inputs_of(typed: Typed) -> SolverInputs:
    """The texts for the inputs; a forged draft may hold anything."""
    values = DEFAULTS | {name: text for name in TEXTS if (text := _text(typed, name)) or name in typed}
    return SolverInputs(dict.fromkeys(TEXTS, "") | values, [*_pairs(typed), ("", "")])


def settings_of(typed: Typed, place: str = "") -> dict[str, Any]:
    """The settings as the API takes them; it checks their limits.

    Args:
        typed: see `typed_solver`.
        place: what stands in front of the inputs' names in errors.

    Raises:
        InputError: a text cannot be read as what it should be.
    """
    try:
        return _document(typed)
    except _UnreadableError as error:
        errors = [FieldError(f"{place} {error.name}".strip(), error.why)]
        raise InputError("The solver's settings do not fit yet.", errors=errors) from error


class _UnreadableError(ValueError):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name, self.why = name, why


def _document(typed: Typed) -> dict[str, Any]:
    document: dict[str, Any] = {
        "command": [line.strip() for line in _text(typed, "command").splitlines() if line.strip()],
        "input_files": _input_files(typed),
        "environment": _parts(_text(typed, "environment")),
        "result": _result(typed),
    }
    if hours := _text(typed, "hours"):
        document["timeout_s"] = _seconds(hours)
    if codes := _parts(_text(typed, "exit_codes")):
        document["exit_codes"] = codes
    return document | {name: text for name in ("log_mib", "memory_mib") if (text := _text(typed, name))}


def _input_files(typed: Typed) -> dict[str, str]:
    pairs = _pairs(typed)
    names = [path for path, _ in pairs]
    if "" in names:
        raise _UnreadableError("input file", "has a text and no name: give its path in the working folder")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise _UnreadableError("input file", f"'{repeated[0]}' is given twice: rename or empty one of them")
    return dict(pairs)


def _result(typed: Typed) -> dict[str, Any]:
    reader = _text(typed, "reader")
    names = ("path", *_OF_READER.get(reader, _CURVES))
    result: dict[str, Any] = {"reader": reader} | {
        name: text for name in names if (text := _text(typed, name))
    }
    if reader == "number":
        return result
    if channels := _parts(_text(typed, "vehicle_channels")):
        result["vehicle_channels"] = channels
    if chests := _text(typed, "chest_channels"):
        result["chest_channels"] = _named(chests)
    if reader == "csv" and (mapping := _text(typed, "mapping")):
        result["mapping"] = _json(mapping)
    return result


def _seconds(hours: str) -> int:
    try:
        seconds = float(hours) * SECONDS_PER_HOUR
    except ValueError as error:
        raise _UnreadableError("time limit", f"'{hours[:40]}' is no number of hours, such as 1.5") from error
    if not 1 <= seconds <= MOST_HOURS * SECONDS_PER_HOUR:  # neither is a NaN
        raise _UnreadableError("time limit", f"must be a second or more and at most {MOST_HOURS} hours")
    return round(seconds)


def _named(text: str) -> dict[str, str]:
    """`driver=001, passenger=003` by occupant."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if wrong := next(
        (name for name, sign, value in pairs if not (sign and name.strip() and value.strip())), None
    ):
        why = f"'{wrong.strip()[:40]}' names no channel: write driver=001, passenger=003"
        raise _UnreadableError("chest channels", why)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("columns of the table", f"is no JSON: {error}") from error


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _text(typed: Typed, name: str) -> str:
    value = typed.get(name)
    return value if isinstance(value, str) else ""


def _pairs(typed: Typed) -> list[tuple[str, str]]:
    files = typed.get("files")
    pairs: Iterable[Any] = files if isinstance(files, list) else ()
    return [
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, list) and [type(part) for part in pair] == [str, str]
    ]
