"""Rows of a campaign into what a backtest replays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.database.models import Campaign
from service.samples import repository as samples
from service.vocabulary import SourceKind
from worker.loading import Row, Snapshot
from worker.lossval.encoding import FeatureSpec

# Labelled validation samples measure when there are so many: an error on fewer says little, and then a part of the
# training samples is held out in each replay instead.
LEAST_MEASURED = 20


@dataclass(frozen=True)
class ReplayRows:
    """n labelled rows; the fields after `ids` are the arguments of `BacktestData.from_rows`.

    Attributes:
        ids: sample of each row.
        features: of the rows, the source among them when there are several.
        rows, y: executed features and targets of the labelled samples in split train, then of the validation
            samples if they measure. The campaign's holdout takes no part: it may not choose a strategy.
        acquisition_cost, source: price and index of each row's source.
        group: its group, its own where it has none.
        target_rows: designs of the target domain.
        holdout: (n,) True for validation samples; None when the replays hold out training samples.
        target_source: index of the source that has to be predicted; None when there is one source only.
        bought_order: (n,) rises in the order in which the labels came in, ties by id; None when not asked for.
    """

    ids: list[int]
    features: Sequence[FeatureSpec]
    rows: Sequence[Row]
    y: NDArray[np.float64]
    acquisition_cost: NDArray[np.float64]
    source: NDArray[np.int64]
    group: Sequence[str]
    target_rows: Sequence[Row]
    holdout: NDArray[np.bool_] | None
    target_source: int | None
    bought_order: NDArray[np.float64] | None


def load_replay_rows(
    session: Session, campaign: Campaign, snapshot: Snapshot, *, as_bought: bool
) -> ReplayRows:
    """The labelled samples of a snapshot with price, group and order; call it in the snapshot's transaction."""
    measured = snapshot.validation if len(snapshot.validation.ids) >= LEAST_MEASURED else None
    parts = [snapshot.train] if measured is None else [snapshot.train, measured]
    ids = [key for part in parts for key in part.ids]
    bought = samples.purchases(session, campaign.id, ids)
    position = {source.id: index for index, source in enumerate(campaign.sources)}
    price = [float(source.acquisition_cost) for source in campaign.sources]
    source = np.array([position[bought[key][0]] for key in ids], dtype=np.int64)
    return ReplayRows(
        ids=ids,
        features=snapshot.features,
        rows=[row for part in parts for row in part.rows],
        y=np.concatenate([part.targets for part in parts]),
        acquisition_cost=np.array(price)[source],
        source=source,
        group=[bought[key][1] or f"sample {key}" for key in ids],
        target_rows=snapshot.target_rows,
        holdout=None if measured is None else np.arange(len(ids)) >= len(snapshot.train.ids),
        target_source=_target_source(campaign),
        bought_order=_order([(bought[key][2], key) for key in ids]) if as_bought else None,
    )


def _target_source(campaign: Campaign) -> int | None:
    """The first physical test among several sources, as in a snapshot's target domain."""
    if len(campaign.sources) == 1:
        return None
    kinds = [source.kind for source in campaign.sources]
    return kinds.index(SourceKind.PHYSICAL_TEST) if SourceKind.PHYSICAL_TEST in kinds else 0


def _order(moments: Sequence[tuple[datetime | None, int]]) -> NDArray[np.float64]:
    """(n,) place of each row in time; what came in at once counts in the order of its ids, without a time first."""
    ordered = sorted(
        range(len(moments)),
        key=lambda row: (moments[row][0] is not None, moments[row][0] or datetime.min, moments[row][1]),
    )
    order = np.empty(len(moments))
    order[ordered] = np.arange(len(moments))
    return order
