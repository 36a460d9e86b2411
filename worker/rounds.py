"""One acquisition round: a snapshot and a served surrogate into a ranking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from service.database.models import AcquisitionRound, Campaign
from worker.acquisition.ranking import Ranking, RankingConfig, rank_pool
from worker.acquisition.reasons import Wording
from worker.groups import IntArray
from worker.loading import Snapshot
from worker.retests import offered, repetitions_under_way
from worker.round_rules import region_wording, row_rules, source_rules, standing_vetoes
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

    Behind the rows of the pool the ranking may have repetitions of doubted tests (`retests.offered`). The
    snapshot was loaded with the encoder of that surrogate. A labelled sample counts with the data weight that its
    valuation gave it; one that came in later with 1.

    Raises:
        AcquisitionError: empty pool, no target domain, a budget below every price.
    """
    surrogate, document = served.surrogate, round_.configuration
    encode = surrogate.encoder.transform
    offer = offered(snapshot, served.doubted_ids, surrogate.encoder, retests=document.get("retests", False))
    predicted, predicted_std = surrogate.predict_encoded(offer.X)
    source = _source_index(campaign, offer.source_ids)
    rules = row_rules(document, snapshot.pool.ids)
    cost = np.array([float(source.acquisition_cost) for source in campaign.sources])
    return rank_pool(
        surrogate.network,
        X_labelled=encode(snapshot.train.rows),
        label_precision=np.array([served.weights.get(key, 1.0) for key in snapshot.train.ids]),
        X_pool=offer.X,
        X_pending=encode(snapshot.pending.rows),
        X_target=encode(snapshot.target_rows),
        acquisition_cost=cost[source],
        source=source,
        relevance=None,  # no backtest has supported it yet
        predicted=predicted,
        predicted_std=predicted_std,
        config=_config(campaign, round_, snapshot, strategy),
        seed=round_.seed,
        device=device,
        labelled_targets=snapshot.train.targets,
        repeats=offer.repeats,
        pending_repeats=repetitions_under_way(snapshot),
        group=offer.group,
        injected=rules["injected"],
        vetoed=[*rules["vetoed"], *standing_vetoes(snapshot), *offer.vetoed],
        wording=Wording(
            target_unit=snapshot.target.unit,
            currency=campaign.currency,
            sources=tuple(source.name for source in campaign.sources),
            labelled=tuple(snapshot.train.names),
            region=region_wording(campaign, snapshot),
        ),
        progress=progress,
    )


def _source_index(campaign: Campaign, source_ids: IntArray) -> IntArray:
    """(m,) position of each candidate's source in the campaign, whose sources are in the order of their ids."""
    index: IntArray = np.searchsorted([source.id for source in campaign.sources], source_ids)
    return index


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
        **source_rules(document, campaign, snapshot.pending.source_ids),
    )
