"""Passwords: argon2id (RFC 9106), and the rules for a new one."""

from __future__ import annotations

from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from service.errors import FieldError, InputError
from service.settings import PLACEHOLDERS

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
LONGEST = 200
_AT_ONCE = BoundedSemaphore(4)


def check_new(password: str, *, name: str) -> None:
    """Whether a password may be taken: length is what counts (NIST SP 800-63B), not a mixture of signs.

    Raises:
        InputError: with what to do.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        _refuse(f"expects {SHORTEST} to {LONGEST} characters")
    if password.lower() in PLACEHOLDERS or name.lower() in password.lower() or len(set(password)) < 5:
        _refuse("is too easy to guess: take several words that nobody else would put together")


def _refuse(message: str) -> None:
    raise InputError(f"The password {message}.", errors=[FieldError("/password", message)])


def hash_password(password: str) -> str:
    """About 0.1 s, on purpose."""
    with _AT_ONCE:
        return _hasher().hash(password)


def fits(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; without a hash as slow as with one, so that time tells nobody who exists."""
    from argon2.exceptions import InvalidHashError, VerificationError

    with _AT_ONCE:
        try:
            return _hasher().verify(password_hash or _nobodys(), password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hasher() -> PasswordHasher:
    """RFC 9106's second choice: 3 passes over 64 MiB. Each costs that memory and 0.1 s of a core: few at once."""
    from argon2 import PasswordHasher  # the API starts without it

    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@cache
def _nobodys() -> str:
    return _hasher().hash("the password of nobody")
