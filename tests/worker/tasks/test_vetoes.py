"""Standing vetoes in rounds: respected whatever draws, also by what ran when they came, and by replays of then."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Replay
from service.lifecycles import RunStatus
from service.replays import service as replays
from service.samples import vetoes
from tests.worker.tasks.test_tasks import read, recommendations, request_round, valued_campaign
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.replay import acquisition_replay

Sessions = sessionmaker[Session]


@pytest.fixture
def campaign_id(worker_sessions: Sessions) -> int:
    return valued_campaign(worker_sessions)


def veto(sessions: Sessions, *sample_ids: int) -> None:
    with unit_of_work(sessions) as session:
        for key in sample_ids:
            vetoes.veto(session, key, reason="no vehicle left", actor="test")


def proposed(sessions: Sessions, campaign_id: int, **configuration: object) -> tuple[int, list[int]]:
    round_id = request_round(sessions, campaign_id, **configuration)
    acquisition_rank(round_id)
    return round_id, [row.sample_id for row in recommendations(sessions, round_id)]


def test_no_later_round_proposes_what_is_vetoed(worker_sessions: Sessions, campaign_id: int) -> None:
    with unit_of_work(worker_sessions) as session:
        everything = set(vetoes.repository.candidates_among(session, campaign_id, range(1, 1000)))
    allowed = set(sorted(everything)[-3:])
    veto(worker_sessions, *(everything - allowed))
    _, found = proposed(worker_sessions, campaign_id, batch_size=20, control_fraction=0.5)
    assert set(found) == allowed


def test_a_replay_respects_the_vetoes_of_then(worker_sessions: Sessions, campaign_id: int) -> None:
    first, found = proposed(worker_sessions, campaign_id, batch_size=3)
    others = set(range(1, 55)) - set(found)
    with unit_of_work(worker_sessions) as session:
        free = vetoes.repository.candidates_among(session, campaign_id, others)
    early = min(free)
    veto(worker_sessions, early)
    second, _ = proposed(worker_sessions, campaign_id, batch_size=3)
    with unit_of_work(worker_sessions) as session:
        vetoes.lift(session, early, actor="test")
    for round_id in (first, second):
        with unit_of_work(worker_sessions) as session:
            replay_id = replays.request_replay(session, round_id, actor="test").id
        acquisition_replay(replay_id)
        replay = read(worker_sessions, Replay, replay_id)
        assert replay.status is RunStatus.SUCCEEDED, replay.error_message
        assert replay.metrics["same_data"], round_id
        assert replay.metrics["same_bytes"], round_id
    hashes = {read(worker_sessions, AcquisitionRound, key).data_hash for key in (first, second)}
    assert len(hashes) == 2
