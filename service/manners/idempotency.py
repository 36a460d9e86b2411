"""`Idempotency-Key`: a request that is sent again is answered again, and nothing is done twice.

The answer is written in the transaction of the change, so that a crash leaves both or neither; a request that
failed leaves nothing, and may be sent again under its key. While a request runs, its transaction holds an advisory
lock on (principal, key): it ends with the transaction, so that no dead process keeps a key.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from service.database.models import StoredAnswer
from service.errors import (
    AnswerNotKeptError,
    BadHeaderError,
    InFlightError,
    KeyReusedError,
)
from service.manners import repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEEP = timedelta(hours=24)
# A bulk answer has about 75 bytes a row: this keeps those of 100,000 rows.
LARGEST_ANSWER_BYTES = 8 * 2**20
# Printable ASCII without quotes and backslashes, bare or as the draft's quoted string.
KEY_PATTERN = r'^(?:"[ !#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$'
_KEY = re.compile(KEY_PATTERN)
# What a replay repeats; the others belong to one exchange.
KEPT_HEADERS = ("content-type", "location", "etag", "retry-after")


@dataclass(frozen=True)
class Asked:
    """Who asks for what under which key; the fingerprint is a SHA-256 in hexadecimal."""

    principal_id: str
    key: str
    fingerprint: str


def parse_key(header: str) -> str:
    """The key without its quotes.

    Raises:
        BadHeaderError: if it is none.
    """
    if not _KEY.fullmatch(header):
        hint = "Send 1 to 255 printable ASCII characters without quotes and backslashes, such as a UUID."
        raise BadHeaderError(f"{HEADER} is no key.", hint=hint)
    return header.strip('"')


def fingerprint(*parts: bytes) -> str:
    """SHA-256 over parts with their lengths, so that no two sequences look alike."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def claim(session: Session, asked: Asked) -> StoredAnswer | None:
    """Hold the key for this transaction; the answer when the request has been carried out before.

    Raises:
        InFlightError: another request holds it.
        KeyReusedError: it was used for another request.
        AnswerNotKeptError: it was carried out, and its answer was too large to be kept.
    """
    if not repository.try_lock(session, asked.principal_id, asked.key):
        hint = "Wait, then send it again under the same key: you will get its answer."
        raise InFlightError("A request with this key is still being worked on.", hint=hint)
    answer = repository.find_answer(session, asked.principal_id, asked.key, keep=KEEP)
    if answer is not None:
        _check(answer, asked)
    return answer


def _check(answer: StoredAnswer, asked: Asked) -> None:
    if answer.fingerprint != asked.fingerprint:
        hint = "A key belongs to one request: take a new one for another."
        raise KeyReusedError("This key was used for another request.", hint=hint)
    if answer.body is None:
        at = answer.created_at.isoformat(timespec="seconds")
        told = f"This request was carried out at {at} with status {answer.status_code}."
        hint = (
            f"Its answer was larger than {LARGEST_ANSWER_BYTES // 2**20} MiB and was not kept: read the rows."
        )
        raise AnswerNotKeptError(told, hint=hint)


def keep(session: Session, asked: Asked, status_code: int, headers: dict[str, Any], body: bytes) -> None:
    """Store the answer in the transaction of the change; a body beyond the bound is left out."""
    answer = StoredAnswer(
        principal_id=asked.principal_id,
        key=asked.key,
        fingerprint=asked.fingerprint,
        status_code=status_code,
        headers=headers,
        body=body if len(body) <= LARGEST_ANSWER_BYTES else None,
    )
    repository.add_answer(session, answer)


def prune(session: Session, *, now: datetime) -> None:
    """Delete the answers that are kept no longer."""
    repository.prune_answers(session, now=now, keep=KEEP)
