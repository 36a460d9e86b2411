"""Writes audit events; reading them comes with the accounts that they name."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.database.models import AuditEvent


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
    """Add an event in the caller's transaction."""
    session.add(
        AuditEvent(
            campaign_id=campaign_id,
            actor=actor,
            action=action,
            entity=entity,
            entity_id=entity_id,
            before=before,
            after=after,
        )
    )
