"""Files of crash tests, read into one model and labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from service.errors import FileFormatError
from service.ingest.archive import FileSet, open_files
from service.ingest.binout import read_binout
from service.ingest.ev5 import read_ev5
from service.ingest.iso_mme import read_iso_mme
from service.ingest.labels import OccupantLabel, label_occupants
from service.ingest.lsda import is_lsda
from service.ingest.model import CrashTest, Occupant, Quarantined, Selected
from service.ingest.options import ChannelChoice, Reader, ReadOptions
from service.ingest.table import read_table
from service.ingest.table_mapping import TableMapping, load_mapping
from service.ingest.tdms import TDMS_MAGIC, read_tdms

__all__ = [
    "READERS",
    "ChannelChoice",
    "CrashTest",
    "Occupant",
    "OccupantLabel",
    "Quarantined",
    "ReadOptions",
    "Reader",
    "Selected",
    "TableMapping",
    "label_occupants",
    "load_mapping",
    "read_crash_test",
    "recognise",
]

READERS: Mapping[str, Reader] = {
    "ev5": read_ev5,
    "iso_mme": read_iso_mme,
    "tdms": read_tdms,
    "binout": read_binout,
    "csv": read_table,
}

# How a format shows itself by its file names, the most telling first.
FORMAT_OF_SUFFIX = {".ev5": "ev5", ".mme": "iso_mme", ".tdms": "tdms", ".csv": "csv"}
# ... and by how its main file begins, when the name says nothing. A table begins like any text.
FORMAT_OF_CONTENT: Mapping[str, Callable[[bytes], bool]] = {
    "tdms": lambda head: head.startswith(TDMS_MAGIC),
    "binout": is_lsda,
    "ev5": lambda head: b"----- EV5 -----" in head,
    "iso_mme": lambda head: b"data format edition number" in head.replace(b"\0", b"").lower(),
}
HEAD_BYTES = 4_096
LOOKED_AT = 20


def read_crash_test(
    path: Path, *, file_format: str = "auto", options: ReadOptions | None = None
) -> CrashTest:
    """Read one crash test from a file, its folder, or a zip or tar of it.

    Args:
        path: the file with what belongs to it beside it, the folder, or an archive.
        file_format: a key of `READERS`, or `auto` to tell it by the file names, else by the content.
        options: channels chosen by hand, speed, units and columns that the file does not say.

    Raises:
        FileFormatError: not readable as that format, truncated, or nothing in it that can be labelled.
        InputError: options that do not fit the file.
        TooLargeError: an archive that unpacks to more than a crash test can be.
        UnavailableError: the package that reads this format is not installed.
    """
    _check_format(file_format)
    with open_files(path) as files:
        return READERS[_format_of(files, file_format)](files, options or ReadOptions())


def recognise(path: Path, *, file_format: str = "auto") -> str:
    """The format under which `read_crash_test` would read the path; no signal is looked at.

    Raises:
        FileFormatError, TooLargeError: as `read_crash_test`, as far as it shows by names, sizes and beginnings.
    """
    _check_format(file_format)
    with open_files(path) as files:
        return _format_of(files, file_format)


def _check_format(file_format: str) -> None:
    if file_format not in {"auto", *READERS}:
        raise FileFormatError(f"{file_format!r} is not a format.", hint=f"Readable: {', '.join(READERS)}.")


def _format_of(files: FileSet, file_format: str) -> str:
    return file_format if file_format != "auto" else _detect(files)


def _detect(files: FileSet) -> str:
    suffixes = {PurePosixPath(name).suffix.lower() for name in files.names}
    for suffix, file_format in FORMAT_OF_SUFFIX.items():
        if suffix in suffixes:
            return file_format
    if any(PurePosixPath(name).name.lower().startswith("binout") for name in files.names):
        return "binout"
    for name in files.names if len(files.names) <= LOOKED_AT else ():
        head = files.read(name)[:HEAD_BYTES]
        for file_format, recognises in FORMAT_OF_CONTENT.items():
            if recognises(head):
                return file_format
    raise FileFormatError(
        f"{files.label} holds no crash test that can be recognised.",
        hint=f"Readable: {', '.join(READERS)}; name the format if you know it.",
    )
