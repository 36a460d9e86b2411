"""What a form's values do wrong, in the words of the page: pydantic's places and messages are for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from service.errors import FieldError

LONGEST_QUOTE = 40
# Names that say more to people than the API's.
_WORDS = {
    "oracle": "who runs it", "oracle_settings": "solver", "timeout_s": "time limit (s)", "log_mib": "kept log (MiB)",
    "memory_mib": "memory (MiB)", "environment": "variables", "input_files": "input file", "path": "file",
    "mapping": "columns of the table", "initial_speed_kmh": "initial speed (km/h)",
}  # fmt: skip
_COUNTED = {"command": "line", "environment": "name", "exit_codes": "number"}
_TELL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: _MISSING,
    "string_too_short": lambda about: _at_least(about["min_length"], " characters"),
    "string_too_long": lambda about: f"may have {about['max_length']:,} characters at most",
    "too_short": lambda about: _at_least(about["min_length"], ""),
    "too_long": lambda about: f"may have {about['max_length']:,} at most",
    "greater_than": lambda about: f"must be above {about['gt']:,}",
    "greater_than_equal": lambda about: f"must be at least {about['ge']:,}",
    "less_than": lambda about: f"must be below {about['lt']:,}",
    "less_than_equal": lambda about: f"must be at most {about['le']:,}",
    "enum": lambda about: f"must be one of {about['expected']}",
    "literal_error": lambda about: f"must be one of {about['expected']}",
    "decimal_max_places": lambda about: f"may have {about['decimal_places']} decimals at most",
    "finite_number": lambda _: "must be a finite number",
}
_MISSING = "is missing: fill it in"
# Tags of a union in pydantic's places.
_READERS = frozenset({"number", "ev5", "iso_mme", "tdms", "binout", "csv"})
_NO_NUMBER = {"float_parsing", "float_type", "decimal_parsing", "decimal_type"}
_NO_WHOLE_NUMBER = {"int_parsing", "int_type", "int_from_float"}


def errors_of(error: ValidationError, place: Callable[[Sequence[int | str]], str]) -> list[FieldError]:
    """Each field that does not fit, by its place on the page."""
    return [FieldError(place(item["loc"]), _message(item)) for item in error.errors(include_url=False)]


def _message(item: Mapping[str, Any]) -> str:
    kind, quoted = item["type"], f"'{str(item['input'])[:LONGEST_QUOTE]}'"
    if kind in _NO_NUMBER:
        return f"{quoted} is no number"
    if kind in _NO_WHOLE_NUMBER:
        return f"{quoted} is no whole number"
    tell = _TELL.get(kind)
    return tell(item.get("ctx", {})) if tell else item["msg"].removeprefix("Value error, ")


def _at_least(count: int, what: str) -> str:
    return _MISSING if count == 1 else f"needs {count:,}{what} or more"


def place_of(location: Sequence[int | str]) -> str:
    """`feature_schema, 3, minimum` as `feature schema row 4 minimum`."""
    parts: list[str] = []
    before: int | str = ""
    for part in location:
        if not (before == "result" and part in _READERS):
            parts.append(_part(part, before))
        before = part
    return " ".join(parts)


def _part(part: int | str, before: int | str) -> str:
    if isinstance(part, int):
        return f"{_COUNTED.get(str(before), 'row')} {part + 1}"
    if before == "input_files":
        return f"'{part}'"  # a file's own name
    return _WORDS.get(part, part.replace("_", " "))


def place_of_pointer(pointer: str) -> str:
    """The same for a JSON pointer; what is none, such as a place in words, stays as it is."""
    if not pointer.startswith("/"):
        return pointer
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    return place_of([int(part) if part.isdecimal() else part for part in parts])
