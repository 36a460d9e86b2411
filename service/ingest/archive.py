"""The files of one test, from a folder, a file with its siblings, a zip or a tar, without unpacking to disk.

An archive from outside is hostile until shown otherwise: names that escape, links, and contents far larger
than the archive are refused before anything is read.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from service.errors import FileFormatError, TooLargeError
from service.ingest.limits import ArchiveLimits, FileSet, Member, check_members
from service.ingest.tar import is_tar, open_tar

__all__ = ["ArchiveLimits", "FileSet", "open_files"]

ZIP_MAGIC = b"PK"
# What zipfile and the decompressors raise on damaged or unsupported input.
ZIP_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip
FOLDER_DEPTH = 2  # ISO-MME: TEST/Channel/TEST.001, given the folder above TEST
CHANNEL_FOLDER = "channel"


@contextmanager
def open_files(path: Path, limits: ArchiveLimits | None = None) -> Iterator[FileSet]:
    """Open a folder, one file with the files that belong to it, a zip or a tar (plain, gzip, bzip2, xz).

    Raises:
        FileFormatError: nothing there, empty, not a readable archive, or a member that escapes.
        TooLargeError: more or larger files than `limits` allow.
    """
    limits = limits or ArchiveLimits()
    if path.is_dir():
        yield _folder(path.name, path, list(_walk(path, limits)), limits)
    elif not path.is_file():
        raise FileFormatError(
            f"{path.name} does not exist.", hint="Give a file of the test, its folder or an archive of it."
        )
    elif path.stat().st_size == 0:
        raise FileFormatError(f"{path.name} is empty.", hint="Download or export it again.")
    elif _is_zip(path):
        with _opened_zip(path) as archive:
            yield _zip_members(path.name, archive, limits)
    elif is_tar(path):
        with open_tar(path, limits) as files:
            yield files
    else:
        yield _folder(path.name, path.parent, [path, *_siblings(path, limits)], limits)


def _walk(folder: Path, limits: ArchiveLimits) -> Iterator[Path]:
    """Files of a folder and two levels below, in order; hidden folders and links to folders stay closed."""
    count = 0
    for where, subfolders, names in os.walk(folder, onerror=_raise):
        depth = len(Path(where).relative_to(folder).parts)
        subfolders[:] = sorted(s for s in subfolders if depth < FOLDER_DEPTH and not s.startswith("."))
        for name in sorted(names):
            if not (Path(where) / name).is_file():
                continue
            count += 1
            if count > limits.members:
                raise TooLargeError(
                    f"{folder.name} holds more than {limits.members} files.",
                    hint="Give the folder of one test.",
                )
            yield Path(where) / name


def _raise(error: OSError) -> None:
    raise error


def _siblings(path: Path, limits: ArchiveLimits) -> Iterator[Path]:
    """Same stem, a table's mapping, LS-DYNA's continuation (`binout0000%001`), ISO-MME's channel folder."""
    stem = path.stem.lower()
    for entry in sorted(path.parent.iterdir()):
        if entry.is_file():
            name = entry.name.lower()
            belongs = entry.stem.lower() == stem or name == f"{stem}.mapping.json"
            belongs = belongs or name.startswith(f"{path.name.lower()}%")
            if entry != path and belongs:
                yield entry
        elif path.suffix.lower() == ".mme" and entry.is_dir() and entry.name.lower() == CHANNEL_FOLDER:
            yield from _walk(entry, limits)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return path.suffix.lower() == ".zip" or stream.read(2) == ZIP_MAGIC


def _folder(label: str, root: Path, entries: list[Path], limits: ArchiveLimits) -> FileSet:
    names = [entry.relative_to(root).as_posix() for entry in entries]
    return FileSet(
        label, {name: partial(_read_file, entry, limits) for name, entry in zip(names, entries, strict=True)}
    )


def _read_file(path: Path, limits: ArchiveLimits) -> bytes:
    if path.stat().st_size > limits.member_bytes:
        raise TooLargeError(f"{path.name} is larger than {limits.member_bytes // 2**20} MB.")
    return path.read_bytes()


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_DAMAGE as error:
        raise FileFormatError(
            f"{path.name} is not a readable zip: {error}.", hint="It may be cut off; send it again."
        ) from error
    with archive:
        yield archive


def _zip_members(label: str, archive: zipfile.ZipFile, limits: ArchiveLimits) -> FileSet:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    kept = set(check_members(label, [Member(info.filename, info.file_size) for info in infos], limits))
    for info in infos:
        _check_kind(info)
    _check_ratio(label, infos, limits)
    return FileSet(
        label,
        {info.filename: partial(_read_member, archive, info) for info in infos if info.filename in kept},
    )


def _check_kind(info: zipfile.ZipInfo) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise FileFormatError(
            f"The zip member {info.filename!r} is a symbolic link.", hint="Zip the files, not links to them."
        )
    if info.flag_bits & 0x1:
        raise FileFormatError(
            f"The zip member {info.filename!r} is encrypted.", hint="Zip without a password."
        )


def _check_ratio(label: str, infos: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    total = sum(info.file_size for info in infos)
    packed = max(sum(info.compress_size for info in infos), 1)
    if total > limits.ratio_from_bytes and total / packed > limits.ratio:
        raise TooLargeError(
            f"{label} unpacks to {total / packed:.0f} times its size; "
            f"at most {limits.ratio:.0f} times is plausible for measured signals."
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # zipfile never yields more than the size the directory declares, and that size was checked.
    try:
        return archive.read(info)
    except ZIP_DAMAGE as error:
        raise FileFormatError(
            f"The zip member {info.filename!r} cannot be unpacked: {error}.", hint="Make the zip again."
        ) from error
