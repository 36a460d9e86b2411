"""`simulation.run`: run an approved simulation with the built-in occupant model."""

from __future__ import annotations

import logging

from service.acquisitions import outcomes
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion
from service.database.engine import unit_of_work
from service.lifecycles import RecommendationStatus
from worker import process
from worker.simulation import DesignError, run_occupant_model

logger = logging.getLogger(__name__)
ACTOR = "occupant-model"
RUNNABLE = frozenset({RecommendationStatus.ORDERED, RecommendationStatus.RUNNING})


def simulation_run(recommendation_id: int) -> None:
    """Claim, simulate, report the result; a message that comes twice finds nothing left to do.

    The result depends on the design and the recommendation's id only, so that a repeated run gives the
    same label.
    """
    sessions = process.sessions()
    with unit_of_work(sessions) as session:
        row = acquisitions.get_recommendation(session, recommendation_id)
        if row.status not in RUNNABLE:
            logger.info("recommendation %s is %s: nothing to simulate", recommendation_id, row.status)
            return
        if row.status is RecommendationStatus.ORDERED:
            acquisitions.change(session, row.id, RecommendationStatus.RUNNING, actor=ACTOR)
        design, kind = dict(row.sample.planned_features), row.sample.source.kind
    try:
        result = run_occupant_model(design, source_kind=kind.value, seed=recommendation_id)
    except DesignError as error:
        _fail(recommendation_id, str(error))
        return
    if result.rolc_g is None:
        _fail(recommendation_id, f"the simulated crash has no label: {result.details.get('flags')}")
        return
    completion = Completion(
        target=result.rolc_g,
        executed_features=dict(result.executed_features),
        label_definition=result.label_definition,
        label_details=dict(result.details),
    )
    with unit_of_work(sessions) as session:
        outcomes.complete(session, recommendation_id, completion, actor=ACTOR)


def _fail(recommendation_id: int, reason: str) -> None:
    with unit_of_work(process.sessions()) as session:
        acquisitions.change(
            session, recommendation_id, RecommendationStatus.FAILED, actor=ACTOR, reason=reason
        )
