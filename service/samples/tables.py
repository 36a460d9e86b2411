"""Rows out of JSON, NDJSON and CSV bodies; a row that cannot be read becomes a complaint, not an end."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pydantic_core import from_json

from service.campaigns.schemas import Feature
from service.errors import FieldError, InputError, TooLargeError
from service.vocabulary import FeatureKind

# A row as a document for `parse_sample`, or what is wrong with it.
Row = dict[str, object] | list[FieldError]
_TEXT_COLUMNS = ("external_id", "source", "split", "group", "label_definition")
_EXECUTED = "executed."
BLOCK_LINES = 4096  # of CSV, turned into typed columns at once
# ValueError: not JSON, or a number of thousands of digits.
UNREADABLE_JSON = (ValueError, RecursionError)
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def read_rows(body: bytes, content_type: str, features: Mapping[str, Feature], *, most: int) -> list[Row]:
    """All rows of a bulk request.

    Raises:
        InputError: when nothing can be read: not text, no rows, an unknown column, another content type.
        TooLargeError: when there are more than `most` rows.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The body is not UTF-8 text.", hint="Save the file as UTF-8.") from error
    readers = {"application/json": _read_json, "application/x-ndjson": _read_ndjson}
    kind = content_type.partition(";")[0].strip().lower()
    rows: list[Row] = []
    if kind == "text/csv":
        source = _read_csv(text, features)
    elif kind in readers:
        source = readers[kind](text)
    else:
        hint = "Send application/json, application/x-ndjson or text/csv."
        raise InputError(f"Content type '{kind}' is not known here.", hint=hint)
    for row in source:
        if len(rows) == most:
            raise TooLargeError(f"More than {most:,} rows.", hint="Send them in several requests.")
        rows.append(row)
    if not rows:
        raise InputError("There are no rows.", hint="The file is empty: send at least one sample.")
    return rows


def _read_json(text: str) -> Iterator[Row]:
    try:
        document = _parsed(text or "null")
    except UNREADABLE_JSON as error:
        raise InputError(f"The body is not JSON: {error}.") from error
    rows = document.get("samples") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise InputError("No list of samples.", hint='Send {"samples": [...]} or a JSON array.')
    for row in rows:
        yield row if isinstance(row, dict) else [FieldError("", "expects an object")]


def _parsed(text: str) -> object:
    """By the fast parser; what it refuses is read again by the standard library, which takes and tells more."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def _read_ndjson(text: str) -> Iterator[Row]:
    for line in text.split("\n"):  # only that: a JSON text may hold the other line ends of Unicode
        if not line.strip():
            continue
        try:
            row = _parsed(line)
        except UNREADABLE_JSON as error:
            yield [FieldError("", f"not JSON: {error}")]
        else:
            yield row if isinstance(row, dict) else [FieldError("", "expects an object")]


def _read_csv(text: str, features: Mapping[str, Feature]) -> Iterator[Row]:
    lines = _csv_lines(text)
    header = [name.strip() for name in next(lines, [])]
    if not header:
        return
    _check_header(header, features)
    while block := list(islice(lines, BLOCK_LINES)):
        yield from _csv_rows(header, block, features)


def _csv_rows(header: list[str], lines: list[list[str]], features: Mapping[str, Feature]) -> Iterator[Row]:
    """Column by column: a call for each cell would take most of the time."""
    whole = [cells for cells in lines if len(cells) == len(header)]
    columns = [
        _column(name, cells, features) for name, cells in zip(header, zip(*whole, strict=True), strict=False)
    ]
    documents = iter(_documents(header, columns, features))
    for cells in lines:
        if len(cells) == len(header):
            yield next(documents)
        else:
            message = f"has {len(cells)} cells, the header has {len(header)}: check quotes and commas"
            yield [FieldError("", message)]


def _documents(
    header: list[str], columns: list[list[object]], features: Mapping[str, Feature]
) -> Iterator[dict[str, object]]:
    """A document for each line; an empty cell stands nowhere in it."""
    named = dict(zip(header, columns, strict=False))  # without any whole line there are no columns
    planned = {name: column for name, column in named.items() if name in features}
    executed = {
        name.removeprefix(_EXECUTED): column for name, column in named.items() if name.startswith(_EXECUTED)
    }
    others = {
        name: column
        for name, column in named.items()
        if name not in features and not name.startswith(_EXECUTED)
    }
    count = len(columns[0]) if columns else 0
    for row, design, run in zip(
        _given(others, count), _given(planned, count), _given(executed, count), strict=True
    ):
        row["planned_features"] = design
        if run:
            row["executed_features"] = run
        yield row


def _given(columns: Mapping[str, list[object]], count: int) -> Iterator[dict[str, object]]:
    if not columns:
        yield from ({} for _ in range(count))
        return
    names = tuple(columns)
    for cells in zip(*columns.values(), strict=True):
        yield {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}


def _column(name: str, cells: Sequence[str], features: Mapping[str, Feature]) -> list[object]:
    """The typed values of a column, None where a cell is empty."""
    feature = features.get(name.removeprefix(_EXECUTED))
    if feature is None:
        kind = FeatureKind.CONTINUOUS if name == "target" else FeatureKind.CATEGORICAL
    else:
        kind = feature.kind
    if kind is FeatureKind.CONTINUOUS and not any("_" in cell for cell in cells):
        try:
            return list(map(float, cells))
        except ValueError:  # some cell is empty or holds a word
            pass
    return [_csv_value(text, kind) if (text := cell.strip()) else None for cell in cells]


def _csv_lines(text: str) -> Iterator[list[str]]:
    """Cells of the lines that hold any; all ways to end a line are understood."""
    try:
        yield from filter(None, csv.reader(io.StringIO(text, newline=None)))
    except csv.Error as error:
        raise InputError(
            f"The body is not CSV: {error}.", hint="Check quotes; a cell may be short."
        ) from error


def _check_header(header: list[str], features: Mapping[str, Feature]) -> None:
    known = {*_TEXT_COLUMNS, "target", *features, *(_EXECUTED + name for name in features)}
    unknown = [name for name in header if name not in known]
    twice = {name for name in header if header.count(name) > 1}
    if unknown or twice:
        errors = [FieldError(f"/columns/{name}", "unknown column") for name in unknown]
        errors += [FieldError(f"/columns/{name}", "stands twice") for name in sorted(twice)]
        hint = f"Columns are: {', '.join(_TEXT_COLUMNS)}, target, and the features {', '.join(features)}."
        raise InputError("The header does not fit the campaign.", hint=hint, errors=errors)


def _csv_value(text: str, kind: FeatureKind) -> object:
    """The typed value of a cell; text that does not fit stays text, for the check to complain about."""
    if kind is FeatureKind.CATEGORICAL:
        return text
    if kind is FeatureKind.BOOLEAN:
        lower = text.lower()
        return True if lower in _TRUE else False if lower in _FALSE else text
    try:
        if kind is FeatureKind.INTEGER and text.isdecimal():
            return int(text)
        return text if "_" in text else float(text)  # Python reads 1_5 as fifteen: nobody else does
    except ValueError:
        return text
