"""A round as a row of steps, with what it waits for."""

from __future__ import annotations

from datetime import datetime

from service.admin.contexts.advice import NextRound, RoundView, StepLine, StepState
from service.lifecycles import RoundStep
from service.rounds.schemas import RoundRead
from service.rounds.service import CLOSABLE
from service.schedules.schemas import ScheduleRead

SHOWN: list[RoundStep] = [step for step in RoundStep if step is not RoundStep.CLOSED]
_WAITS = {
    RoundStep.FREEZE: "The data are being frozen.",
    RoundStep.VALUE: "A worker values the samples and trains the surrogate.",
    RoundStep.RANK: "A worker ranks the candidates.",
    RoundStep.PROPOSE: "The batch is being proposed.",
    RoundStep.DECIDE: "It waits for decisions about its proposals.",
    RoundStep.ORDER: "What was approved is being ordered.",
    RoundStep.COLLECT: "It waits for results.",
    RoundStep.CLOSE: "It is being closed.",
    RoundStep.CLOSED: "It is closed.",
}


def round_view(round_: RoundRead) -> RoundView:
    """Where the round stands."""
    deadline, text = _deadline(round_)
    return RoundView(
        id=round_.id,
        name=round_name(round_),
        steps=[StepLine(step, _state(step, round_)) for step in SHOWN],
        is_open=not round_.step.is_terminal,
        waits_for=_WAITS[round_.step],
        deadline=deadline,
        deadline_text=text,
        step_since=round_.step_since,
        requested_by=round_.requested_by,
        detail=round_.detail,
        stop_reason=round_.stop_reason,
        ended=round_.closed_reason,
        can_close=round_.step in CLOSABLE,
        counts=[(status.value, count) for status, count in round_.recommendations.items() if count],
    )


def round_name(round_: RoundRead) -> str:
    """By its ranking, as people see rounds everywhere else."""
    ranking = round_.acquisition_round_id
    return "New round" if ranking is None else f"Round {ranking}"


def _state(step: RoundStep, round_: RoundRead) -> StepState:
    order: list[RoundStep] = list(RoundStep)
    if step is round_.step:
        return "current"
    return "done" if order.index(step) < order.index(round_.step) else "ahead"


def _deadline(round_: RoundRead) -> tuple[datetime | None, str]:
    if round_.step is RoundStep.DECIDE:
        return round_.decide_by, "what is not decided expires"
    if round_.step in {RoundStep.ORDER, RoundStep.COLLECT}:
        return round_.collect_by, "it closes with the results that are there"
    return None, ""


def next_round(schedule: ScheduleRead | None) -> NextRound | None:
    """What starts the next round by itself."""
    if schedule is None:
        return None
    return NextRound(schedule.name, schedule.next_due_at, schedule.labels_missing)
