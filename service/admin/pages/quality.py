"""How good the surrogate in use is, and why this one serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.pages.wording import figure
from service.admin.quality import CandidateLine, LoadCaseLine, Quality
from service.database.models import Campaign, ValuationRun


def quality_of(run: ValuationRun, campaign: Campaign) -> Quality:
    """The figures of a succeeded run; those that it does not have (an older run) are None or empty."""
    metrics = run.metrics or {}
    served = metrics.get("serving")
    measured_on = metrics.get("measured_on")
    measured = _report(metrics, measured_on, served)
    return Quality(
        rmse=figure(metrics, "rmse"),
        baseline_rmse=figure(metrics, "baseline_rmse"),
        r2=figure(metrics, "r2"),
        cop=figure(_report(metrics, "out_of_fold", served), "cop"),
        q95_error=figure(measured, "q95_error"),
        max_error=figure(measured, "max_error"),
        coverage=figure(measured, "coverage_90"),
        width=figure(measured, "width_90"),
        unit=campaign.target["unit"],
        served=served,
        chosen_on="validation" if metrics.get("validation") else "trusted training samples",
        candidates=_candidates(metrics, served),
        load_cases=_load_cases(measured),
        wrong_label_share=figure(metrics, "wrong_label_share"),
        rank_stability=figure(metrics, "rank_stability"),
        measured_on=measured_on,
        measured_samples=metrics.get("measured_samples"),
        run_id=run.id,
        trained_at=run.finished_at,
    )


def _report(metrics: Mapping[str, Any], measured_on: str | None, served: str | None) -> Mapping[str, Any]:
    """The serving surrogate's report on holdout, validation or out-of-fold rows; empty if there is none."""
    found = metrics.get(measured_on or "")
    if isinstance(found, Mapping) and measured_on != "holdout":
        found = found.get(served or "")
    return found if isinstance(found, Mapping) else {}


def _candidates(metrics: Mapping[str, Any], served: str | None) -> list[CandidateLine]:
    """Every network with the error that the choice was made by, best first."""
    reports = metrics.get("validation")
    errors = {name: figure(found, "rmse") for name, found in reports.items()} if reports else {}
    errors = errors or dict(metrics.get("trusted_rmse") or {})
    known = {name: error for name, error in errors.items() if error is not None}
    return [
        CandidateLine(name, known[name], is_serving=name == served)
        for name in sorted(known, key=known.__getitem__)
    ]


def _load_cases(measured: Mapping[str, Any]) -> list[LoadCaseLine]:
    return [
        LoadCaseLine(
            name=name,
            rows=int(found["rows"]),
            rmse=figure(found, "rmse"),
            q95_error=figure(found, "q95_error"),
            max_error=figure(found, "max_error"),
            coverage=figure(found, "coverage_90"),
        )
        for name, found in sorted((measured.get("load_cases") or {}).items())  # JSONB keeps no order
    ]
