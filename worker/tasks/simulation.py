"""`simulation.run`: run an approved simulation with the oracle of its source."""

from __future__ import annotations

from service.acquisitions import simulations
from service.acquisitions.schemas import Completion
from service.acquisitions.solver_files import folder_of
from service.campaigns import service as campaigns
from service.campaigns.oracles import CommandOracle
from service.database.models import SimulationRun
from service.errors import CrashscoutError
from service.settings import get_settings
from service.vocabulary import LogLevel, Oracle
from worker import process
from worker.oracles.command import Order, solve
from worker.oracles.errors import SolverError
from worker.simulation import DesignError, run_occupant_model
from worker.tasks.lifecycle import ActiveRun, execute


def simulation_run(run_id: int) -> None:
    """Claim, simulate, report the result; a message that comes twice finds nothing left to do.

    The result depends on the row only, so that a repeated run gives the same label. Only a run whose worker was
    lost is repeated: a solver that fails does so with a reason, and its design may be proposed again.
    """
    execute(SimulationRun, run_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row = run.row
    assert isinstance(row, SimulationRun)
    with run.transaction() as session:
        if not simulations.begin(session, row):
            return
        definition = campaigns.get(session, row.campaign_id).target["label_definition"]
    try:
        completion = _label(run, row, definition)
        with run.transaction() as session:
            simulations.complete(session, row, completion)
    except (SolverError, DesignError, CrashscoutError) as error:
        run.log.say(_reason(error), LogLevel.ERROR)
        with run.transaction() as session:
            simulations.fail(session, row, getattr(error, "code", "invalid_design"), _reason(error))


def _label(run: ActiveRun, row: SimulationRun, definition: str) -> Completion:
    if row.configuration["oracle"] == Oracle.OCCUPANT_MODEL:
        with run.interruptible():
            return _of_occupant_model(row)
    return solve(
        _order(row, definition),
        lambda seconds: run.report(0.0, f"the solver runs for {seconds:,.0f} s"),
        run.log.hear,
    )


def _of_occupant_model(row: SimulationRun) -> Completion:
    design = row.configuration["planned_features"]
    result = run_occupant_model(design, source_kind=row.configuration["source_kind"], seed=row.seed)
    if result.rolc_g is None:
        raise SolverError("no_label", f"the simulated crash has no label: {result.details.get('flags')}")
    return Completion(
        target=result.rolc_g,
        executed_features=dict(result.executed_features),
        label_definition=result.label_definition,
        label_details=dict(result.details),
    )


def _order(row: SimulationRun, definition: str) -> Order:
    settings = get_settings()
    return Order(
        oracle=CommandOracle.model_validate(row.configuration["oracle_settings"]),
        design=row.configuration["planned_features"],
        recommendation_id=row.recommendation_id,
        definition=definition,
        folder=folder_of(settings, row),
        allowed=settings.oracle_commands,
    )


def _reason(error: SolverError | DesignError | CrashscoutError) -> str:
    details = [f"{item.pointer} {item.message}" for item in getattr(error, "errors", ())]
    return " ".join([str(error), *details])
