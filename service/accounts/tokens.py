"""Secrets that we hand out, and the keyed hash under which we find them again."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
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
    path = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_private(path, secrets.token_urlsafe(SECRET_BYTES), replace=False)
        return path.read_text().strip()
    except OSError as error:
        hint = "Set CRASHSCOUT_SECRET_KEY, or choose another folder with CRASHSCOUT_DATA_DIR."
        raise UnavailableError(f"{path} cannot be used: {error.strerror}.", hint=hint) from error


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """A file of mode 600 from its first byte, whole or not at all; without `replace` the first of two writers wins."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    if replace:
        unfinished.replace(path)
        return
    with suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()
