"""Write a table whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from worker.tables.reading import table_format


def check_destination(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a place where `write_table` would fail, before anything is computed.

    Raises:
        InputError: unknown ending, no such folder, a folder, not writable, or one of the input files.
    """
    table_format(path)
    check_place(path, inputs)


def check_place(path: Path, inputs: Iterable[Path] = ()) -> None:
    """`check_destination` for a file of any ending; raises InputError likewise."""
    if path.is_dir():
        raise InputError(f"{path} is a folder.", hint="Name a file in it.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist.", hint="Create it first.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder {folder} is not writable.", hint="Name another one.")
    if path.exists() and any(given.exists() and given.samefile(path) for given in inputs):
        raise InputError(f"{path} is read and would be overwritten.", hint="Name another output.")


def write_table(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write equally long columns of integers, floats or texts; equal columns give equal bytes.

    The file appears complete under its name, or not at all: an older one stays if the writing ends early.
    Floats are written with the fewest digits that give back the same float64.

    Raises:
        InputError: the disk is full, or the folder has gone.
    """
    render = {"csv": _csv, "csv.gz": _csv_gz, "parquet": _parquet}[table_format(path)]
    write_whole(path, render(columns))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; raises InputError as `write_table` does."""
    try:
        _replace(path.resolve(), data)
    except OSError as error:
        hint = "Free some space or name another output."
        raise InputError(f"{path} cannot be written: {error.strerror or error}.", hint=hint) from error


def _csv(columns: Mapping[str, NDArray[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue().encode()


def _csv_gz(columns: Mapping[str, NDArray[Any]]) -> bytes:
    # Without the time of the compression, which would change the bytes.
    return gzip.compress(_csv(columns), compresslevel=6, mtime=0)


def _parquet(columns: Mapping[str, NDArray[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({name: np.asarray(c) for name, c in columns.items()}), sink)
    return sink.getvalue()


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file and rename, so that every moment has the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:  # Ctrl-C too
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
