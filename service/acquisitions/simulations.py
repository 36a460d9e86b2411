"""Simulations that workers run themselves: each is a run with a lease, and its end is that of the recommendation."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from service.acquisitions import outcomes, repository, service
from service.acquisitions.schemas import Completion, SimulationRunRead
from service.campaigns import repository as campaigns_repository
from service.database.models import Recommendation, SimulationRun
from service.errors import ConflictError
from service.lifecycles import RecommendationStatus, RunStatus
from service.logs import LogLine
from service.runs import repository as runs_repository
from service.runs import service as runs
from service.runs.schemas import AttemptRead
from service.vocabulary import Oracle

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WANTED = frozenset({RecommendationStatus.ORDERED, RecommendationStatus.RUNNING})
ACTORS = {Oracle.OCCUPANT_MODEL: "occupant-model", Oracle.COMMAND: "solver"}
HOUSEKEEPER = "housekeeping"
CANCELLED = "its simulation was cancelled"


def simulate(session: Session, recommendation_id: int, *, actor: str) -> Recommendation:
    """Order a simulation that a worker runs itself; asking again sends a waiting one's message once more.

    Raises:
        NotFoundError: if there is no such recommendation.
        ConflictError: if its source has no oracle.
        TransitionError: if it is neither approved nor under way.
    """
    row = service.get_recommendation(session, recommendation_id)
    if row.sample.source.oracle is None:
        message = f"Source '{row.sample.source.name}' has no oracle that a worker could run."
        raise ConflictError(message, hint="Order it, run it yourself, and report it with :complete.")
    if row.status not in WANTED:
        row = service.change(
            session, recommendation_id, RecommendationStatus.ORDERED, actor=actor, reason="to be simulated"
        )
    run = repository.open_simulation(session, row.id)
    if run is None:
        runs.submit(session, repository.add_simulation(session, _new_run(row, actor)), actor=actor)
    elif run.status is RunStatus.QUEUED:
        runs.send(session, run)
    return row


def _new_run(row: Recommendation, actor: str) -> SimulationRun:
    source = row.sample.source
    configuration = {
        "oracle": source.oracle,
        "oracle_settings": source.oracle_settings,
        "source_kind": source.kind,
        "planned_features": row.sample.planned_features,
    }
    return SimulationRun(
        campaign_id=row.campaign_id,
        recommendation_id=row.id,
        configuration=configuration,
        seed=row.id,
        sample_ids=[row.sample_id],
        data_hash=hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest(),
        requested_by=actor,
    )


def read_all(session: Session, recommendation_id: int) -> list[SimulationRunRead]:
    """The simulations of a recommendation as they go out, oldest first.

    Raises:
        NotFoundError: if there is no such recommendation.
    """
    service.get_recommendation(session, recommendation_id)
    return [read(session, run) for run in repository.simulations_of(session, recommendation_id)]


def get(session: Session, run_id: int) -> SimulationRun:
    """The simulation run.

    Raises:
        NotFoundError: if there is none with this id.
    """
    return runs.get(session, SimulationRun, run_id)


def cancel(session: Session, run_id: int, *, actor: str) -> SimulationRun:
    """Stop a simulation: at once while it waits, within 2 s, with its solver, while it runs.

    Its recommendation fails with it: nobody waits for a result any more, a round goes on without it, and the design
    may be proposed again. As every acquisition that gave no result, it counts as paid for.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    found = get(session, run_id)
    row = _locked(session, found)
    run = repository.lock_simulation(session, found.id)
    if row.status in WANTED and not run.status.is_terminal:  # what ends the recommendation stops its run
        service.change(session, row.id, RecommendationStatus.FAILED, actor=actor, reason=CANCELLED)
    else:
        runs.cancel(session, run, actor=actor)
    return run


def read(session: Session, run: SimulationRun) -> SimulationRunRead:
    names = SimulationRunRead.model_fields.keys() & SimulationRun.__mapper__.column_attrs.keys()
    columns = {name: getattr(run, name) for name in names}
    attempts = [AttemptRead.model_validate(line) for line in runs.history(session, run)]
    return SimulationRunRead.model_validate({**columns, "attempts": attempts})


def begin(session: Session, run: SimulationRun) -> bool:
    """Whether the worker that has claimed the run shall compute; else it was cancelled, or waits for its turn.

    A source at its capacity hands the run back: the reaper sends it again in a while.
    """
    row = _locked(session, run)
    if row.status not in WANTED:
        reason = f"the recommendation is {row.status}: nothing to simulate"
        runs_repository.finish(session, SimulationRun, run, RunStatus.CANCELLED, progress_message=reason)
        return False
    source = row.sample.source
    campaigns_repository.lock(session, row.campaign_id)
    running = repository.running_simulations(session, source.id)  # with this one
    if source.capacity is not None and running > source.capacity:
        reason = f"waiting: '{source.name}' runs {source.capacity} at once"
        runs_repository.hand_back(session, SimulationRun, run, progress_message=reason)
        return False
    if row.status is RecommendationStatus.ORDERED:
        service.change(session, row.id, RecommendationStatus.RUNNING, actor=actor_of(run))
    return True


def complete(session: Session, run: SimulationRun, completion: Completion) -> None:
    """Store the label, once: nothing is stored when the run is no longer ours.

    Raises:
        InputError: if the label does not fit the campaign.
        ConflictError: if the sample has a label already.
    """
    _locked(session, run)
    if runs_repository.finish(
        session, SimulationRun, run, RunStatus.SUCCEEDED, progress=1.0, progress_message="done"
    ):
        outcomes.complete(session, run.recommendation_id, completion, actor=actor_of(run))


def fail(session: Session, run: SimulationRun, code: str, reason: str) -> None:
    """No label; the design may be proposed again."""
    row = _locked(session, run)
    has_ended = runs_repository.finish(
        session,
        SimulationRun,
        run,
        RunStatus.FAILED,
        error_code=code,
        error_message=reason[:2000],
        progress_message="failed",
    )
    if has_ended and row.status in WANTED:  # else somebody has decided meanwhile
        _fail_recommendation(session, run, reason, actor=actor_of(run))


def settle(session: Session) -> list[LogLine]:
    """Fail what still waits for a simulation that has failed for good, as when its worker was lost too often.

    Returns:
        A line for the log on each.
    """
    failed = repository.failed_simulations(session)
    for run in failed:
        if _locked(session, run).status in WANTED:
            _fail_recommendation(session, run, run.error_message or "", actor=HOUSEKEEPER)
    return [
        LogLine(
            f"recommendation {run.recommendation_id} failed with its simulation {run.id}", runs.about(run)
        )
        for run in failed
    ]


def actor_of(run: SimulationRun) -> str:
    return ACTORS[Oracle(run.configuration["oracle"])]


def _fail_recommendation(session: Session, run: SimulationRun, reason: str, *, actor: str) -> None:
    service.change(
        session, run.recommendation_id, RecommendationStatus.FAILED, actor=actor, reason=reason[:2000]
    )


def _locked(session: Session, run: SimulationRun) -> Recommendation:
    """The recommendation before the run, as whoever decides about it does: else two could wait for each other."""
    row = repository.lock_recommendation(session, run.recommendation_id)
    assert row is not None  # the foreign key holds it
    return row
