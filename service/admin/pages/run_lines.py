"""Valuation runs and acquisition rounds as lines of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from service.admin.contexts.shared import RunLine
from service.admin.formats import money, number, words
from service.admin.pages.wording import figure
from service.database.models import AcquisitionRound, Campaign, ValuationRun
from service.lifecycles import RunStatus
from service.runs.schemas import RunRead

AnyRun = ValuationRun | AcquisitionRound


def run_line(run: AnyRun, campaign: Campaign) -> RunLine:
    """The line of `run`."""
    is_round = isinstance(run, AcquisitionRound)
    path = "acquisition-rounds" if is_round else "valuation-runs"
    return RunLine(
        key=f"{path}-{run.id}",
        id=run.id,
        name=f"{_kind(run)} {run.id}",
        status=run.status,
        progress_percent=100 * run.progress,
        message=run.progress_message,
        seconds_left=RunRead.model_validate(run).seconds_left,
        duration_s=_duration_s(run),
        device=run.device,
        attempt=run.attempt,
        requested_by=run.requested_by,
        created_at=run.created_at,
        settings=_settings(run, campaign.currency),
        result=_result(run, campaign),
        error=run.error_message,
        cancel_url=None if run.status.is_terminal or run.cancel_requested else f"/{path}/{run.id}/cancel",
        is_cancelling=run.cancel_requested and not run.status.is_terminal,
        url=f"/{path}/{run.id}",
    )


def _kind(run: AnyRun) -> str:
    if isinstance(run, ValuationRun):
        return "Valuation"
    return "Dry run" if run.dry_run else "Round"


def _duration_s(run: AnyRun) -> float | None:
    """Seconds of computing, so far or in all; None before the start."""
    if run.started_at is None:
        return None
    return ((run.finished_at or datetime.now(UTC)) - run.started_at).total_seconds()


def _settings(run: AnyRun, currency: str) -> str:
    """What was asked for, without what was left to the defaults."""
    given = {name: value for name, value in run.configuration.items() if value not in (None, {}, [])}
    parts = [f"{words(name)} {_setting(name, value, currency)}" for name, value in given.items()]
    return ", ".join([*parts, f"seed {run.seed}"])


def _setting(name: str, value: Any, currency: str) -> str:  # noqa: ANN401 - any JSON value
    if name == "budget":
        return money(Decimal(value), currency)
    if name == "source_budgets":
        return " and ".join(
            f"{words(source)} {money(Decimal(amount), currency)}" for source, amount in value.items()
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words(str(value))


def _result(run: AnyRun, campaign: Campaign) -> str:
    if run.status is not RunStatus.SUCCEEDED:
        return ""
    metrics = run.metrics or {}
    unit = campaign.target["unit"]
    return (
        round_result(metrics, unit, campaign.currency)
        if isinstance(run, AcquisitionRound)
        else _valuation_result(metrics, unit)
    )


def _valuation_result(metrics: Mapping[str, Any], unit: str) -> str:
    rmse, baseline = figure(metrics, "rmse"), figure(metrics, "baseline_rmse")
    if rmse is None:
        return ""
    text = f"RMSE {number(rmse)} {unit}"
    if baseline is not None:
        text += f", mean predictor {number(baseline)} {unit}"
    stability = figure(metrics, "rank_stability")
    return text if stability is None else f"{text}, rank stability {number(stability)}"


def round_result(metrics: Mapping[str, Any], unit: str, currency: str) -> str:
    """What a round expects of its batch, and the price."""
    parts = []
    before, after = figure(metrics, "target_sd_before"), figure(metrics, "target_sd_after")
    if before is not None and after is not None:
        parts.append(f"predictive sd {number(before, 3)} → {number(after, 3)} {unit}")
    spent, pool = figure(metrics, "spent"), figure(metrics, "pool")
    if spent is not None:
        parts.append(f"batch {money(spent, currency)}")
    if pool is not None:
        parts.append(f"pool {number(pool, 0)}")
    return ", ".join(parts)
