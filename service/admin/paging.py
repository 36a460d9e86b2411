"""Numbered pages of long tables."""

from __future__ import annotations

from urllib.parse import urlencode

from service.admin.contexts.base import Pager


def last_page(total: int, size: int) -> int:
    """Number of the last page; an empty table has one."""
    return max(1, -(-total // size))


def pager(path: str, *, page: int, size: int, total: int, query: dict[str, str] | None = None) -> Pager:
    """Place of `page` (from 1) among `total` rows, with the addresses of its neighbours."""

    def url(number: int) -> str:
        return f"{path}?{urlencode({**(query or {}), 'page': number})}"

    first = (page - 1) * size + 1
    return Pager(
        first=min(first, total),
        last=min(page * size, total),
        total=total,
        previous_url=url(page - 1) if page > 1 else None,
        next_url=url(page + 1) if page * size < total else None,
    )
