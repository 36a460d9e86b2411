"""What the files of one test may be: named bytes, under caps that a hostile archive cannot pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from service.errors import FileFormatError, TooLargeError


@dataclass(frozen=True)
class ArchiveLimits:
    """Caps on what a test may hold; a full NHTSA frontal test has 640 curves and 45 MB of text.

    Attributes:
        members: files in one archive or folder.
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

    def shallowest(self, suffix: str) -> list[str]:
        """Files with this extension that lie nearest to the top, so that copies in subfolders do not count."""
        found = [name for name in self._readers if name.lower().endswith(suffix)]
        depth = min((name.count("/") for name in found), default=0)
        return [name for name in found if name.count("/") == depth]


@dataclass(frozen=True)
class Member:
    """A file of an archive with its size when unpacked."""

    name: str
    size: int


def check_members(label: str, members: Sequence[Member], limits: ArchiveLimits) -> list[str]:
    """Names of the files to use; what another system adds (`__MACOSX/`) is left out.

    Raises:
        FileFormatError: a name that points outside, or the same name twice.
        TooLargeError: more or larger files than `limits` allow.
    """
    for member in members:
        _check_name(member.name)
    _check_sizes(label, members, limits)
    wanted = [member.name for member in members if not member.name.startswith("__MACOSX/")]
    _check_unique(label, wanted)
    return wanted


def _check_name(raw: str) -> None:
    name = PurePosixPath(raw.replace("\\", "/"))
    has_drive = len(raw) > 1 and raw[1] == ":"
    if name.is_absolute() or has_drive or ".." in name.parts:
        raise FileFormatError(
            f"The member {raw!r} points outside the archive.", hint="Pack the test's folder itself."
        )


def _check_sizes(label: str, members: Sequence[Member], limits: ArchiveLimits) -> None:
    if len(members) > limits.members:
        raise TooLargeError(f"{label} has {len(members)} files; at most {limits.members} are read.")
    for member in members:
        if member.size > limits.member_bytes:
            raise TooLargeError(
                f"{member.name!r} unpacks to {member.size // 2**20} MB; "
                f"at most {limits.member_bytes // 2**20} MB are read."
            )
    total = sum(member.size for member in members)
    if total > limits.total_bytes:
        raise TooLargeError(
            f"{label} unpacks to {total // 2**20} MB; at most {limits.total_bytes // 2**20} MB are read."
        )


def _check_unique(label: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise FileFormatError(f"{label} holds {name!r} twice.", hint="Pack one test only.")
        seen.add(name.lower())
