"""`acquisition.rank`: rank the pool and propose a batch."""

from __future__ import annotations

from dataclasses import replace

from service.database.models import AcquisitionRound
from service.runs import repository as runs
from service.settings import get_settings
from worker import process
from worker.advice import advice_for
from worker.device import choose_device
from worker.loading import load_snapshot
from worker.maps import draw_map
from worker.round_rules import grouping_of
from worker.rounds import rank_snapshot
from worker.storing import campaign_of, freeze, load_surrogate, store_ranking
from worker.tasks.lifecycle import ActiveRun, execute


def acquisition_rank(round_id: int) -> None:
    """Claim the round, compute without a transaction, store once."""
    execute(AcquisitionRound, round_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row, device = run.row, choose_device(get_settings().device)
    assert isinstance(row, AcquisitionRound)
    with run.transaction(frozen=True) as session:
        campaign, moment = campaign_of(session, row), runs.transaction_start(session)
        served, advice = load_surrogate(session, row), advice_for(session, row)
        snapshot = load_snapshot(
            session,
            campaign,
            seed=row.seed,
            encoder=served.surrogate.encoder,
            grouping=grouping_of(row.configuration),
        )
    with run.transaction() as session:
        freeze(session, row, snapshot, device=str(device))
        runs.annotate(session, AcquisitionRound, row, frozen_at=moment)
    with run.interruptible():
        ranking = rank_snapshot(
            snapshot, campaign, served, row, strategy=advice.strategy, device=device, progress=run.report
        )
        drawn = draw_map(snapshot, served.surrogate, ranking, seed=row.seed, device=device)
    with run.transaction() as session:
        store_ranking(session, row, campaign, snapshot, replace(ranking, evidence=advice.evidence), drawn)
