"""The map that a round stores: what is on it, and that it is the same every time."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, MapPoint, PoolMap, Recommendation
from service.lifecycles import RecommendationStatus, RunStatus
from service.vocabulary import MapRole
from tests.worker.tasks.test_tasks import read, recommendations, request_round, valued_campaign
from worker import maps
from worker.tasks.acquisition import acquisition_rank

Sessions = sessionmaker[Session]


def points(sessions: Sessions, round_id: int) -> list[MapPoint]:
    with sessions() as session:
        statement = select(MapPoint).where(MapPoint.round_id == round_id).order_by(MapPoint.id)
        return list(session.scalars(statement))


def ranked(sessions: Sessions, campaign_id: int, **configuration: Any) -> int:
    round_id = request_round(sessions, campaign_id, **configuration)
    acquisition_rank(round_id)
    row = read(sessions, AcquisitionRound, round_id)
    assert row.status is RunStatus.SUCCEEDED, row.error_message
    return round_id


def test_a_round_stores_its_map(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    round_id = ranked(worker_sessions, campaign_id)
    stored = read(worker_sessions, PoolMap, round_id)
    found = points(worker_sessions, round_id)
    roles = Counter(point.role for point in found)
    assert (stored.candidates, stored.candidates_shown) == (30, 30)
    assert (roles[MapRole.CANDIDATE], roles[MapRole.LABELLED]) == (30, 24)
    assert roles[MapRole.TARGET] > 0
    assert 0.2 < stored.explained_share <= 1
    assert sum(stored.axes["explained"]) == pytest.approx(stored.explained_share)
    assert {item["column"] for axis in stored.axes["drivers"] for item in axis} <= {
        "impact_speed_kmh", "test_mass_kg", "test_mass_kg=missing", "body=sedan", "body=suv",
        "source=full_vehicle", "source=simulation",
    }  # fmt: skip


def test_the_map_says_what_the_recommendation_says(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    round_id = ranked(worker_sessions, campaign_id)
    at = {point.sample_id: point for point in points(worker_sessions, round_id)}
    batch = recommendations(worker_sessions, round_id)
    assert batch
    for row in batch:
        point = at[row.sample_id]
        assert point.role is MapRole.CANDIDATE
        assert point.predicted == pytest.approx(row.components["predicted"])
        assert point.predicted_std == pytest.approx(row.components["predicted_std"])
        assert point.half_width is not None
        assert point.half_width > 0


def test_what_is_pending_is_marked(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    first = recommendations(worker_sessions, ranked(worker_sessions, campaign_id))[0]
    with unit_of_work(worker_sessions) as session:
        acquisitions.change(session, first.id, RecommendationStatus.APPROVED, actor="test")
    found = points(worker_sessions, ranked(worker_sessions, campaign_id))
    assert [point.sample_id for point in found if point.role is MapRole.PENDING] == [first.sample_id]


def test_a_large_pool_is_thinned_and_the_batch_stays(
    worker_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "MOST_CANDIDATES", 8)
    campaign_id = valued_campaign(worker_sessions)
    round_id = ranked(worker_sessions, campaign_id)
    stored = read(worker_sessions, PoolMap, round_id)
    shown = {
        point.sample_id for point in points(worker_sessions, round_id) if point.role is MapRole.CANDIDATE
    }
    assert (stored.candidates, stored.candidates_shown, len(shown)) == (30, 8, 8)
    assert {row.sample_id for row in recommendations(worker_sessions, round_id)} <= shown


def test_the_same_round_gives_the_same_map(worker_sessions: Sessions) -> None:
    campaign_id = valued_campaign(worker_sessions)
    first, second = (points(worker_sessions, ranked_alone(worker_sessions, campaign_id)) for _ in range(2))
    assert [columns(point) for point in first] == [columns(point) for point in second]


def ranked_alone(sessions: Sessions, campaign_id: int) -> int:
    """A round whose batch is rejected at once, so that the next one sees the same pool."""
    round_id = ranked(sessions, campaign_id)
    with unit_of_work(sessions) as session:
        statement = select(Recommendation.id).where(Recommendation.round_id == round_id)
        for key in session.scalars(statement).all():
            acquisitions.change(session, key, RecommendationStatus.REJECTED, actor="test", reason="again")
    return round_id


def columns(point: MapPoint) -> tuple[Any, ...]:
    return (
        point.sample_id,
        point.role,
        point.x,
        point.y,
        point.predicted,
        point.predicted_std,
        point.half_width,
    )
