"""Plays the workers for a round: ends its runs by rows, as the tasks do, without computing anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import repository as acquisitions
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, CampaignRound, Recommendation, Surrogate, ValuationRun
from service.lifecycles import RecommendationStatus, RoundStep, RunStatus
from service.rounds.progress import advance_open
from service.samples import repository as samples
from tests.support import API, add_samples, create_campaign, recommendation_columns, sample_documents

Sessions = sessionmaker[Session]
LABELLED = 12


def campaign_with_pool(client: TestClient, candidates: int = 3, **changes: Any) -> int:
    """Twelve labelled samples, and candidates of the source with the oracle."""
    campaign_id = create_campaign(client, **changes)
    add_samples(client, campaign_id, sample_documents(LABELLED, target=26.0))
    add_samples(client, campaign_id, sample_documents(candidates, source="simulation"))
    return campaign_id


def start(client: TestClient, campaign_id: int, **configuration: Any) -> int:
    response = client.post(f"{API}/campaigns/{campaign_id}/rounds", json=configuration)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def read(sessions: Sessions, round_id: int) -> CampaignRound:
    with sessions() as session:
        return session.get_one(CampaignRound, round_id)


def step_of(sessions: Sessions, round_id: int) -> RoundStep:
    return read(sessions, round_id).step


def batch(sessions: Sessions, round_id: int) -> list[Recommendation]:
    ranking_id = read(sessions, round_id).acquisition_round_id
    with sessions() as session:
        return list(session.query(Recommendation).filter_by(round_id=ranking_id).order_by(Recommendation.id))


def statuses(sessions: Sessions, round_id: int) -> list[RecommendationStatus]:
    return [row.status for row in batch(sessions, round_id)]


def end_valuation(sessions: Sessions, round_id: int, *, rmse: float = 3.0) -> None:
    """The valuation run succeeds, with its surrogate."""
    with unit_of_work(sessions) as session:
        run = session.get_one(ValuationRun, session.get_one(CampaignRound, round_id).valuation_run_id)
        _succeed(run)
        session.add(
            Surrogate(
                campaign_id=run.campaign_id,
                valuation_run_id=run.id,
                artefact=b"weights",
                artefact_sha256="0" * 64,
                metrics={"rmse": rmse},
            )
        )


def _succeed(run: ValuationRun | AcquisitionRound) -> None:
    run.status, run.data_hash, run.progress = RunStatus.SUCCEEDED, "0" * 64, 1.0
    run.finished_at = datetime.now(UTC)


def end_ranking(sessions: Sessions, round_id: int, *, size: int = 3, gains: tuple[float, ...] = ()) -> None:
    """The ranking succeeds and proposes the first candidates."""
    with unit_of_work(sessions) as session:
        ranking = session.get_one(
            AcquisitionRound, session.get_one(CampaignRound, round_id).acquisition_round_id
        )
        _succeed(ranking)
        found = _candidates(session, ranking.campaign_id)[:size]
        taken = acquisitions.proposed_or_pending(session, found)
        rows = [
            recommendation_columns(session, ranking, sample_id, rank)
            for rank, sample_id in enumerate((each for each in found if each not in taken), 1)
        ]
        for row, gain in zip(rows, gains, strict=False):
            row["components"] = {"target_sd_before": 2.0 + gain, "target_sd_after": 2.0}
        if rows:
            acquisitions.insert_recommendations(session, rows, actor="test")


def _candidates(session: Session, campaign_id: int) -> list[int]:
    return [row[0] for block in samples.candidate_blocks(session, campaign_id) for row in block]


def propose(client: TestClient, sessions: Sessions, round_id: int, **ranking: Any) -> None:
    """From the start to the step in which decisions are waited for."""
    advance_open(sessions)
    end_valuation(sessions, round_id)
    advance_open(sessions)
    end_ranking(sessions, round_id, **ranking)
    advance_open(sessions)
