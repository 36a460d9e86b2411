"""Originals on disk: every file that came in is kept as it was, so that its label can be computed again.

The API writes and the workers read: both see one folder (`CRASHSCOUT_FILES_DIR`). Names in it are our own;
what the sender called the file stands in the row.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from service.embedded.folders import default_data_folder
from service.errors import TooLargeError, UnavailableError
from service.settings import Settings

_CHUNK = 2**20
PART = ".part"
_KEY = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Original:
    """A stored file: `key` finds it again."""

    key: str
    sha256: str
    size_bytes: int


def files_folder(settings: Settings) -> Path:
    """The folder that API and workers share."""
    return settings.files_dir or (settings.data_dir or default_data_folder()) / "files"


def save(settings: Settings, content: BinaryIO) -> Original:
    """Stream the content to a file of its own; it is complete under its name or not there.

    Raises:
        TooLargeError: beyond `max_upload_mib`.
        UnavailableError: if the folder cannot be written, or the disk is full.
    """
    key = uuid.uuid4().hex
    path = _path(settings, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(PART)
        try:
            sha256, size = _copy(content, part, settings.max_upload_mib * 2**20)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        hint = "CRASHSCOUT_FILES_DIR names the folder; check its space and permissions."
        raise UnavailableError(f"The file cannot be stored: {error.strerror}.", hint=hint) from error
    return Original(key, sha256, size)


def _copy(content: BinaryIO, part: Path, most: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as file:
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise TooLargeError(
                    f"The file is larger than {most // 2**20} MiB.", hint="Send one test only."
                )
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())  # the row that names it will be durable: so must it be
    return digest.hexdigest(), size


def discard(settings: Settings, key: str) -> None:
    """Remove a file whose row never came to be."""
    _path(settings, key).unlink(missing_ok=True)


def stored_before(settings: Settings, moment: datetime) -> dict[str, Path]:
    """Files of the folder that were last written before `moment`, by name: keys, and parts of what was cut off."""
    files = (files_folder(settings) / "uploads").glob("[0-9a-f][0-9a-f]/*")
    return {path.name: path for path in files if _is_ours(path) and _written_before(path, moment)}


def _is_ours(path: Path) -> bool:
    return bool(_KEY.match(path.stem)) and path.suffix in {"", PART}


def _written_before(path: Path, moment: datetime) -> bool:
    try:
        return path.stat().st_mtime < moment.timestamp()
    except FileNotFoundError:  # removed since it was listed
        return False


@contextmanager
def opened(settings: Settings, key: str, filename: str) -> Iterator[Path]:
    """The original under a harmless form of its own name, which readers look at and name in complaints.

    Raises:
        UnavailableError: if it is not there.
    """
    path = _path(settings, key)
    if not path.is_file():
        hint = "API and workers must see the same CRASHSCOUT_FILES_DIR; else send the file again."
        raise UnavailableError(f"The original of {shown_name(filename)} is gone.", hint=hint)
    with TemporaryDirectory(prefix="crashscout-upload-") as folder:
        link = Path(folder) / _safe_name(filename)
        link.symlink_to(path.resolve())
        yield link


def _path(settings: Settings, key: str) -> Path:
    if not _KEY.match(key):
        raise ValueError(f"{key!r} is no key of an original")
    return files_folder(settings) / "uploads" / key[:2] / key


def shown_name(given: str) -> str:
    """The name as people know it, without folders and without what no text column holds."""
    name = PurePosixPath(given.replace("\\", "/")).name
    return "".join(char for char in name if char.isprintable())[:255]


def _safe_name(given: str) -> str:
    return re.sub(r"[^A-Za-z0-9._ -]", "_", shown_name(given))[-100:].lstrip(".") or "upload"
