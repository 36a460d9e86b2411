"""Keyset pages: an opaque cursor that names the last row seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from service.errors import CursorError

LARGEST_PAGE = 1000
Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


@dataclass(frozen=True)
class PageRequest:
    """Give me `limit` rows after the one that the cursor names."""

    after: int
    limit: int


class Page(BaseModel, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(key: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": key}).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int:
    """The key that a cursor names, 0 for none.

    Raises:
        CursorError: if it was not made by `encode_cursor`.
    """
    if not cursor:
        return 0
    try:
        document = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = document["after"]
        if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < 2**63:
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = "The cursor is not one of ours."
        raise CursorError(message, hint="Use `next_cursor` of the page before, unchanged.") from error
    return key


def cut_page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], bool]:
    """Rows of the page, and whether there are more; ask the database for `limit + 1`."""
    return rows[:limit], len(rows) > limit
