"""The files of one test, from a folder, a file with its siblings, or a zip, without unpacking to disk.

A zip from outside is hostile until shown otherwise: names that escape, links, and contents far larger
than the archive are refused before anything is read.
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from service.errors import FileFormatError, TooLargeError

ZIP_MAGIC = b"PK"
# What zipfile and the decompressors raise on damaged or unsupported input.
ZIP_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class ArchiveLimits:
    """Caps on what a test may hold; a full NHTSA frontal test has 640 curves and 45 MB of text.

    Attributes:
        members: files in one archive.
        member_bytes: one file, uncompressed.
        total_bytes: all files, uncompressed.
        ratio: uncompressed to compressed size; curves in text reach 10. Not looked at below `ratio_from_bytes`.
    """

    members: int = 5_000
    member_bytes: int = 64 * 2**20
    total_bytes: int = 512 * 2**20
    ratio: float = 200.0
    ratio_from_bytes: int = 4 * 2**20


class FileSet:
    """Named files that can be read; names are compared without regard to case, as on Windows."""

    def __init__(self, label: str, readers: Mapping[str, Callable[[], bytes]]) -> None:
        self.label = label
        self._readers = dict(readers)
        self._names = {name.lower(): name for name in self._readers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._readers)

    def find(self, name: str) -> str | None:
        """The stored spelling of a name, None when there is no such file."""
        return self._names.get(name.lower())

    def read(self, name: str) -> bytes:
        return self._readers[self._names[name.lower()]]()


@contextmanager
def open_files(path: Path, limits: ArchiveLimits | None = None) -> Iterator[FileSet]:
    """Open a folder, one file with the files that share its stem, or a zip.

    Raises:
        FileFormatError: nothing there, empty, not a readable zip, or a member that escapes.
        TooLargeError: more or larger files than `limits` allow.
    """
    limits = limits or ArchiveLimits()
    if path.is_dir():
        yield _folder(path, [entry for entry in sorted(path.iterdir()) if entry.is_file()], limits)
    elif not path.is_file():
        raise FileFormatError(
            f"{path.name} does not exist.", hint="Give an EV5 file, its folder or a zip of it."
        )
    elif path.stat().st_size == 0:
        raise FileFormatError(f"{path.name} is empty.", hint="Download or export it again.")
    elif _is_zip(path):
        with _opened_zip(path) as archive:
            yield _zip_members(path.name, archive, limits)
    else:
        stem = path.stem.lower()
        siblings = [path, *(p for p in sorted(path.parent.iterdir()) if p != path and p.stem.lower() == stem)]
        yield _folder(path, [sibling for sibling in siblings if sibling.is_file()], limits)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return path.suffix.lower() == ".zip" or stream.read(2) == ZIP_MAGIC


def _folder(path: Path, entries: list[Path], limits: ArchiveLimits) -> FileSet:
    return FileSet(path.name, {entry.name: partial(_read_file, entry, limits) for entry in entries})


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
    members = [info for info in archive.infolist() if not info.is_dir()]
    for info in members:
        _check_name(info)
    _check_sizes(label, members, limits)
    wanted = [info for info in members if not info.filename.startswith("__MACOSX/")]
    _check_unique(label, wanted)
    return FileSet(label, {info.filename: partial(_read_member, archive, info) for info in wanted})


def _check_name(info: zipfile.ZipInfo) -> None:
    name = PurePosixPath(info.filename.replace("\\", "/"))
    has_drive = len(info.filename) > 1 and info.filename[1] == ":"
    if name.is_absolute() or has_drive or ".." in name.parts:
        raise FileFormatError(
            f"The zip member {info.filename!r} points outside the archive.",
            hint="Zip the test's folder itself.",
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise FileFormatError(
            f"The zip member {info.filename!r} is a symbolic link.", hint="Zip the files, not links to them."
        )
    if info.flag_bits & 0x1:
        raise FileFormatError(
            f"The zip member {info.filename!r} is encrypted.", hint="Zip without a password."
        )


def _check_sizes(label: str, members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(members) > limits.members:
        raise TooLargeError(f"{label} has {len(members)} files; at most {limits.members} are read.")
    for info in members:
        if info.file_size > limits.member_bytes:
            raise TooLargeError(
                f"{info.filename!r} unpacks to {info.file_size // 2**20} MB; "
                f"at most {limits.member_bytes // 2**20} MB are read."
            )
    total = sum(info.file_size for info in members)
    if total > limits.total_bytes:
        raise TooLargeError(
            f"{label} unpacks to {total // 2**20} MB; at most {limits.total_bytes // 2**20} MB are read."
        )
    packed = max(sum(info.compress_size for info in members), 1)
    if total > limits.ratio_from_bytes and total / packed > limits.ratio:
        raise TooLargeError(
            f"{label} unpacks to {total / packed:.0f} times its size; "
            f"at most {limits.ratio:.0f} times is plausible for measured signals."
        )


def _check_unique(label: str, members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in members:
        if info.filename.lower() in seen:
            raise FileFormatError(f"{label} holds {info.filename!r} twice.", hint="Zip one test only.")
        seen.add(info.filename.lower())


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # zipfile never yields more than the size the directory declares, and that size was checked.
    try:
        return archive.read(info)
    except ZIP_DAMAGE as error:
        raise FileFormatError(
            f"The zip member {info.filename!r} cannot be unpacked: {error}.", hint="Make the zip again."
        ) from error
