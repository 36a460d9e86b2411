"""Where scores wait: in the broker, for an hour, bound to who asked and to the campaign."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from service.queue.mailbox import Mailbox

QUESTION, ANSWER, OWNER = "question", "answer", "owner"


def name_of(number: int) -> str:
    """The token of a job as it stands in addresses."""
    return f"{number:016x}"


def new_number() -> int:
    """A number that nobody guesses; a message carries it like the id of a row."""
    return secrets.randbits(63)


def put_question(
    mailbox: Mailbox, number: int, question: Mapping[str, Any], *, campaign_id: int, principal_id: str
) -> None:
    name = name_of(number)
    mailbox.put(name, OWNER, _document({"campaign_id": campaign_id, "principal_id": principal_id}))
    mailbox.put(name, QUESTION, _document(question))


def question(mailbox: Mailbox, number: int) -> dict[str, Any] | None:
    content = mailbox.get(name_of(number), QUESTION)
    return None if content is None else dict(json.loads(content))


def put_answer(mailbox: Mailbox, number: int, answer: Mapping[str, Any]) -> None:
    mailbox.put(name_of(number), ANSWER, _document(answer))


def answer(mailbox: Mailbox, token: str) -> dict[str, Any] | None:
    content = mailbox.get(token, ANSWER)
    return None if content is None else dict(json.loads(content))


def belongs_to(mailbox: Mailbox, token: str, *, campaign_id: int, principal_id: str) -> bool:
    content = mailbox.get(token, OWNER)
    owner = {"campaign_id": campaign_id, "principal_id": principal_id}
    return content is not None and json.loads(content) == owner


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
