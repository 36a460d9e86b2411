"""Rules of dry runs: what one would have proposed, and how long that is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from service.acquisitions import repository, service
from service.acquisitions.schemas import PreviewedPickRead
from service.database.models import PreviewedPick
from service.errors import ConflictError
from service.lifecycles import RunStatus
from service.pagination import PageRequest, cut_page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

KEPT_FOR = timedelta(days=7)


def preview_page(
    session: Session, round_id: int, request: PageRequest
) -> tuple[list[PreviewedPickRead], bool]:
    """The batch of a dry run in its order.

    Raises:
        NotFoundError: if there is no such round.
        ConflictError: if it is no dry run, or has no batch (yet).
    """
    round_ = service.get_round(session, round_id)
    if not round_.dry_run:
        message = f"Round {round_id} is no dry run: its batch is proposed."
        raise ConflictError(message, hint=f"GET /api/v1/acquisition-rounds/{round_id}/recommendations.")
    if round_.status is not RunStatus.SUCCEEDED:
        message = f"Dry run {round_id} is {round_.status}: there is no batch to look at."
        hint = "Request another one." if round_.status.is_terminal else "Wait until it has succeeded."
        raise ConflictError(message, hint=hint)
    rows, more = cut_page(repository.preview_page(session, round_.id, request), request.limit)
    return [PreviewedPickRead.model_validate(_fields(row)) for row in rows], more


def _fields(row: PreviewedPick) -> dict[str, Any]:
    """The row with what its sample, source and components add."""
    columns = {column.key: getattr(row, column.key) for column in PreviewedPick.__mapper__.column_attrs}
    return {
        **columns,
        "external_id": row.sample.external_id,
        "source": row.sample.source.name,
        "planned_features": row.sample.planned_features,
        "predicted": row.components["predicted"],
        "predicted_std": row.components["predicted_std"],
    }


def prune(session: Session, *, now: datetime) -> int:
    """Delete dry runs that ended more than `KEPT_FOR` ago, with their rankings, a bounded number at once."""
    return repository.delete_dry_runs(session, now - KEPT_FOR)
