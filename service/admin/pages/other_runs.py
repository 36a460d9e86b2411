"""Backtests, replays, simulations and imports as lines of a table, beside valuation runs and rounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from service.admin.contexts.shared import RunLine
from service.admin.formats import words
from service.admin.pages.run_kinds import KINDS, key_of, name_of
from service.database.models import Backtest, ImportRun, Replay, SimulationRun
from service.imports.schemas import ImportRead
from service.runs.schemas import RunRead

OtherRun = Backtest | Replay | SimulationRun | ImportRun
CANCELS_RECOMMENDATION = (
    "Its solver is stopped at once, and recommendation {id} fails with it: a round goes on without its result, the "
    "design may be proposed again, and it counts as paid for."
)


def other_run_line(run: OtherRun) -> RunLine:
    """The line of `run`."""
    path = KINDS[type(run)][1]
    schema = ImportRead if isinstance(run, ImportRun) else RunRead
    may_cancel = not (run.status.is_terminal or run.cancel_requested)
    return RunLine(
        key=key_of(run),
        id=run.id,
        name=name_of(run),
        status=run.status,
        progress_percent=100 * run.progress,
        message=run.progress_message,
        seconds_left=schema.model_validate(run).seconds_left,
        duration_s=_duration_s(run),
        device=run.device,
        attempt=run.attempt,
        requested_by=run.requested_by,
        created_at=run.created_at,
        settings=_simulated(run)
        if isinstance(run, SimulationRun)
        else _settings(run.configuration, run.seed),
        result="",
        error=run.error_message,
        cancel_url=f"/{path}/{run.id}/cancel" if may_cancel else None,
        is_cancelling=run.cancel_requested and not run.status.is_terminal,
        url=f"/{path}/{run.id}",
        cancel_text=_cancel_text(run),
    )


def _cancel_text(run: OtherRun) -> str:
    return CANCELS_RECOMMENDATION.format(id=run.recommendation_id) if isinstance(run, SimulationRun) else ""


def _duration_s(run: OtherRun) -> float | None:
    if run.started_at is None:
        return None
    return ((run.finished_at or datetime.now(UTC)) - run.started_at).total_seconds()


def _simulated(run: SimulationRun) -> str:
    """The design and what runs it; the rest of the oracle's settings stands with the source."""
    configuration = run.configuration
    command = (configuration.get("oracle_settings") or {}).get("command", [])
    design = configuration.get("planned_features", {})
    features = [f"{words(name)} {_text(value)}" for name, value in design.items() if value is not None]
    return ", ".join([" ".join([words(configuration["oracle"]), *command]), *features])


def _settings(configuration: dict[str, Any], seed: int) -> str:
    """What was asked for, without what was left empty."""
    given = {name: value for name, value in configuration.items() if value not in (None, {}, [], "")}
    texts = [f"{words(name)} {_text(value)}" for name, value in given.items()]
    return ", ".join([*texts, f"seed {seed}"])


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return " and ".join(words(str(item)) for item in value)
    return words(str(value))
