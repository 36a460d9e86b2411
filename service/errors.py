"""Every error that Crashscout raises on purpose.

    CrashscoutError            500  internal
    ├── InputError             422  invalid_input       what came in is wrong; `errors` names row and field
    │   ├── FileFormatError    422  invalid_file        a file could not be read as what it claims to be
    │   └── CursorError        400  invalid_cursor
    ├── UnknownHostError       400  unknown_host
    ├── BadHeaderError         400  bad_header
    ├── TooLargeError          413  too_large
    ├── AuthenticationError    401  unauthenticated
    ├── ForbiddenError         403  forbidden
    ├── NotFoundError          404  not_found
    ├── ConflictError          409  conflict            the hint says what the state allows
    │   ├── TransitionError    409  illegal_transition  with the allowed changes
    │   ├── InFlightError      409  in_flight           the same request is being worked on
    │   └── AnswerNotKeptError 409  answer_not_kept     it was carried out; its answer was too large to keep
    ├── ChangedMeanwhileError  412  changed_meanwhile   If-Match names another version
    ├── KeyReusedError         422  key_reused          the Idempotency-Key of another request
    ├── RateLimitedError       429  rate_limited        with the seconds to wait
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
    # Seconds after which the same request may do better; HTTP says it as Retry-After.
    retry_after_s: int | None = None

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


class BadHeaderError(CrashscoutError):
    status = 400
    code = "bad_header"


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


class InFlightError(ConflictError):
    code = "in_flight"
    retry_after_s = 1


class AnswerNotKeptError(ConflictError):
    code = "answer_not_kept"


class ChangedMeanwhileError(CrashscoutError):
    status = 412
    code = "changed_meanwhile"


class KeyReusedError(CrashscoutError):
    status = 422
    code = "key_reused"


class RateLimitedError(CrashscoutError):
    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, hint: str, retry_after_s: int) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class UnavailableError(CrashscoutError):
    status = 503
    code = "unavailable"
