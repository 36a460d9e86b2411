"""A round ranked once more: the same bytes on the same past, and what differs when something does."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import outcomes
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion
from service.database.engine import unit_of_work
from service.database.models import Recommendation, Replay, Sample
from service.lifecycles import RecommendationStatus, RunStatus
from service.replays import service as replays
from tests.worker.tasks.test_tasks import read, recommendations, request_round, valued_campaign
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.replay import acquisition_replay

Sessions = sessionmaker[Session]


def ranked_round(sessions: Sessions, **configuration: Any) -> int:
    round_id = request_round(sessions, valued_campaign(sessions), **configuration)
    acquisition_rank(round_id)
    return round_id


def replay(sessions: Sessions, round_id: int) -> Replay:
    with unit_of_work(sessions) as session:
        replay_id = replays.request_replay(session, round_id, actor="test").id
    acquisition_replay(replay_id)
    row = read(sessions, Replay, replay_id)
    assert row.status is RunStatus.SUCCEEDED, row.error_message
    return row


def test_a_round_comes_out_the_same_after_everything_has_moved_on(worker_sessions: Sessions) -> None:
    round_id = ranked_round(worker_sessions)
    first, second, third, *_ = recommendations(worker_sessions, round_id)
    with unit_of_work(worker_sessions) as session:
        for item in (first, second):
            acquisitions.change(session, item.id, RecommendationStatus.APPROVED, actor="test")
        acquisitions.change(session, first.id, RecommendationStatus.ORDERED, actor="test")
        outcomes.complete(session, first.id, Completion(target=25.0), actor="test")
        outcomes.abandon(session, second.id, actor="test", reason="too dear")
        acquisitions.change(session, third.id, RecommendationStatus.REJECTED, actor="test", reason="no")
    acquisition_rank(request_round(worker_sessions, first.campaign_id))
    found = replay(worker_sessions, round_id).metrics
    assert found["data_differences"] == []
    assert found["differences"] == []
    assert (found["same_data"], found["same_bytes"]) == (True, True)
    assert found["stored_sha256"] == found["replayed_sha256"]


def test_a_replay_proposes_nothing(worker_sessions: Sessions) -> None:
    round_id = ranked_round(worker_sessions)
    replay(worker_sessions, round_id)
    with worker_sessions() as session:
        assert {item.round_id for item in session.scalars(select(Recommendation))} == {round_id}


def test_what_was_changed_afterwards_is_named_by_rank_and_field(worker_sessions: Sessions) -> None:
    round_id = ranked_round(worker_sessions)
    with unit_of_work(worker_sessions) as session:
        session.execute(text("UPDATE recommendations SET score = score + 1 WHERE rank = 2"))
    found = replay(worker_sessions, round_id).metrics
    assert (found["same_data"], found["same_bytes"]) == (True, False)
    (difference,) = found["differences"]
    assert (difference["rank"], difference["field"]) == (2, "score")
    assert difference["stored"] == difference["replayed"] + 1


def test_data_without_a_history_that_changed_are_told(worker_sessions: Sessions) -> None:
    round_id = ranked_round(worker_sessions)
    with unit_of_work(worker_sessions) as session:
        sample = session.scalars(select(Sample).where(Sample.target.is_not(None))).first()
        sample.planned_features = {**sample.planned_features, "impact_speed_kmh": 41.0}
    found = replay(worker_sessions, round_id).metrics
    assert not found["same_data"]
    assert found["data_differences"] == [
        "The same samples: features, prices or the holdout have changed since the round."
    ]
    assert {difference["field"] for difference in found["differences"]} >= {"score", "components"}


def test_samples_that_the_round_did_not_see_are_named(worker_sessions: Sessions) -> None:
    round_id = ranked_round(worker_sessions)
    gone = recommendations(worker_sessions, round_id)[-1].sample_id
    with unit_of_work(worker_sessions) as session:
        later = text("UPDATE samples SET created_at = now() + interval '1 day' WHERE id = :id")
        session.execute(later, {"id": gone})
    found = replay(worker_sessions, round_id).metrics
    assert found["data_differences"] == [f"1 samples are gone: {gone}."]
    assert not found["same_bytes"]
