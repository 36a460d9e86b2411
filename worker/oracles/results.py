"""The label in what a solver wrote: a number in a file, or curves that are labelled as a test's are."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.acquisitions.schemas import Completion
from service.campaigns.oracles import NumberResult, SignalResult
from service.ingest import label_occupants, read_crash_test
from service.uploads.processing import report_of
from service.uploads.proposals import label_details
from worker.oracles.errors import SolverError

LARGEST_RESULT = 16 * 2**20


def read_result(
    folder: Path, result: NumberResult | SignalResult, design: Mapping[str, Any], definition: str
) -> Completion:
    """The label of a finished run.

    Args:
        folder: where the solver ran.
        result: which file, and how to read it.
        design: planned features.
        definition: the campaign's rule of labels.

    Raises:
        SolverError: there is no such file, or no label in it.
        CrashscoutError: the reader's own words.
    """
    path = folder / result.path
    if not path.exists():
        raise SolverError("no_result", f"the solver wrote no '{result.path}': see {folder.name}/solver.log")
    if isinstance(result, NumberResult):
        return Completion(target=_number(path, result), label_definition=definition)
    return _from_curves(path, result, design, definition)


def _number(path: Path, result: NumberResult) -> float:
    text = _text(path)
    found = _of_table(text, result) if path.suffix.lower() == ".csv" else _of_document(text, result)
    try:
        number = float(found)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(found, bool) or not math.isfinite(number):
        shown = str(found)[:60]
        raise SolverError("invalid_result", f"'{result.field}' in '{result.path}' is {shown!r}: no number")
    return number


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_RESULT:
        raise SolverError("invalid_result", f"'{path.name}' is larger than 16 MiB: name a smaller file")
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SolverError("invalid_result", f"'{path.name}' is no text file: {error}") from error


def _of_document(text: str, result: NumberResult) -> Any:  # noqa: ANN401 - any JSON value
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SolverError("invalid_result", f"'{result.path}' is no JSON: {error}") from error
    for name in result.field.split("."):
        if not isinstance(found, dict) or name not in found:
            raise SolverError("invalid_result", f"'{result.path}' has no '{result.field}'")
        found = found[name]
    return found


def _of_table(text: str, result: NumberResult) -> Any:  # noqa: ANN401 - a cell
    try:
        lines = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise SolverError("invalid_result", f"'{result.path}' is no CSV: {error}") from error
    if not lines or result.field not in lines[-1]:
        raise SolverError("invalid_result", f"'{result.path}' has no column '{result.field}' with a value")
    return lines[-1][result.field]


def _from_curves(path: Path, result: SignalResult, design: Mapping[str, Any], definition: str) -> Completion:
    test = read_crash_test(path, file_format=result.reader, options=result.options(design))
    report = report_of(test, label_occupants(test, definition=definition))
    seats = [seat for seat in report["occupants"] if seat["occupant"] == result.occupant]
    if not seats:
        known = ", ".join(seat["occupant"] for seat in report["occupants"])
        raise SolverError("invalid_result", f"there is no occupant '{result.occupant}', only: {known}")
    seat = seats[0]
    if seat["rolc_g"] is None:
        raise SolverError("no_label", f"the curves give no label: {', '.join(seat['flags'])}")
    return Completion(
        target=seat["rolc_g"], label_definition=seat["label_definition"], label_details=label_details(seat)
    )
