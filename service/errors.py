"""Every error that Crashscout raises on purpose.

    CrashscoutError            500  internal
    ├── InputError             422  invalid_input       what came in is wrong; `errors` names row and field
    │   ├── FileFormatError    422  invalid_file        a file could not be read as what it claims to be
    │   └── CursorError        400  invalid_cursor
    ├── UnknownHostError       400  unknown_host
    ├── TooLargeError          413  too_large
    ├── AuthenticationError    401  unauthenticated
    ├── ForbiddenError         403  forbidden
    ├── NotFoundError          404  not_found
    ├── ConflictError          409  conflict            the hint says what the state allows
    │   └── TransitionError    409  illegal_transition  with the allowed changes
    └── UnavailableError       503  unavailable         an engine or a binary is missing

The command line prints `message` and `hint` on one line and ends with status 2; HTTP answers an
RFC 9457 problem (`error_handlers.py`). No web framework is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong: `pointer` is a JSON pointer such as `/rows/3/features/test_mass_kg`."""

    pointer: str
    message: str


def json_pointer(parts: Iterable[int | str]) -> str:
    """RFC 6901: `/` before each part, with `~` and `/` inside a part escaped."""
    return "".join("/" + _readable(str(part)).replace("~", "~0").replace("/", "~1") for part in parts)


def _readable(part: str) -> str:
    """A name that came in may be half of a surrogate pair, which no answer could carry."""
    return part.encode(errors="replace").decode()


class CrashscoutError(Exception):
    """Base of the tree: `status` for HTTP, stable `code` for tools, `hint` says what to do."""

    status = 500
    code = "internal"

    def __init__(self, message: str, *, hint: str = "", errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(CrashscoutError):
    status = 422
    code = "invalid_input"


class FileFormatError(InputError):
    code = "invalid_file"


class CursorError(InputError):
    status = 400
    code = "invalid_cursor"


class UnknownHostError(CrashscoutError):
    status = 400
    code = "unknown_host"


class TooLargeError(CrashscoutError):
    status = 413
    code = "too_large"


class AuthenticationError(CrashscoutError):
    status = 401
    code = "unauthenticated"


class ForbiddenError(CrashscoutError):
    status = 403
    code = "forbidden"


class NotFoundError(CrashscoutError):
    status = 404
    code = "not_found"


class ConflictError(CrashscoutError):
    status = 409
    code = "conflict"


class TransitionError(ConflictError):
    code = "illegal_transition"


class UnavailableError(CrashscoutError):
    status = 503
    code = "unavailable"
