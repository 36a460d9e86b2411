"""One decision about several recommendations: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from service.acquisitions import repository, service
from service.database.models import Campaign, Recommendation
from service.errors import NotFoundError, TransitionError
from service.lifecycles import RecommendationStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def change_many(
    session: Session,
    campaign: Campaign,
    recommendation_ids: Iterable[int],
    wanted: RecommendationStatus,
    *,
    actor: str,
    reason: str = "",
) -> Sequence[Recommendation]:
    """Move several recommendations of a campaign to another status, in the order of their ids.

    Raises:
        NotFoundError: if one is not of this campaign.
        TransitionError: if the status of some does not allow it, naming each.
        ConflictError: as `service.change` for a single one; the caller rolls back what came before it.
    """
    ids = set(recommendation_ids)
    rows = repository.lock_recommendations(session, campaign.id, ids)
    if missing := sorted(ids - {row.id for row in rows}):
        raise NotFoundError(f"Campaign {campaign.id} has no recommendation {', '.join(map(str, missing))}.")
    _require_allowed(rows, wanted)
    for row in rows:
        service.change(session, row.id, wanted, actor=actor, reason=reason)
        session.flush()  # the next one must see the money that this one commits
    return rows


def _require_allowed(rows: Sequence[Recommendation], wanted: RecommendationStatus) -> None:
    """Tell of all at once what somebody else has decided meanwhile."""
    stale = [row for row in rows if wanted not in row.status.allowed]
    if stale:
        found = ", ".join(
            f"{row.sample.external_id or f'sample {row.sample_id}'} is {row.status}" for row in stale
        )
        message = f"Somebody was faster: {found} and cannot become {wanted}."
        raise TransitionError(message, hint="Nothing was changed.")
