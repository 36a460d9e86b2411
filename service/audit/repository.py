"""SQL of audit events: rows are only ever added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.audit.schemas import AuditFilter, AuditOrder
from service.database.models import AuditEvent
from service.logs import log_fields
from service.pagination import PageRequest

BLOCK_ROWS = 1000
_EQUAL = ("campaign_id", "actor", "principal_id", "action", "entity", "entity_id")


def record(
    session: Session,
    actor: str,
    action: str,
    entity: str,
    entity_id: int,
    *,
    campaign_id: int | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an event in the caller's transaction; who asks and by which request is known from the context.

    Args:
        session: of the change itself: neither can exist without the other.
        actor: name of who does it.
        action: a verb, such as `create`.
        entity: kind of the row.
        entity_id: its id.
        campaign_id: the campaign that it belongs to.
        before: the fields that change, as they were. Never a secret, neither here nor in `after`: say `changed`.
        after: the same fields as they are now, and what else explains the change.
    """
    session.add(
        AuditEvent(
            campaign_id=campaign_id,
            actor=actor,
            # Now, and not when it is flushed: the commit comes after the route, outside of what it knows.
            principal_id=log_fields().get("principal_id"),
            action=action,
            entity=entity,
            entity_id=entity_id,
            before=before,
            after=after,
        )
    )


def page(
    session: Session,
    wanted: AuditFilter,
    request: PageRequest,
    *,
    order: AuditOrder,
    campaign_ids: frozenset[int] | None,
) -> Sequence[AuditEvent]:
    """One more than the page has rows, if there are more."""
    statement = _filtered(wanted, campaign_ids)
    if order is AuditOrder.OLDEST_FIRST:
        statement = statement.where(AuditEvent.id > request.after).order_by(AuditEvent.id)
    else:
        if request.after:
            statement = statement.where(AuditEvent.id < request.after)
        statement = statement.order_by(AuditEvent.id.desc())
    return session.scalars(statement.limit(request.limit + 1)).all()


def blocks(
    session: Session, wanted: AuditFilter, campaign_ids: frozenset[int] | None
) -> Iterator[Sequence[AuditEvent]]:
    """Everything that the filter lets through, oldest first, by a server-side cursor: never all in memory."""
    statement = _filtered(wanted, campaign_ids).order_by(AuditEvent.id)
    yield from session.scalars(statement.execution_options(yield_per=BLOCK_ROWS)).partitions()


def _filtered(wanted: AuditFilter, campaign_ids: frozenset[int] | None) -> Select[AuditEvent]:
    statement = select(AuditEvent)
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(AuditEvent, name) == value)
    if wanted.since is not None:
        statement = statement.where(AuditEvent.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEvent.created_at < wanted.until)
    if campaign_ids is not None:  # who sees only some campaigns sees nothing of the others, nor of the whole
        statement = statement.where(AuditEvent.campaign_id.in_(campaign_ids))
    return statement
