"""Secrets that we hand out, and the keyed hash under which we find them again."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from service.errors import UnavailableError

PREFIX = "crs"
SECRET_BYTES = 32
PUBLIC_ID_BYTES = 6
KEY_FILE = "secret-key"


def new_api_key() -> tuple[str, str]:
    """(public id, key): the prefix lets scanners of repositories find a lost key, the id tells which it is."""
    public_id = secrets.token_hex(PUBLIC_ID_BYTES)
    return public_id, f"{PREFIX}_{public_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def new_session_token() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret_key: str, token: str) -> str:
    """HMAC-SHA256 (RFC 2104): tokens have 256 random bits, so a fast hash is enough, and ours alone can make it."""
    return hmac.new(secret_key.encode(), token.encode(), sha256).hexdigest()


def csrf_token_of(secret_key: str, session_token: str) -> str:
    """The token that forms of a session carry; it does not give the session away."""
    return hash_of(secret_key, f"csrf {session_token}")


def stored_secret_key(folder: Path) -> str:
    """The secret of a data folder, made at the first call; readable by its owner alone.

    Raises:
        UnavailableError: if it can be neither read nor written.
    """
    return read_or_write_private(folder / KEY_FILE, lambda: secrets.token_urlsafe(SECRET_BYTES))


def read_or_write_private(path: Path, make: Callable[[], str]) -> str:
    """What the file holds; else what `make` gives, which the file then holds, with mode 600 from the start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_private(path, make())
        return path.read_text().strip()
    except OSError as error:
        hint = "Set CRASHSCOUT_SECRET_KEY, or choose another folder with CRASHSCOUT_DATA_DIR."
        raise UnavailableError(f"{path} cannot be used: {error.strerror}.", hint=hint) from error


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never over another process's."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass  # another process was first: its secret counts
    finally:
        unfinished.unlink()
