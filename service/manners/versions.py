"""ETags: who changes a resource may say which version of it they have seen.

A tag is `"<version of the row>-<digest of the representation>"`. `If-None-Match` compares the whole of it: equal
means equal bytes, as a strong validator must. `If-Match` compares the version of the row alone, for a
representation also shows what other rows and the clock say (progress, next due times), and such a change is no
edit that could be lost. The row is locked while they are compared, and until the change is committed.

Source: RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.errors import BadHeaderError, ChangedMeanwhileError
from service.manners import repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# The resource itself, an action on it, or the setting of a campaign that has an address of its own.
_RESOURCE = re.compile(r"/api/v1/([a-z-]+)/(\d{1,18})(?::[a-z-]+|/stop-rule)?")
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAG_LIST = re.compile(rf"\s*{_TAG.pattern}(?:\s*,\s*{_TAG.pattern})*\s*")
_DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Resource:
    """A row that has an address: `/api/v1/{noun}/{row_id}`."""

    noun: str
    row_id: int


def resource_of(path: str) -> Resource | None:
    """The resource that a path names; None for lists and for nouns whose rows nobody changes."""
    found = _RESOURCE.fullmatch(path)
    if found is None or found[1] not in repository.TABLE_OF_NOUN:
        return None
    return Resource(found[1], int(found[2]))


def tag_of(version: str, body: bytes) -> str:
    return f'"{version}-{hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]}"'


def require_match(session: Session, resource: Resource, if_match: str) -> None:
    """Let a change pass when the row is the one that was seen; what is missing is the route's to tell.

    Raises:
        BadHeaderError: the header is no list of tags.
        ChangedMeanwhileError: the row has another version.
    """
    seen = _tags(if_match, "If-Match")
    version = repository.row_version(session, resource.noun, resource.row_id, lock=True)
    if version is None or seen is None:
        return
    if not any(tag.startswith(f'"{version}-') for tag in seen):
        hint = "Read it again, decide again, and send its new ETag."
        raise ChangedMeanwhileError("It has been changed since you read it.", hint=hint)


def is_unchanged(if_none_match: str, tag: str) -> bool:
    """Whether the client has this very representation.

    Raises:
        BadHeaderError: the header is no list of tags.
    """
    seen = _tags(if_none_match, "If-None-Match")
    return seen is None or tag in {known.removeprefix("W/") for known in seen}


def _tags(header: str, name: str) -> list[str] | None:
    """The tags of a header; None for `*`, which is any."""
    if header.strip() == "*":
        return None
    if not _TAG_LIST.fullmatch(header):
        raise BadHeaderError(f"{name} is no list of ETags.", hint='Send one as you got it, such as "7-ab12".')
    return _TAG.findall(header)
