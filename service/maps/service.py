"""Maps of rounds, as they go out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from service.acquisitions import service as acquisitions
from service.database.models import Campaign, PoolMap, Recommendation
from service.errors import NotFoundError
from service.maps import repository
from service.maps.schemas import MapAxis, MapColumns, PoolMapRead

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DIGITS = 4  # of what is drawn: finer than any screen


def get(session: Session, round_id: int) -> PoolMap:
    """The map without its points.

    Raises:
        NotFoundError: if there is no such round, or it has no map: not ranked yet, or by an older version.
    """
    found = repository.get(session, acquisitions.get_round(session, round_id).id)
    if found is None:
        message = f"Round {round_id} has no map."
        raise NotFoundError(
            message, hint="Wait until it is ranked; a round of an older version never gets one."
        )
    return found


def interval_level(session: Session, round_id: int) -> float | None:
    """Of the round's intervals; None for a round without a map."""
    found = repository.get(session, round_id)
    return None if found is None else found.interval_level


def campaign_id_of(session: Session, round_id: int) -> int | None:
    """Of the round; None if there is no such round."""
    return repository.campaign_id_of(session, round_id)


def version(session: Session, pool_map: PoolMap) -> str:
    """Changes with every change of what `read` tells: only labels can change after the ranking."""
    labels, newest = repository.changed_labels(session, pool_map.round_id)
    return f"{pool_map.round_id} {labels} {newest}"


def newest_of(session: Session, campaign: Campaign) -> PoolMap | None:
    return repository.newest_of(session, campaign.id)


def round_ids(session: Session, campaign: Campaign, *, limit: int) -> Sequence[int]:
    """Rounds that have a map, newest first."""
    return repository.round_ids(session, campaign.id, limit)


def read(session: Session, pool_map: PoolMap) -> PoolMapRead:
    """The map with its points; at most about 6,000 besides the labelled ones."""
    rows = repository.points(session, pool_map.round_id)
    axes = zip(pool_map.axes["explained"], pool_map.axes["drivers"], strict=True)
    # By columns: asking each of 6,000 rows for 14 names took half of the time.
    by_name = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True)) if rows else {}
    columns = {name: [_short(value) for value in by_name.get(name, ())] for name in MapColumns.model_fields}
    return PoolMapRead(
        round_id=pool_map.round_id,
        axes=[MapAxis(explained_share=share, drivers=found) for share, found in axes],
        explained_share=pool_map.explained_share,
        candidates=pool_map.candidates,
        candidates_shown=pool_map.candidates_shown,
        interval_level=pool_map.interval_level,
        points=MapColumns.model_validate(columns),
    )


def _short(value: object) -> object:
    return round(value, DIGITS) if isinstance(value, float) else value


def half_widths(session: Session, rows: Iterable[Recommendation]) -> dict[int, float]:
    """Half the predicted interval by recommendation id, target units; without those that have none."""
    rows = list(rows)
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        wanted[row.round_id].append(row.sample_id)
    found = repository.half_widths(session, wanted)
    return {
        row.id: found[row.round_id, row.sample_id] for row in rows if (row.round_id, row.sample_id) in found
    }
