"""Header lines, index and channel files of ISO-MME (ISO/TS 13499)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError
from service.ingest.numbers import finite_number, is_plain, is_usable

MISSING = {"", "NOVALUE"}
MAX_HEADER_LINES = 300
MAX_SAMPLES = 1_100_000
_HEADER_LINE = re.compile(r"^\s*([^:]{1,80}?)\s*:(.*)$")
_INDEX_KEY = re.compile(r"^name of channel (\d{1,6})$", re.ASCII)
_CODE = re.compile(r"^[0-9A-Z?]{15,16}$")


@dataclass(frozen=True)
class Header:
    """Keys in lower case with single blanks → values; `repeated` are the keys that contradict themselves."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, key: str) -> str | None:
        """The value; None when absent, blank or NOVALUE.

        Raises:
            FileFormatError: the key occurs twice with different values.
        """
        if key in self.repeated:
            raise FileFormatError(f"{key!r} is given twice with different values.")
        value = self.values.get(key, "")
        return None if value.upper() in MISSING else value

    def need(self, key: str) -> str:
        """The value of a key that must be there.

        Raises:
            FileFormatError: it is not, or occurs twice.
        """
        value = self.get(key)
        if value is None:
            raise FileFormatError(f"{key!r} is missing.")
        return value


@dataclass(frozen=True)
class ChannelCode:
    """The parts of a 16-character channel code that choose a channel (ISO/TS 13499, related documents)."""

    test_object: str
    position: str
    location: str
    fine: str
    dummy: str
    dimension: str
    direction: str
    filter_class: str


def parse_code(text: str) -> ChannelCode:
    """The parts of a channel code; a missing filter class is unknown.

    Raises:
        FileFormatError: not 15 or 16 letters, digits or question marks.
    """
    code = text.strip().upper()
    if not _CODE.match(code):
        raise FileFormatError(f"{text.strip()[:40]!r} is not a channel code of 16 characters.")
    return ChannelCode(
        code[0], code[1], code[2:6], code[6:10], code[10:12], code[12:14], code[14], code[15:] or "?"
    )


def parse_header(text: str) -> tuple[Header, list[str]]:
    """Split a file into its `Key   :value` lines and what follows them."""
    lines = text.splitlines()
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for number, line in enumerate(lines[:MAX_HEADER_LINES]):
        found = _HEADER_LINE.match(line)
        if not found:
            if line.strip():
                return Header(values, frozenset(repeated)), lines[number:]
            continue
        key, value = " ".join(found.group(1).lower().split()), found.group(2).strip()
        if values.setdefault(key, value) != value:
            repeated.add(key)
    return Header(values, frozenset(repeated)), lines[MAX_HEADER_LINES:]


def parse_index(text: str) -> dict[int, str]:
    """Channel number → `CODE / NAME` of a .chn file."""
    entries: dict[int, str] = {}
    for line in text.splitlines():
        found = _HEADER_LINE.match(line)
        key = _INDEX_KEY.match(" ".join(found.group(1).lower().split())) if found else None
        if found and key:
            entries.setdefault(int(key.group(1)), found.group(2).strip())
    return entries


def parse_samples(lines: list[str]) -> NDArray[np.float64]:
    """Values after a channel's header, one a line, shape (n,).

    Raises:
        FileFormatError: none, too many, or a line that is not one finite number.
    """
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise FileFormatError("it has a header and no data.")
    if len(lines) > MAX_SAMPLES:
        raise FileFormatError(f"it has {len(lines)} samples; at most {MAX_SAMPLES} are read.")
    convert = float if is_plain("\n".join(lines)) else finite_number
    try:
        values = np.array([convert(line) for line in lines], dtype=np.float64)
    except ValueError:
        raise _wrong_line(lines) from None
    if not is_usable(values):
        raise _wrong_line(lines)
    return values


def _wrong_line(lines: list[str]) -> FileFormatError:
    missing = sum(line.strip().upper() == "NOVALUE" for line in lines)
    for number, line in enumerate(lines, start=1):
        cell = line.strip()
        if cell.upper() == "NOVALUE":
            return FileFormatError(f"{missing} samples are NOVALUE, the first is sample {number}.")
        try:
            finite_number(cell)
        except ValueError as error:
            return FileFormatError(f"sample {number}, {cell[:40]!r}, {error}.")
    raise AssertionError("only called for lines of which one is wrong")
