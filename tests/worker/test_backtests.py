"""What a backtest is given: the labelled samples with price, group and the order in which they came in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Sample
from tests.worker.campaign import CAMPAIGN, rows, store
from worker.backtests import LEAST_MEASURED, ReplayRows, load_replay_rows
from worker.loading import load_snapshot

Sessions = sessionmaker[Session]


def load(sessions: Sessions, campaign_id: int, *, as_bought: bool = True) -> ReplayRows:
    with unit_of_work(sessions, frozen=True) as session:
        campaign = campaigns.get(session, campaign_id)
        snapshot = load_snapshot(session, campaign, seed=0)
        return load_replay_rows(session, campaign, snapshot, as_bought=as_bought)


def test_labelled_samples_come_with_price_source_and_group(worker_sessions: Sessions) -> None:
    found = load(worker_sessions, store(worker_sessions, rows(12, 5, holdout=4)))
    assert len(found.ids) == len(found.rows) == len(found.y) == 12  # neither candidates nor holdout
    assert found.source.tolist() == [1, 0, 0] * 4
    assert found.acquisition_cost.tolist() == [3000.0, 300000.0, 300000.0] * 4
    assert found.group[:2] == ["group-0", "group-1"]
    assert found.target_source == 0
    assert found.holdout is None
    assert {row["source"] for row in found.target_rows} == {"full_vehicle"}
    assert [feature.name for feature in found.features][-1] == "source"


def test_a_sample_without_a_group_is_its_own(worker_sessions: Sessions) -> None:
    alone = [row | {"group": None} for row in rows(12, 0)]
    assert len(set(load(worker_sessions, store(worker_sessions, alone)).group)) == 12


def test_with_one_source_there_is_none_to_predict(worker_sessions: Sessions) -> None:
    document: dict[str, Any] = CAMPAIGN | {"sources": CAMPAIGN["sources"][:1]}
    tests = [row | {"source": "full_vehicle"} for row in rows(12, 0)]
    assert load(worker_sessions, store(worker_sessions, tests, document)).target_source is None


@pytest.mark.parametrize("measured", [LEAST_MEASURED - 1, LEAST_MEASURED])
def test_enough_labelled_validation_samples_measure(worker_sessions: Sessions, measured: int) -> None:
    found = rows(12 + measured, 0)
    for row in found[12:]:
        row["split"] = "validation"
    replayed = load(worker_sessions, store(worker_sessions, found))
    if measured < LEAST_MEASURED:
        assert (len(replayed.ids), replayed.holdout) == (12, None)
        return
    assert replayed.holdout.tolist() == [False] * 12 + [True] * measured
    assert len(replayed.y) == 12 + measured


def test_the_order_is_that_of_the_labels_and_then_of_the_ids(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(5, 0))
    ids = load(worker_sessions, campaign_id).ids
    moment = datetime.now(UTC)
    with unit_of_work(worker_sessions) as session:
        for key, days in zip(ids, [3, 1, None, 1, 2], strict=True):
            labelled_at = None if days is None else moment + timedelta(days=days)
            session.get_one(Sample, key).labelled_at = labelled_at
    assert np.array_equal(load(worker_sessions, campaign_id).bought_order, [4, 1, 0, 2, 3])
    assert load(worker_sessions, campaign_id, as_bought=False).bought_order is None
