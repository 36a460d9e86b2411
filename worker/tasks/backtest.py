"""`backtest.run`: replay strategies on the labelled samples of a campaign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.campaigns import service as campaigns
from service.database.models import Backtest
from service.errors import UnavailableError
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.settings import get_settings
from worker import process
from worker.backtests import ReplayRows, load_replay_rows
from worker.loading import load_snapshot
from worker.storing import finite_document
from worker.tasks.lifecycle import ActiveRun, execute


def backtest_run(backtest_id: int) -> None:
    """Claim the backtest, compute without a transaction, store the report once."""
    execute(Backtest, backtest_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row = run.row
    assert isinstance(row, Backtest)
    with run.transaction(frozen=True) as session:
        campaign = campaigns.get(session, row.campaign_id)
        snapshot = load_snapshot(session, campaign, seed=row.seed)
        rows = load_replay_rows(session, campaign, snapshot, as_bought=row.configuration["as_bought"])
    with run.transaction() as session:
        runs.annotate(session, Backtest, row, sample_ids=rows.ids, data_hash=snapshot.data_hash, device="cpu")
    report = replay(rows, row.configuration, row.seed, run.report)
    with run.transaction() as session:
        runs.finish(
            session,
            Backtest,
            row,
            RunStatus.SUCCEEDED,
            metrics=finite_document(report),
            progress=1.0,
            progress_message="done",
        )


def replay(
    _rows: ReplayRows, _configuration: dict[str, Any], _seed: int, _progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """The report of a backtest as a document."""
    raise UnavailableError("This worker cannot compute backtests yet.", hint="Update it.")
