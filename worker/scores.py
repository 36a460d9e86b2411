"""Posted designs in the place of the pool, and the ranking as the document that goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from service.database.models import AcquisitionRound, Campaign, Source
from worker.acquisition.explanations import Recommendation
from worker.acquisition.ranking import Ranking
from worker.groups import GroupCodes, Grouping
from worker.loading import Pool, Row, Snapshot, design_of
from worker.lossval.encoding import FeatureEncoder
from worker.lossval.metrics import INTERVAL_LEVEL
from worker.lossval.surrogate import Surrogate
from worker.storing import finite_document

Design = Mapping[str, Any]  # source, features, external_id, group


def with_posted_pool(
    snapshot: Snapshot,
    campaign: Campaign,
    designs: Sequence[Design],
    encoder: FeatureEncoder,
    grouping: Grouping | None,
) -> tuple[Snapshot, list[Row]]:
    """The snapshot with the designs instead of its pool, and their rows; their ids are 1 to m.

    Everything else stays: what is labelled and pending, and the target domain, which the real pool helps describe.
    """
    ids = {source.name: source.id for source in campaign.sources}
    source_ids = [ids[design["source"]] for design in designs]
    place = design_of(campaign)
    rows = [place.row(design["features"], key) for design, key in zip(designs, source_ids, strict=True)]
    groups = GroupCodes(grouping).of(
        (design["group"] for design in designs), (design["features"] for design in designs)
    )
    pool = Pool(
        ids=np.arange(1, len(designs) + 1, dtype=np.int64),
        source_ids=np.array(source_ids, dtype=np.int64),
        X=encoder.transform(rows).astype(np.float32),
        repeats=np.full(len(designs), -1, dtype=np.int64),
        group=groups,
    )
    return replace(snapshot, pool=pool, vetoed_ids=frozenset()), rows


def score_document(
    round_: AcquisitionRound,
    campaign: Campaign,
    snapshot: Snapshot,
    ranking: Ranking,
    designs: Sequence[Design],
    rows: Sequence[Row],
    surrogate: Surrogate,
) -> dict[str, Any]:
    """The answer (`service.scores.schemas.ScoreResult`), all m designs in ranked order. O(m)."""
    intervals = _intervals(surrogate, rows)
    sources = {source.name: source for source in campaign.sources}
    picked = {item.pick.index: item for item in ranking.recommendations}
    lines = [
        finite_document(
            _line(
                rank, row, ranking, picked.get(row), designs[row], sources[designs[row]["source"]], intervals
            )
        )
        for rank, row in enumerate(ranking.order.tolist(), 1)
    ]
    return {
        "campaign_id": round_.campaign_id,
        "surrogate_id": round_.surrogate_id,
        "strategy": ranking.strategy,
        "data_hash": snapshot.data_hash,
        "target_sd_before": ranking.selection.sd_before,
        "target_sd_after": ranking.selection.sd_after,
        "scores": lines,
    }


def _intervals(surrogate: Surrogate, rows: Sequence[Row]) -> list[list[float]] | None:
    """Bounds of each row; None for a surrogate of before there were intervals."""
    if surrogate.calibration is None:
        return None
    lower, upper = surrogate.interval(rows, INTERVAL_LEVEL)
    bounds: list[list[float]] = np.stack([lower, upper], axis=1).tolist()
    return bounds


def _line(
    rank: int,
    row: int,
    ranking: Ranking,
    picked: Recommendation | None,
    design: Design,
    source: Source,
    intervals: list[list[float]] | None,
) -> dict[str, Any]:
    selection = ranking.selection
    return {
        "rank": rank,
        "index": row,
        "external_id": design["external_id"],
        "source": source.name,
        "in_batch": picked is not None,
        "arm": None if picked is None else picked.pick.arm.value,
        "score": float(selection.scores[row]),
        "information": float(selection.information[row]),
        "relevance": float(ranking.relevance[row]),
        "price_factor": float(ranking.price_factor[row]),
        "predicted": float(ranking.predicted[row]),
        "predicted_std": float(ranking.predicted_std[row]),
        "interval_90": None if intervals is None else intervals[row],
        "acquisition_cost": f"{source.acquisition_cost:.2f}",
        "currency": source.currency,
        "feasible": bool(selection.eligible[row] and selection.affordable[row]),
        "reason": _obstacle(ranking, row) if picked is None else picked.reason,
    }


def _obstacle(ranking: Ranking, row: int) -> str:
    """What keeps a design out of the batch."""
    for rule in ranking.rules:
        if rule.blocked[row]:
            return f"No round can propose it: such designs {rule.complaint}; {rule.remedy}."
    if not ranking.selection.affordable[row]:
        return "It costs more than the budget, or its source's budget, has left."
    return f"The {len(ranking.recommendations)} designs of the batch do more together, or leave it no place."
