"""One acquisition round: a snapshot and a served surrogate into a ranking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from service.database.models import AcquisitionRound, Campaign
from service.errors import ConflictError
from worker.acquisition.ranking import Ranking, RankingConfig, rank_pool
from worker.acquisition.reasons import Wording
from worker.loading import Snapshot
from worker.storing import ServedSurrogate

Progress = Callable[[float, str], None]


def rank_snapshot(
    snapshot: Snapshot,
    campaign: Campaign,
    served: ServedSurrogate,
    round_: AcquisitionRound,
    *,
    strategy: str,
    device: torch.device,
    progress: Progress,
) -> Ranking:
    """Rank the snapshot's pool by `strategy` with the round's surrogate, budget and seed.

    A labelled sample counts with the data weight that its valuation gave it; one that came in later with 1.

    Raises:
        ConflictError: if the surrogate was trained for another feature schema.
        AcquisitionError: empty pool, no target domain, a budget below every price.
    """
    surrogate = served.surrogate
    if surrogate.encoder.features != tuple(snapshot.features):
        message = "The surrogate was trained for another feature schema."
        raise ConflictError(message, hint="Request a valuation run, then a new round.")
    encode = surrogate.encoder.transform
    predicted, predicted_std = surrogate.predict(snapshot.pool.rows)
    cost = {source.id: float(source.acquisition_cost) for source in campaign.sources}
    return rank_pool(
        surrogate.network,
        X_labelled=encode(snapshot.train.rows),
        label_precision=np.array([served.weights.get(key, 1.0) for key in snapshot.train.ids]),
        X_pool=encode(snapshot.pool.rows),
        X_pending=encode(snapshot.pending.rows),
        X_target=encode(snapshot.target_rows),
        acquisition_cost=np.array([cost[key] for key in snapshot.pool.source_ids]),
        source=_source_index(campaign, snapshot),
        relevance=None,  # no backtest has supported it yet
        predicted=predicted,
        predicted_std=predicted_std,
        config=_config(campaign, round_, snapshot, strategy),
        seed=round_.seed,
        device=device,
        wording=Wording(
            target_unit=snapshot.target.unit,
            currency=campaign.currency,
            sources=tuple(source.name for source in campaign.sources),
            labelled=tuple(snapshot.train.names),
        ),
        progress=progress,
    )


def _source_index(campaign: Campaign, snapshot: Snapshot) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    position = {source.id: index for index, source in enumerate(campaign.sources)}
    return np.array([position[key] for key in snapshot.pool.source_ids], dtype=np.int64)


def _config(campaign: Campaign, round_: AcquisitionRound, snapshot: Snapshot, strategy: str) -> RankingConfig:
    document = round_.configuration
    position = {source.name: index for index, source in enumerate(campaign.sources)}
    return RankingConfig(
        strategy=strategy,
        batch_size=document["batch_size"],
        budget=None if document["budget"] is None else float(document["budget"]),
        source_budgets={position[name]: float(money) for name, money in document["source_budgets"].items()},
        cost_exponent=document["cost_exponent"],
        control_fraction=document["control_fraction"],
        target_scale=float(snapshot.train.targets.std()),
    )
