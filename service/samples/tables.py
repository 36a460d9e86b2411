"""Rows out of JSON, NDJSON and CSV bodies; a row that cannot be read becomes a complaint, not an end."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping

from pydantic_core import from_json

from service.campaigns.schemas import Feature
from service.errors import FieldError, InputError, TooLargeError
from service.vocabulary import FeatureKind

# A row as a document for `parse_sample`, or what is wrong with it.
Row = dict[str, object] | list[FieldError]
_TEXT_COLUMNS = ("external_id", "source", "split", "group", "label_definition")
_EXECUTED = "executed."
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
    for cells in lines:
        if len(cells) != len(header):
            yield [
                FieldError(
                    "", f"has {len(cells)} cells, the header has {len(header)}: check quotes and commas"
                )
            ]
        else:
            yield _csv_row(dict(zip(header, cells, strict=True)), features)


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


def _csv_row(cells: Mapping[str, str], features: Mapping[str, Feature]) -> Row:
    planned: dict[str, object] = {}
    executed: dict[str, object] = {}
    row: dict[str, object] = {"planned_features": planned}
    for name, cell in cells.items():
        text = cell.strip()
        if not text:
            continue
        if name in features:
            planned[name] = _csv_value(text, features[name].kind)
        elif name.startswith(_EXECUTED):
            feature = name.removeprefix(_EXECUTED)
            executed[feature] = _csv_value(text, features[feature].kind)
        else:
            row[name] = _csv_value(text, FeatureKind.CONTINUOUS) if name == "target" else text
    if executed:
        row["executed_features"] = executed
    return row


def _csv_value(text: str, kind: FeatureKind) -> object:
    """The typed value of a cell; text that does not fit stays text, for the check to complain about."""
    if kind is FeatureKind.CATEGORICAL:
        return text
    if kind is FeatureKind.BOOLEAN:
        lower = text.lower()
        return True if lower in _TRUE else False if lower in _FALSE else text
    try:
        return text if "_" in text else float(text)  # Python reads 1_5 as fifteen: nobody else does
    except ValueError:
        return text
