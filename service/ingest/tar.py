"""The files of a tar, also gzip, bzip2 or xz, under the same caps as a zip."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from service.errors import FileFormatError, TooLargeError
from service.ingest.limits import ArchiveLimits, FileSet, Member, check_members

# What tarfile and the decompressors raise on damaged input.
TAR_DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError)
_OPENERS: Mapping[bytes, Callable[[IO[bytes]], BufferedIOBase]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_USTAR_AT = 257
_CHUNK = 2**20


def is_tar(path: Path) -> bool:
    """Whether a file is a tar by its content, or a compressed file that should hold one."""
    with path.open("rb") as stream:
        head = stream.read(_USTAR_AT + 5)
    return head[_USTAR_AT:] == b"ustar" or any(map(head.startswith, _OPENERS))


@contextmanager
def open_tar(path: Path, limits: ArchiveLimits) -> Iterator[FileSet]:
    """The regular files of a tar.

    A compressed tar is unpacked into one nameless temporary file first: in a stream every read of an
    earlier member would begin again.

    Raises:
        FileFormatError: damaged, a member that escapes, or one that is no regular file.
        TooLargeError: more or larger files than `limits` allow.
    """
    with path.open("rb") as stream, TemporaryFile(prefix="crashscout-") as unpacked:
        try:
            archive = tarfile.TarFile(fileobj=_plain_tar(path, stream, unpacked, limits))
            files = _files(path.name, archive, limits)
        except TAR_DAMAGE as error:
            raise _damaged(path.name, error) from error
        with archive:
            yield files


def _plain_tar(path: Path, stream: IO[bytes], unpacked: IO[bytes], limits: ArchiveLimits) -> IO[bytes]:
    magic = stream.read(5)
    stream.seek(0)
    opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)
    if opener is None:
        return stream
    size = 0
    with opener(stream) as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limits.total_bytes:
                raise TooLargeError(f"{path.name} unpacks to more than {limits.total_bytes // 2**20} MB.")
            unpacked.write(chunk)
    packed = max(path.stat().st_size, 1)
    if size > limits.ratio_from_bytes and size / packed > limits.ratio:
        raise TooLargeError(
            f"{path.name} unpacks to {size / packed:.0f} times its size; at most {limits.ratio:.0f} times is plausible."
        )
    unpacked.seek(0)
    return unpacked


def _files(label: str, archive: tarfile.TarFile, limits: ArchiveLimits) -> FileSet:
    infos: list[tarfile.TarInfo] = []
    for info in archive:
        if len(infos) > limits.members:
            raise TooLargeError(f"{label} has more than {limits.members} files.")
        if info.isdir():
            continue
        if not info.isreg():
            raise FileFormatError(
                f"The member {info.name!r} of {label} is a link or a device.",
                hint="Pack the files themselves.",
            )
        infos.append(info)
    members = [Member(info.name, info.size) for info in infos]
    kept = check_members(label, members, limits)
    by_name = {info.name: info for info in infos}
    return FileSet(label, {name: partial(_read, label, archive, by_name[name]) for name in kept})


def _read(label: str, archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    try:
        source = archive.extractfile(info)
        content = source.read() if source is not None else b""
    except TAR_DAMAGE as error:
        raise _damaged(label, error) from error
    if len(content) != info.size:
        raise FileFormatError(f"{label} is truncated within {info.name!r}.", hint="Send it again.")
    return content


def _damaged(label: str, error: Exception) -> FileFormatError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return FileFormatError(
        f"{label} is not a readable tar: {reason}.", hint="It may be cut off; send it again."
    )
