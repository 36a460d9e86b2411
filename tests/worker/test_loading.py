"""The frozen snapshot: who trains, who is the pool, what stands for the target domain."""

import numpy as np
import pytest
from sqlalchemy.orm import Session, joinedload, sessionmaker

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Sample
from service.errors import ConflictError
from service.samples import repository as samples
from service.vocabulary import SampleStatus
from tests.worker.campaign import CAMPAIGN, rows, store
from worker.loading import MOST_TARGET_POINTS, Snapshot, load_snapshot
from worker.lossval.encoding import FeatureEncoder


def snapshot(
    sessions: sessionmaker[Session], campaign_id: int, seed: int = 0, encoder: FeatureEncoder | None = None
) -> Snapshot:
    with unit_of_work(sessions, frozen=True) as session:
        return load_snapshot(session, campaigns.get(session, campaign_id), seed=seed, encoder=encoder)


def encoder_of(found: Snapshot) -> FeatureEncoder:
    return FeatureEncoder.fit(found.features, found.train.rows)


def rows_of(sessions: sessionmaker[Session], ids: list[int]) -> list[dict[str, object]]:
    """The samples as the surrogate sees them, one object after the other."""
    with sessions() as session:
        found = [session.get_one(Sample, key, options=[joinedload(Sample.source)]) for key in ids]
        return [{**sample.planned_features, "source": sample.source.name} for sample in found]


def test_splits_and_statuses_decide_what_a_sample_is_for(worker_sessions: sessionmaker[Session]) -> None:
    found = snapshot(worker_sessions, store(worker_sessions, rows(12, 7, holdout=5)))
    assert (len(found.train.ids), len(found.pool.ids), len(found.holdout.ids)) == (12, 7, 5)
    assert not set(found.holdout.ids) & set(found.sample_ids), "the holdout is measured on, never used"


def test_target_rows_meet_the_conditions_and_are_asked_for_as_tests(
    worker_sessions: sessionmaker[Session],
) -> None:
    found = snapshot(worker_sessions, store(worker_sessions, rows(20, 20, holdout=20)))
    assert found.target_rows
    assert all(row["test_mass_kg"] >= 2200 for row in found.target_rows)
    assert {row["source"] for row in found.target_rows} == {"full_vehicle"}
    with worker_sessions() as session:
        known = [session.get_one(Sample, key) for key in found.sample_ids]
    heavy = [sample for sample in known if sample.planned_features["test_mass_kg"] >= 2200]
    assert len(found.target_rows) == len(heavy), "designs of the holdout do not describe the target domain"


def test_validation_samples_stand_for_the_target_domain(worker_sessions: sessionmaker[Session]) -> None:
    found = rows(12, 3)
    found += [
        row | {"external_id": f"v{i}", "split": "validation"} for i, row in enumerate(rows(0, 4, seed=9))
    ]
    document = CAMPAIGN | {"target_domain": {"conditions": []}}
    loaded = snapshot(worker_sessions, store(worker_sessions, found, document))
    assert len(loaded.target_rows) == 4
    assert loaded.validation.ids == [], "without targets they are not used to choose a surrogate"
    assert len(loaded.pool.ids) == 3, "validation samples are never acquirable"


def test_the_source_is_a_feature_only_where_there_are_several(worker_sessions: sessionmaker[Session]) -> None:
    one = CAMPAIGN | {"sources": CAMPAIGN["sources"][:1]}
    with_one = [row | {"source": "full_vehicle"} for row in rows(12, 2)]
    assert "source" not in [
        spec.name for spec in snapshot(worker_sessions, store(worker_sessions, with_one, one)).features
    ]
    several = snapshot(worker_sessions, store(worker_sessions, rows(12, 2)))
    assert several.features[-1].categories == ("full_vehicle", "simulation")


def test_executed_features_train_planned_ones_are_ranked(worker_sessions: sessionmaker[Session]) -> None:
    found = rows(12, 1)
    found[0]["executed_features"] = {"impact_speed_kmh": 59.9}
    loaded = snapshot(worker_sessions, store(worker_sessions, found))
    assert loaded.train.rows[0]["impact_speed_kmh"] == 59.9
    assert loaded.train.rows[0]["test_mass_kg"] == found[0]["planned_features"]["test_mass_kg"]


def test_the_hash_changes_with_the_data_and_only_with_it(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 4))
    first, again = snapshot(worker_sessions, campaign_id), snapshot(worker_sessions, campaign_id, seed=5)
    assert first.data_hash == again.data_hash
    with unit_of_work(worker_sessions) as session:
        sample = session.get_one(Sample, first.train.ids[0])
        assert sample.target is not None
        sample.target += 0.001
    assert snapshot(worker_sessions, campaign_id).data_hash != first.data_hash


def test_many_target_points_are_thinned_by_the_seed(worker_sessions: sessionmaker[Session]) -> None:
    document = CAMPAIGN | {
        "target_domain": {"conditions": [{"feature": "body", "categories": ["sedan", "suv"]}]}
    }
    campaign_id = store(worker_sessions, rows(12, MOST_TARGET_POINTS), document)
    first = snapshot(worker_sessions, campaign_id, seed=1).target_rows
    assert len(first) == MOST_TARGET_POINTS
    assert snapshot(worker_sessions, campaign_id, seed=1).target_rows == first
    assert snapshot(worker_sessions, campaign_id, seed=2).target_rows != first


def test_abandoned_samples_are_in_no_pool(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 3))
    before = snapshot(worker_sessions, campaign_id)
    with unit_of_work(worker_sessions) as session:
        session.get_one(Sample, before.pool.ids[0]).status = SampleStatus.ABANDONED
    after = snapshot(worker_sessions, campaign_id)
    assert after.pool.ids.tolist() == before.pool.ids[1:].tolist()
    assert all(sample_id not in after.sample_ids for sample_id in before.pool.ids[:1])


def test_the_pool_comes_encoded_in_the_order_of_the_ids(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 40))
    encoder = encoder_of(snapshot(worker_sessions, campaign_id))
    pool = snapshot(worker_sessions, campaign_id, encoder=encoder).pool
    assert pool.ids.tolist() == sorted(pool.ids.tolist())
    expected = encoder.transform(rows_of(worker_sessions, pool.ids.tolist()))
    assert pool.X.dtype == np.float32
    np.testing.assert_array_equal(pool.X, expected.astype(np.float32))


@pytest.mark.parametrize("block_rows", [1, 7, 39, 40, 41])
def test_the_size_of_the_blocks_changes_nothing(
    worker_sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    campaign_id = store(worker_sessions, rows(12, 40))
    encoder = encoder_of(snapshot(worker_sessions, campaign_id))
    whole = snapshot(worker_sessions, campaign_id, encoder=encoder)
    monkeypatch.setattr(samples, "BLOCK_ROWS", block_rows)
    blocks = snapshot(worker_sessions, campaign_id, encoder=encoder)
    assert blocks.data_hash == whole.data_hash
    assert blocks.sample_ids == whole.sample_ids
    assert blocks.target_rows == whole.target_rows
    assert blocks.pool.X.tobytes() == whole.pool.X.tobytes()


def test_a_pool_without_candidates_has_no_rows(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 0))
    encoder = encoder_of(snapshot(worker_sessions, campaign_id))
    pool = snapshot(worker_sessions, campaign_id, encoder=encoder).pool
    assert (pool.ids.shape, pool.source_ids.shape, pool.X.shape) == ((0,), (0,), (0, len(encoder.columns)))


@pytest.mark.parametrize(
    "change",
    [
        {"planned_features": {"impact_speed_kmh": 50.0, "test_mass_kg": 1500.0, "body": "suv"}},
        {"executed_features": {"impact_speed_kmh": 50.0, "test_mass_kg": 1500.0, "body": "suv"}},
        {"status": SampleStatus.ABANDONED},
    ],
)
def test_the_hash_covers_the_candidates(
    worker_sessions: sessionmaker[Session], change: dict[str, object]
) -> None:
    campaign_id = store(worker_sessions, rows(12, 4))
    before = snapshot(worker_sessions, campaign_id)
    with unit_of_work(worker_sessions) as session:
        candidate = session.get_one(Sample, int(before.pool.ids[1]))
        for name, value in change.items():
            setattr(candidate, name, value)
    assert snapshot(worker_sessions, campaign_id).data_hash != before.data_hash


def test_the_hash_covers_the_source_of_a_candidate(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 4))
    before = snapshot(worker_sessions, campaign_id)
    with unit_of_work(worker_sessions) as session:
        candidate = session.get_one(Sample, int(before.pool.ids[0]))
        candidate.source_id = next(
            int(key) for key in before.pool.source_ids if int(key) != candidate.source_id
        )
    assert snapshot(worker_sessions, campaign_id).data_hash != before.data_hash


def test_the_encoder_of_another_feature_schema_is_refused(worker_sessions: sessionmaker[Session]) -> None:
    campaign_id = store(worker_sessions, rows(12, 4))
    found = snapshot(worker_sessions, campaign_id)
    other = FeatureEncoder.fit(found.features[:-1], found.train.rows)
    with pytest.raises(ConflictError, match="another feature schema"):
        snapshot(worker_sessions, campaign_id, encoder=other)
