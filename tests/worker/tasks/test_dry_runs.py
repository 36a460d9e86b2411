"""A dry run computes what a round computes, and commits nobody to anything."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, PreviewedPick, RankedCandidate, Recommendation, Sample
from service.lifecycles import RunStatus
from tests.worker.tasks.test_tasks import valued_campaign
from worker.tasks.acquisition import acquisition_rank

Sessions = sessionmaker[Session]
COLUMNS = (
    "rank", "sample_id", "score", "components", "reason", "arm", "selection_probability", "acquisition_cost",
    "currency",
)  # fmt: skip
RANKED = ("rank", "sample_id", "score", "information", "relevance", "predicted", "predicted_std")


@pytest.fixture
def campaign_id(worker_sessions: Sessions) -> int:
    return valued_campaign(worker_sessions)


def rank(sessions: Sessions, campaign_id: int, *, dry_run: bool) -> int:
    with unit_of_work(sessions) as session:
        configuration = AcquisitionConfiguration(batch_size=5, stored_rows=20)
        request = AcquisitionRequest(configuration=configuration, seed=3, dry_run=dry_run)
        campaign = campaigns.get(session, campaign_id)
        round_id = acquisitions.request_round(session, campaign, request, actor="test").id
    acquisition_rank(round_id)
    return round_id


def lines(sessions: Sessions, kind: type[Any], round_id: int, names: tuple[str, ...]) -> list[list[Any]]:
    with sessions() as session:
        rows = session.scalars(select(kind).where(kind.round_id == round_id).order_by(kind.rank))
        return [[getattr(row, name) for name in names] for row in rows]


def count(sessions: Sessions, kind: type[Any]) -> int:
    with sessions() as session:
        return session.scalars(select(func.count()).select_from(kind)).one()


def test_it_shows_what_the_round_with_the_same_seed_proposes(
    worker_sessions: Sessions, campaign_id: int
) -> None:
    samples = count(worker_sessions, Sample)
    dry = rank(worker_sessions, campaign_id, dry_run=True)
    assert count(worker_sessions, Recommendation) == 0
    assert count(worker_sessions, Sample) == samples
    with worker_sessions() as session:
        round_ = session.get_one(AcquisitionRound, dry)
        assert (round_.status, round_.dry_run) == (RunStatus.SUCCEEDED, True)
        campaign = campaigns.get(session, campaign_id)
        assert campaigns.remaining_budget(session, campaign) == campaign.budget
    real = rank(worker_sessions, campaign_id, dry_run=False)
    shown = lines(worker_sessions, PreviewedPick, dry, COLUMNS)
    assert len(shown) == 5
    assert shown == lines(worker_sessions, Recommendation, real, COLUMNS)
    ranked = lines(worker_sessions, RankedCandidate, dry, RANKED)
    assert len(ranked) == 20
    assert ranked == lines(worker_sessions, RankedCandidate, real, RANKED)
