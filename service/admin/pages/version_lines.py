"""Versions of the surrogate as lines of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.contexts.surrogate import VersionLine
from service.admin.formats import NONE, number, percent, words
from service.admin.pages.quality import quality_of
from service.admin.pages.wording import figure
from service.database.models import Campaign, Surrogate, ValuationRun
from service.valuations import promotions
from service.valuations.schemas import GateRead


def version_line(
    campaign: Campaign, version: tuple[Surrogate, ValuationRun], serving_id: int | None, gate: GateRead | None
) -> VersionLine:
    """One version; those that the gate was not asked about need a reason to serve, as it may hold them back."""
    surrogate, run = version
    quality, unit = quality_of(run, campaign), campaign.target["unit"]
    serves = surrogate.id == serving_id
    return VersionLine(
        surrogate_id=surrogate.id,
        run_id=run.id,
        created_at=surrogate.created_at,
        serves=serves,
        rmse=_with_unit(figure(surrogate.metrics, "rmse"), unit),
        q95_error=_with_unit(quality.q95_error, unit),
        r2=number(figure(surrogate.metrics, "r2")),
        coverage=percent(quality.coverage),
        measured_on=_measured_on(surrogate.metrics),
        network=words(quality.served or NONE),
        train_rows=number(figure(surrogate.metrics, "train_rows"), 0),
        settings=_settings(run.configuration),
        seed=run.seed,
        sha256=surrogate.artefact_sha256[:12],
        gate=gate,
        is_overriding=gate is None or gate.outcome not in promotions.PASSES,
        promote_url=None if serves else f"/valuation-runs/{run.id}/promote",
        assessment_url=f"/campaigns/{campaign.id}/surrogate?version={surrogate.id}",
    )


def _with_unit(value: float | None, unit: str) -> str:
    return NONE if value is None else f"{number(value)} {unit}"


def _measured_on(metrics: Mapping[str, Any]) -> str:
    rows = figure(metrics, "measured_samples")
    name = words(str(metrics.get("measured_on") or ""))
    return f"{name} ({number(rows, 0)})" if rows is not None and name else name or NONE


def _settings(configuration: Mapping[str, Any]) -> str:
    """What the run was asked for, in short."""
    epochs = configuration.get("epochs")
    parts = [str(configuration.get("mode", "normalized")), f"{configuration.get('ensemble', 8)} members"]
    return ", ".join([*parts, f"{epochs} epochs"] if epochs else parts)
