"""Rules of the audit trail: who may read what of it, and how it goes out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from service.audit import repository
from service.audit.schemas import AuditEventRead, AuditFilter, AuditFormat, AuditOrder
from service.database.engine import unit_of_work
from service.database.models import AuditEvent
from service.pagination import PageRequest, cut_page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

MEDIA_TYPES = {AuditFormat.NDJSON: "application/x-ndjson", AuditFormat.CSV: "text/csv; charset=utf-8"}
COLUMNS = tuple(AuditEventRead.model_fields)


def page(
    session: Session,
    wanted: AuditFilter,
    request: PageRequest,
    *,
    order: AuditOrder,
    campaign_ids: frozenset[int] | None,
) -> tuple[Sequence[AuditEvent], bool]:
    """Events and whether there are more; `campaign_ids` are those that exist for who asks, None: all."""
    rows = repository.page(session, wanted, request, order=order, campaign_ids=campaign_ids)
    return cut_page(rows, request.limit)


def export(
    sessions: sessionmaker[Session],
    wanted: AuditFilter,
    form: AuditFormat,
    campaign_ids: frozenset[int] | None,
) -> Iterator[str]:
    """All events that the filter lets through as text, block by block, oldest first, as of one moment.

    A transaction of its own: the request's ends before its answer begins to flow.
    """
    if form is AuditFormat.CSV:
        yield _csv_lines([COLUMNS])
    with unit_of_work(sessions, frozen=True) as session:
        for block in repository.blocks(session, wanted, campaign_ids):
            events = [AuditEventRead.model_validate(event) for event in block]
            if form is AuditFormat.CSV:
                yield _csv_lines([_cells(event) for event in events])
            else:
                yield "".join(event.model_dump_json() + "\n" for event in events)


def _cells(event: AuditEventRead) -> list[Any]:
    """As JSON values; documents as JSON text."""
    values = event.model_dump(mode="json").values()
    return [json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value for value in values]


def _csv_lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
