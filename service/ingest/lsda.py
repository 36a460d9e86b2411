"""LSDA, the container of LS-DYNA's binout files: records that change folder or hold one array.

Header: one byte each for its own length, the widths of length, offset, command and type fields, byte order
(0 big, 1 little) and floating point format (0 IEEE). Then records: length (with itself), command, body. Only
CD (2) and DATA (3) are looked at; the symbol tables (4-7), which repeat where data lie, are skipped, so that
a file whose solver was killed before it wrote them can be read as far as it goes.

Own reader: lasso-python, the only kept package, pins rich, psutil and pandas to old majors and brings 630 MB.
Files that it wrote are read here to the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError

CD, DATA = 2, 3
# 1-8: signed and unsigned integers of 1, 2, 4, 8 bytes; 9, 10: floats of 4 and 8 bytes.
TYPES = {1: "i1", 2: "i2", 3: "i4", 4: "i8", 5: "u1", 6: "u2", 7: "u4", 8: "u8", 9: "f4", 10: "f8"}
HEADER_FIELDS = 7
WIDTHS = {1, 2, 4, 8}
COMMANDS = range(1, 8)


@dataclass(frozen=True)
class LsdaRecord:
    """One array: `folder` and `name` say what it is, `offset` and `size` where its bytes lie."""

    folder: str
    name: str
    dtype: np.dtype[np.generic]
    offset: int
    size: int


@dataclass(frozen=True)
class _Layout:
    header: int
    length: int
    command: int
    type: int
    order: str

    def number(self, content: bytes, at: int, width: int) -> int:
        return int.from_bytes(content[at : at + width], "little" if self.order == "<" else "big")


def is_lsda(head: bytes) -> bool:
    """Whether a file begins like LSDA."""
    try:
        _layout(head, "")
    except FileFormatError:
        return False
    return True


def _layout(content: bytes, label: str) -> _Layout:
    if len(content) < HEADER_FIELDS:
        raise FileFormatError(f"{label} is too short for a binout.")
    header, length, offset, command, kind, order, floats = content[:HEADER_FIELDS]
    fits = header >= HEADER_FIELDS and {length, offset, command, kind} <= WIDTHS
    if not fits or order not in {0, 1} or floats != 0:
        raise FileFormatError(f"{label} does not begin like a binout (LSDA).")
    return _Layout(header, length, command, kind, "<" if order == 1 else ">")


def records(content: bytes, label: str) -> Iterator[LsdaRecord]:
    """Arrays of a file in their order; O(records), the data stay untouched.

    Raises:
        FileFormatError: not LSDA, or cut off or damaged: the message names the byte.
    """
    layout = _layout(content, label)
    at, folder = layout.header, PurePosixPath("/")
    while at < len(content):
        body = at + layout.length + layout.command
        size = layout.number(content, at, layout.length)
        command = layout.number(content, at + layout.length, layout.command)
        end = at + size
        if end > len(content) or end < body or command not in COMMANDS:
            raise FileFormatError(f"{label} is truncated or damaged at byte {at}.", hint="Copy it again.")
        if command == CD:
            folder = _changed(folder, content[body:end].decode("latin-1"))
        elif command == DATA:
            yield _array(content, layout, folder, body, end, label)
        at = end


def _changed(folder: PurePosixPath, path: str) -> PurePosixPath:
    for part in PurePosixPath(path).parts:
        folder = folder.parent if part == ".." else folder / part
    return folder


def _array(
    content: bytes, layout: _Layout, folder: PurePosixPath, body: int, end: int, label: str
) -> LsdaRecord:
    kind = TYPES.get(layout.number(content, body, layout.type))
    name_at = body + layout.type + 1
    data_at = name_at + content[name_at - 1]
    if kind is None or data_at > end or (end - data_at) % np.dtype(kind).itemsize:
        raise FileFormatError(f"{label} is damaged at byte {body}.", hint="Copy it again.")
    name = content[name_at:data_at].decode("latin-1")
    return LsdaRecord(str(folder), name, np.dtype(layout.order + kind), data_at, end - data_at)


def array(content: bytes, record: LsdaRecord) -> NDArray[np.generic]:
    """The values of a record, shape (k,)."""
    count = record.size // record.dtype.itemsize
    return np.frombuffer(content, record.dtype, count, record.offset)
