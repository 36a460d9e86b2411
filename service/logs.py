"""One place for logs: JSON lines for machines, plain lines in a terminal, and the ids that tie lines together.

Every line of a request carries `request_id`; of a run `run_kind`, `run_id`, `campaign_id` and the request that
asked for it; of a round's own work `round_id`. They follow the work from the API through the rows and messages
to workers and beat. Secrets never reach a line: neither those of the
settings nor what looks like one (credentials, passwords in addresses, values behind names such as `token`).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.settings import Settings

_FIELDS: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default=MappingProxyType({}))
# The password in an address, wherever it comes from.
_PASSWORD_IN_URL = re.compile(r"(\w://[^\s:/@]*:)[^\s@]+@")
# What clients prove themselves with, and what stands behind such a name in a query, a form or a header.
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{8,}")
_NAMED_SECRET = re.compile(
    r"""(?i)\b((?:[a-z]+[_-])*(?:api[_-]?key|password|passwd|secret|token|cookie|session[_-]?id)["']?\s*[=:]\s*["']?)"""
    r"""(?!\s)[^\s"'&;,)\]}]+"""
)
HIDDEN = "***"


def log_fields() -> Mapping[str, Any]:
    """What the lines of this moment are about: request_id, run_kind, run_id, campaign_id, round_id."""
    return _FIELDS.get()


@contextmanager
def logged_as(**fields: Any) -> Iterator[None]:  # noqa: ANN401 - ids and names
    """Every line of the block carries these fields too; None takes one away."""
    merged = {**_FIELDS.get(), **fields}
    token = _FIELDS.set({name: value for name, value in merged.items() if value is not None})
    try:
        yield
    finally:
        _FIELDS.reset(token)


@dataclass(frozen=True)
class LogLine:
    """A line that is written once the transaction behind it stands.

    Attributes:
        text: what was done.
        about: the fields that it carries, such as the run and the request that asked for it.
    """

    text: str
    about: Mapping[str, Any]


class _Lines(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def hide(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        line = _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", line)
        line = _CREDENTIALS.sub(rf"\1\2{HIDDEN}", line)
        return _NAMED_SECRET.sub(rf"\1{HIDDEN}", line)


def hider(settings: Settings) -> Callable[[str], str]:
    """Takes out of a text the secrets of the settings and what looks like one."""
    return _Lines(settings.secrets()).hide


class JsonLines(_Lines):
    """One JSON object per line: time (RFC 3339, UTC), level, logger, message, the fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.hide(record.getMessage()),
            **log_fields(),
        }
        if record.exc_info:
            line["exception"] = self.hide(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(_Lines):
    """The same for people: `12:30:01 WARNING message [run_id=7]`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in log_fields().items())
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{time} {record.levelname} {record.getMessage()}" + (f" [{fields}]" if fields else "")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self.hide(line)


def configure_logging(settings: Settings) -> None:
    """Send every log line of this process to standard error in the format of the settings."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter((TextLines if as_text else JsonLines)(settings.secrets()))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.captureWarnings(True)  # noqa: FBT003 - the standard library's signature
    for name in (
        "httpx",
        "httpcore",
        "alembic.runtime.plugins",
    ):  # a line for each request of ours, with its address
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
