"""What a round's configuration says of sources and samples, and what users call things, for `rank_pool`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.database.models import Campaign
from service.errors import ConflictError
from service.quantities import quantity
from worker.acquisition.regions import FeatureWording, RegionWording
from worker.groups import Grouping
from worker.loading import Snapshot


def source_rules(document: Mapping[str, Any], campaign: Campaign, pending: Sequence[int]) -> dict[str, Any]:
    """Quotas, places left, lead times and the other rules of a `RankingConfig`.

    Args:
        document: the round's configuration; one of an older round has fewer entries.
        campaign: its sources, in the order of their index.
        pending: source id of every pending candidate: it takes a place of its source.
    """
    position = {source.name: index for index, source in enumerate(campaign.sources)}
    quotas = {position[name]: quota for name, quota in document.get("source_quotas", {}).items()}
    taken = Counter(pending)
    longest = document.get("longest_lead_time_hours")
    return {
        "source_quotas": {
            index: quota["most"] for index, quota in quotas.items() if quota["most"] is not None
        },
        "source_minimums": {index: quota["least"] for index, quota in quotas.items()},
        "source_capacity": {
            index: max(0, source.capacity - taken[source.id])
            for index, source in enumerate(campaign.sources)
            if source.capacity is not None
        },
        "source_lead_time_hours": {
            index: float(source.lead_time_hours) for index, source in enumerate(campaign.sources)
        },
        "longest_lead_time_hours": None if longest is None else float(longest),
        "most_per_group": document.get("max_per_group"),
        "relevance_strength": document.get("relevance_strength", 0.0),
    }


def row_rules(document: Mapping[str, Any], pool_ids: npt.ArrayLike) -> dict[str, list[int]]:
    """Injected and vetoed samples as rows of the pool.

    Raises:
        ConflictError: an injected sample is no longer in the pool. A vetoed one that is not needs no veto.
    """
    injected = document.get("injected_sample_ids", [])
    found = rows_of(injected, pool_ids)
    if missing := [key for key, row in zip(injected, found, strict=True) if row < 0]:
        message = (
            f"Injected samples {missing} are no longer candidates: they are proposed, labelled or abandoned."
        )
        raise ConflictError(message, hint="Request a round without them.")
    vetoed = rows_of(document.get("vetoed_sample_ids", []), pool_ids)
    return {"injected": found, "vetoed": [row for row in vetoed if row >= 0]}


def standing_vetoes(snapshot: Snapshot) -> list[int]:
    """Rows of the pool that somebody's standing veto keeps out of every round."""
    return [row for row in rows_of(sorted(snapshot.vetoed_ids), snapshot.pool.ids) if row >= 0]


def grouping_of(document: Mapping[str, Any]) -> Grouping | None:
    """What makes a group; None where the batch is not limited by groups."""
    return None if document.get("max_per_group") is None else Grouping(document.get("group_feature"))


def rows_of(sample_ids: Sequence[int], known_ids: npt.ArrayLike) -> list[int]:
    """Position of each id among the known ones, which ascend; -1 where it is not."""
    known = np.asarray(known_ids, dtype=np.int64)
    places = np.searchsorted(known, sample_ids).tolist()
    return [
        row if row < len(known) and known[row] == key else -1
        for row, key in zip(places, sample_ids, strict=True)
    ]


def region_wording(campaign: Campaign, snapshot: Snapshot) -> RegionWording:
    """The points of the target domain in the words and units of the campaign."""
    rows, case = snapshot.target_rows, snapshot.load_case
    return RegionWording(
        load_case=() if case is None else tuple(str(row.get(case) or "unknown") for row in rows),
        features=tuple(
            FeatureWording(
                quantity(feature["name"], feature.get("unit", "1")),
                feature.get("unit", "1"),
                tuple(_word(row.get(feature["name"])) for row in rows),
            )
            for feature in campaign.feature_schema
            if feature["name"] != case
        ),
    )


def _word(value: Any) -> float | str | None:  # noqa: ANN401 - any feature value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value
    return float(value)
