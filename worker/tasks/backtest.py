"""`backtest.run`: replay strategies on the labelled samples of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.campaigns import service as campaigns
from service.database.models import Backtest
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.settings import get_settings
from worker import process
from worker.acquisition.backtest import BacktestConfig, BacktestData, run_backtest
from worker.backtests import ReplayRows, load_replay_rows
from worker.loading import load_snapshot
from worker.lossval.config import Progress
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
    with run.interruptible():
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
    rows: ReplayRows, configuration: Mapping[str, Any], seed: int, progress: Progress
) -> dict[str, Any]:
    """The report of a backtest as a document.

    Raises:
        AcquisitionError, LossValError: with a remedy.
    """
    data = BacktestData.from_rows(
        rows.features,
        rows.rows,
        rows.y,
        acquisition_cost=rows.acquisition_cost,
        source=rows.source,
        group=rows.group,
        target_rows=rows.target_rows,
        holdout=rows.holdout,
        target_source=rows.target_source,
        bought_order=rows.bought_order,
    )
    settings = {name: value for name, value in configuration.items() if name != "as_bought"}
    settings["strategies"] = tuple(configuration["strategies"])
    if configuration["budget"] is not None:
        settings["budget"] = float(configuration["budget"])
    config = BacktestConfig(seed=seed, **settings)
    return run_backtest(data, config, progress=progress).to_document()
