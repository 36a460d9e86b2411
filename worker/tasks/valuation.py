"""`valuation.run`: value all labelled samples and train the serving surrogate."""

from __future__ import annotations

from typing import Any

from service.database.models import ValuationRun
from service.settings import get_settings
from worker import process
from worker.device import choose_device
from worker.loading import load_snapshot
from worker.lossval.config import LossValConfig
from worker.lossval.valuation import run_valuation
from worker.storing import campaign_of, freeze, store_valuation
from worker.tasks.checkpoints import Checkpoints
from worker.tasks.lifecycle import ActiveRun, execute


def valuation_run(run_id: int) -> None:
    """Claim the run, compute without a transaction, store once."""
    execute(ValuationRun, run_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row, device = run.row, choose_device(get_settings().device)
    assert isinstance(row, ValuationRun)
    with run.transaction(frozen=True) as session:
        snapshot = load_snapshot(session, campaign_of(session, row), seed=row.seed)
    with run.transaction() as session:
        freeze(session, row, snapshot, device=str(device))
    checkpoints = Checkpoints(run, snapshot.data_hash)
    with run.interruptible():
        outcome = checkpoints.resume(
            lambda state: run_valuation(
                snapshot.features,
                snapshot.train.rows,
                snapshot.train.targets,
                snapshot.target_rows,
                (snapshot.validation.rows, snapshot.validation.targets),
                config=configuration_of(row.configuration),
                seed=row.seed,
                device=str(device),
                progress=run.report,
                holdout=(snapshot.holdout.rows, snapshot.holdout.targets),
                load_case=snapshot.load_case,
                checkpoint=checkpoints.save,
                resume=state,
            )
        )
    metrics = {**outcome.metrics, "target_unit": snapshot.target.unit}
    with run.transaction() as session:
        store_valuation(session, row, snapshot, outcome, metrics)


def configuration_of(document: dict[str, Any]) -> LossValConfig:
    """A `ValuationConfiguration` as the algorithm takes it."""
    return LossValConfig(mode=document["mode"], members=document["ensemble"], epochs=document["epochs"])
