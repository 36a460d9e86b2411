"""The rules of a round's configuration reach the ranking, and what they read is part of the hash."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import outcomes
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, DataValue, Recommendation, Sample, Source
from service.lifecycles import RecommendationStatus, RunStatus
from service.vocabulary import Arm, SampleStatus
from tests.worker.tasks.test_replay import replay
from tests.worker.tasks.test_tasks import read, recommendations, request_round, valued_campaign
from worker.tasks.acquisition import acquisition_rank

Sessions = sessionmaker[Session]


def rank(sessions: Sessions, campaign_id: int, **configuration: Any) -> AcquisitionRound:
    wanted = {"strategy": "variance_reduction", "retests": True} | configuration
    round_id = request_round(sessions, campaign_id, **wanted)
    acquisition_rank(round_id)
    row: AcquisitionRound = read(sessions, AcquisitionRound, round_id)
    return row


def batch(sessions: Sessions, campaign_id: int, **configuration: Any) -> list[Recommendation]:
    round_ = rank(sessions, campaign_id, **configuration)
    assert round_.status is RunStatus.SUCCEEDED, round_.error_message
    return recommendations(sessions, round_.id)


def samples_of(sessions: Sessions, batch: list[Recommendation]) -> list[Sample]:
    with sessions() as session:
        return [session.get_one(Sample, item.sample_id) for item in batch]


def candidates(sessions: Sessions) -> list[Sample]:
    with sessions() as session:
        statement = select(Sample).where(Sample.status == SampleStatus.CANDIDATE).order_by(Sample.id)
        return list(session.scalars(statement))


def change_source(sessions: Sessions, name: str, **columns: Any) -> int:
    with unit_of_work(sessions) as session:
        if columns:
            session.execute(update(Source).where(Source.name == name).values(**columns))
        return session.scalars(select(Source.id).where(Source.name == name)).one()


def suspect(sessions: Sessions, count: int = 1) -> list[int]:
    """Make the labels of some samples suspicious; their ids."""
    with unit_of_work(sessions) as session:
        ids = list(session.scalars(select(DataValue.sample_id).order_by(DataValue.sample_id).limit(count)))
        session.execute(update(DataValue).values(weight=1.0, value_target_loss=1.0))
        doubted = update(DataValue).where(DataValue.sample_id.in_(ids))
        session.execute(doubted.values(weight=0.01, value_target_loss=0.01))
        return ids


def test_injected_designs_lead_the_batch_and_vetoed_ones_stay_out(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    free = [sample.id for sample in candidates(worker_sessions)]
    injected, vetoed = free[-2:], free[:-8]
    found = batch(worker_sessions, campaign_id, injected_sample_ids=injected, vetoed_sample_ids=vetoed)
    assert [item.sample_id for item in found[:2]] == injected
    assert [item.arm for item in found[:2]] == [Arm.INJECTED] * 2
    assert not {item.sample_id for item in found} & set(vetoed)
    assert len(found) == 5


def test_quotas_bound_the_picks_of_a_source(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    simulations = change_source(worker_sessions, "simulation")
    for quota, expected in (({"most": 1}, {0, 1}), ({"least": 4}, {4, 5}), ({"most": 0}, {0})):
        found = batch(worker_sessions, campaign_id, source_quotas={"simulation": quota}, budget="2000000")
        sources = Counter(sample.source_id for sample in samples_of(worker_sessions, found))
        assert sources[simulations] in expected
        with unit_of_work(worker_sessions) as session:
            for item in found:
                acquisitions.change(session, item.id, RecommendationStatus.REJECTED, actor="test", reason="x")


def test_what_is_under_way_takes_places_of_the_source(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    simulations = change_source(worker_sessions, "simulation", capacity=2)
    quota = {"simulation": {"least": 2}}
    first = batch(worker_sessions, campaign_id, source_quotas=quota, control_fraction=0)
    own = [s.id for s in samples_of(worker_sessions, first) if s.source_id == simulations]
    assert len(own) == 2
    with unit_of_work(worker_sessions) as session:
        for item in first:
            wanted = RecommendationStatus.APPROVED if item.sample_id in own else RecommendationStatus.REJECTED
            acquisitions.change(session, item.id, wanted, actor="test", reason="x")
    second = batch(worker_sessions, campaign_id)
    assert all(sample.source_id != simulations for sample in samples_of(worker_sessions, second))
    refused = rank(worker_sessions, campaign_id, source_quotas=quota)
    assert refused.status is RunStatus.FAILED
    assert "lower" in refused.error_message


def test_slow_sources_are_left_out(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    slow = change_source(worker_sessions, "full_vehicle", lead_time_hours=500)
    found = batch(worker_sessions, campaign_id, longest_lead_time_hours=100)
    assert all(sample.source_id != slow for sample in samples_of(worker_sessions, found))
    change_source(worker_sessions, "simulation", lead_time_hours=101)
    refused = rank(worker_sessions, campaign_id, longest_lead_time_hours=100)
    assert (refused.status, "lead time" in refused.error_message) == (RunStatus.FAILED, True)


@pytest.mark.parametrize("feature", [None, "body"])
def test_a_group_gets_as_many_places_as_it_may(worker_sessions: Sessions, feature: str | None) -> None:
    campaign_id = valued_campaign(worker_sessions)
    with unit_of_work(worker_sessions) as session:
        session.execute(update(Sample).where(Sample.target.is_(None)).values(group="one platform"))
    found = batch(worker_sessions, campaign_id, max_per_group=2, group_feature=feature, retests=False)
    groups = [
        sample.planned_features["body"] if feature else sample.group
        for sample in samples_of(worker_sessions, found)
    ]
    assert len(found) == 2 * len(set(groups))
    assert set(Counter(groups).values()) == {2}


def test_the_transport_raises_and_lowers_the_gain(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    relevances = {
        item.components["relevance"] for item in batch(worker_sessions, campaign_id, relevance_strength=0.5)
    }
    assert len(relevances) > 1
    assert all(0.5 <= relevance <= 1.5 for relevance in relevances)


def test_a_recommendation_explains_itself(worker_sessions: Sessions) -> None:
    found = batch(worker_sessions, valued_campaign(worker_sessions))
    assert sum(item.components["gain_share"] for item in found) == pytest.approx(1.0)
    for item in found:
        nearest = item.components["neighbours"][0]
        assert nearest["sample_id"] == item.components["nearest_labelled_id"]
        assert 5 < nearest["target"] < 80
        assert nearest["data_weight"] > 0
        assert item.components["region"]["text"]
        assert item.components["region"]["text"] in item.reason


def test_a_suspicious_label_gets_a_repetition_that_can_be_recommended_and_replayed(
    worker_sessions: Sessions,
) -> None:
    campaign_id = valued_campaign(worker_sessions)
    suspicious = suspect(worker_sessions, 2)
    free = [sample.id for sample in candidates(worker_sessions)]
    # nothing but the repetitions is left to choose
    round_ = rank(worker_sessions, campaign_id, vetoed_sample_ids=free, control_fraction=0)
    assert round_.status is RunStatus.SUCCEEDED, round_.error_message
    found = recommendations(worker_sessions, round_.id)
    repetitions = samples_of(worker_sessions, found)
    assert {sample.repeats_sample_id for sample in repetitions} == set(suspicious)
    assert all("Repeat test row-" in item.reason for item in found)
    assert replay(worker_sessions, round_.id).metrics["same_bytes"]
    with unit_of_work(worker_sessions) as session:
        for item in found:
            acquisitions.change(session, item.id, RecommendationStatus.APPROVED, actor="test")
        acquisitions.change(session, found[0].id, RecommendationStatus.ORDERED, actor="test")
        outcomes.complete(session, found[0].id, Completion(target=25.0), actor="test")
    assert read(worker_sessions, Sample, repetitions[0].id).status is SampleStatus.LABELLED
    assert replay(worker_sessions, round_.id).metrics["same_bytes"]


def test_without_retests_none_is_made_or_chosen(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    suspect(worker_sessions)
    before = [sample.id for sample in candidates(worker_sessions)]
    rank(worker_sessions, campaign_id, retests=False)
    assert [sample.id for sample in candidates(worker_sessions)] == before
    rank(worker_sessions, campaign_id)  # makes one
    refused = rank(worker_sessions, campaign_id, retests=False, vetoed_sample_ids=before)
    assert refused.status is RunStatus.FAILED


def test_sound_labels_are_not_repeated(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    with unit_of_work(worker_sessions) as session:
        session.execute(update(DataValue).values(weight=1.0))
    before = len(candidates(worker_sessions))
    rank(worker_sessions, campaign_id)
    assert len(candidates(worker_sessions)) == before


def test_groups_and_repetitions_are_part_of_the_data(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    plain, grouped = (
        rank(worker_sessions, campaign_id, batch_size=1, **c) for c in ({}, {"max_per_group": 1})
    )
    assert plain.data_hash != grouped.data_hash
    assert replay(worker_sessions, grouped.id).metrics["same_data"]
    with unit_of_work(worker_sessions) as session:
        session.execute(update(Sample).where(Sample.target.is_(None)).values(group="moved"))
    assert not replay(worker_sessions, grouped.id).metrics["same_data"]
    assert replay(worker_sessions, plain.id).metrics["same_data"]
