"""REST: the audit trail."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from service.audit import service
from service.audit.schemas import AuditEventRead, AuditFilter, AuditFormat, AuditOrder
from service.dependencies import PageDep, Principal, SessionDep, requires
from service.moments import AwareMoment
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.vocabulary import Scope

router = NounRouter(tags=["audit"])
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An event a line, oldest first, as of the moment of the request.",
        "content": {
            kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in service.MEDIA_TYPES.values()
        },
    }
}
Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Key = Annotated[int, Query(ge=1, lt=2**63)]


def _filter(
    campaign_id: Key | None = None,
    actor: Word | None = None,
    principal_id: Word | None = None,
    action: Word | None = None,
    entity: Word | None = None,
    entity_id: Key | None = None,
    since: Annotated[AwareMoment | None, Query(alias="from", description="RFC 3339, included.")] = None,
    until: Annotated[AwareMoment | None, Query(description="RFC 3339, not included.")] = None,
) -> AuditFilter:
    return AuditFilter(campaign_id, actor, principal_id, action, entity, entity_id, since, until)


FilterDep = Annotated[AuditFilter, Depends(_filter)]


@router.get("/audit-events", responses=responses(400, 422))
@requires(Scope.ADMIN)
def list_audit_events(
    session: SessionDep,
    principal: Principal,
    page: PageDep,
    wanted: FilterDep,
    order: AuditOrder = AuditOrder.NEWEST_FIRST,
) -> Page[AuditEventRead]:
    """Who changed what, when, with before and after; newest first unless asked otherwise."""
    rows, more = service.page(session, wanted, page, order=order, campaign_ids=principal.campaign_ids)
    items = [AuditEventRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/audit-events:export", response_class=Response, responses=_EXPORT | responses(422))
@requires(Scope.ADMIN)
def export_audit_events(
    request: Request,
    principal: Principal,
    wanted: FilterDep,
    file_format: Annotated[AuditFormat, Query(alias="format")] = AuditFormat.NDJSON,
) -> Response:
    """All that the filter lets through as one file, streamed."""
    text = service.export(request.app.state.sessions, wanted, file_format, principal.campaign_ids)
    name = {"content-disposition": f'attachment; filename="audit-events.{file_format}"'}
    return StreamingResponse(text, media_type=service.MEDIA_TYPES[file_format], headers=name)
