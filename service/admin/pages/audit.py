"""`/audit`: who changed what, when, with filters and files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from service.admin.contexts.administration import AuditContext, AuditLine
from service.admin.formats import words
from service.admin.pages.administration import ADMINISTRATION, After
from service.admin.rendering import frame, page
from service.audit import service as audit
from service.audit.schemas import AuditFilter, AuditFormat, AuditOrder
from service.database.models import AuditEvent
from service.dependencies import GuardedRoute, Principal, SessionDep, requires
from service.pagination import PageRequest
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute, dependencies=ADMINISTRATION)
PATH = "/audit"
PAGE_SIZE = 50
LONGEST_VALUE = 160
LONGEST_WORD = 200
WORDS = ("actor", "action", "entity")
NUMBERS = ("campaign_id", "entity_id")
DAYS = ("from", "until")
LARGEST_ID = 2**63 - 1


@router.get(PATH)
@requires(Scope.ADMIN)
def show_audit(
    request: Request, session: SessionDep, principal: Principal, before: After = 0
) -> HTMLResponse:
    typed = _typed(request.query_params)
    rows, more = audit.page(
        session,
        _filter(typed),
        PageRequest(before, PAGE_SIZE),
        order=AuditOrder.NEWEST_FIRST,
        campaign_ids=principal.campaign_ids,
    )
    older = f"{PATH}?{urlencode(typed | {'before': rows[-1].id})}" if more else None
    context = AuditContext(
        frame=frame(request, "Audit log", section="audit"),
        events=[_line(event) for event in rows],
        typed={name: typed.get(name, "") for name in (*WORDS, *NUMBERS, *DAYS)},
        is_filtered=bool(typed),
        older_url=older,
        export_urls=[(form.value, _export_url(typed, form)) for form in AuditFormat],
    )
    return page(request, context)


def _typed(query: QueryParams) -> dict[str, str]:
    """The filters that were filled in; what cannot be one of theirs filters nothing, and is not shown as if it did."""
    given = {name: query.get(name, "").replace("\x00", "").strip() for name in (*WORDS, *NUMBERS, *DAYS)}
    fits = {name: _is_number if name in NUMBERS else _is_day if name in DAYS else _is_word for name in given}
    return {name: text for name, text in given.items() if text and fits[name](text)}


def _is_word(text: str) -> bool:
    return len(text) <= LONGEST_WORD


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < len(str(LARGEST_ID)) and int(text) >= 1


def _is_day(text: str) -> bool:
    try:
        # The last day has none behind it, which `until` would need.
        return datetime.fromisoformat(text).date() < datetime.max.date()
    except ValueError:
        return False


def _filter(typed: Mapping[str, str]) -> AuditFilter:
    """Days are those of UTC, both included."""
    given: dict[str, Any] = {name: typed.get(name) for name in WORDS}
    given |= {name: int(typed[name]) for name in NUMBERS if name in typed}
    since = _day(typed["from"]) if "from" in typed else None
    until = _day(typed["until"]) + timedelta(days=1) if "until" in typed else None
    return AuditFilter(**given, since=since, until=until)


def _day(text: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(text).date(), datetime.min.time(), UTC)


def _export_url(typed: Mapping[str, str], form: AuditFormat) -> str:
    wanted = _filter(typed)
    query = {name: text for name, text in typed.items() if name not in DAYS}
    for name, moment in (("from", wanted.since), ("until", wanted.until)):
        if moment is not None:
            query[name] = moment.isoformat()
    return f"/api/v1/audit-events:export?{urlencode(query | {'format': form.value})}"


def _line(event: AuditEvent) -> AuditLine:
    before, after = event.before or {}, event.after or {}
    names = [*before, *(name for name in after if name not in before)]
    return AuditLine(
        id=event.id,
        created_at=event.created_at,
        actor=event.actor,
        action=event.action,
        entity=event.entity,
        entity_id=event.entity_id,
        campaign_id=event.campaign_id,
        request_id=event.request_id,
        changes=[
            (name, told[0], told[1])
            for name in names
            if any(told := (_text(before, name), _text(after, name)))
        ],
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    """A value as people read it, cut where it is long: the export has all of it."""
    text = _readable(document.get(name))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _readable(value: object) -> str:
    """Nothing for what is empty; parts of a document with their names."""
    if isinstance(value, dict):
        parts = {words(name): text for name, part in value.items() if (text := _readable(part))}
        return "; ".join(f"{name} {text}" for name, text in parts.items())
    if isinstance(value, list):
        return ", ".join(_readable(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
