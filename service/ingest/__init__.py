"""Files of crash tests, read into one model and labelled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from service.errors import FileFormatError
from service.ingest.archive import FileSet, open_files
from service.ingest.ev5 import read_ev5
from service.ingest.labels import OccupantLabel, label_occupants
from service.ingest.model import CrashTest, Occupant, Quarantined, Selected
from service.ingest.options import ChannelChoice, Reader, ReadOptions

__all__ = [
    "READERS",
    "ChannelChoice",
    "CrashTest",
    "Occupant",
    "OccupantLabel",
    "Quarantined",
    "ReadOptions",
    "Selected",
    "label_occupants",
    "read_crash_test",
]

READERS: Mapping[str, Reader] = {"ev5": read_ev5}

# How a format shows itself by its file names; those without a reader are named honestly in the error.
FORMAT_OF_SUFFIX = {".ev5": "ev5", ".mme": "iso_mme", ".tdms": "tdms", ".csv": "csv"}
NOT_YET_READ = ("iso_mme", "tdms", "binout", "csv")


def read_crash_test(
    path: Path, *, file_format: str = "auto", options: ReadOptions | None = None
) -> CrashTest:
    """Read one crash test from a file, its folder, or a zip of it.

    Args:
        path: for EV5 the .EV5 file with its curves beside it, the folder, or the zip from NHTSA.
        file_format: a key of `READERS`, or `auto` to tell it by the file names.
        options: channels chosen by hand, speed, units and columns that the file does not say.

    Raises:
        FileFormatError: not readable as that format, truncated, or a format that has no reader yet.
        TooLargeError: an archive that unpacks to more than a crash test can be.
    """
    if file_format != "auto":
        _check_format(file_format, path.name)
    with open_files(path) as files:
        found = file_format if file_format != "auto" else _detect(files)
        _check_format(found, files.label)
        return READERS[found](files, options or ReadOptions())


def _detect(files: FileSet) -> str:
    suffixes = {PurePosixPath(name).suffix.lower() for name in files.names}
    for suffix, file_format in FORMAT_OF_SUFFIX.items():
        if suffix in suffixes:
            return file_format
    if any(PurePosixPath(name).name.lower().startswith("binout") for name in files.names):
        return "binout"
    raise FileFormatError(
        f"{files.label} holds no crash test that can be recognised.",
        hint=f"Readable: {', '.join(READERS)} (a .EV5 file and its curves).",
    )


def _check_format(file_format: str, label: str) -> None:
    if file_format in READERS:
        return
    readable = f"Readable: {', '.join(READERS)}."
    if file_format in NOT_YET_READ:
        raise FileFormatError(f"{label}: the format {file_format} cannot be read yet.", hint=readable)
    raise FileFormatError(f"{file_format!r} is not a format.", hint=readable)
