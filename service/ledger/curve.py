"""The learning curve in money: the error of every surrogate against what its campaign had spent by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from service.database.models import Surrogate
from service.ledger.repository import Learned
from service.ledger.schemas import ErrorPoint

_NOTHING = Learned(results=0, acquisition_cost=Decimal(0))


def error_points(
    surrogates: Sequence[Surrogate], learned: Mapping[int, Learned], failed: Mapping[int, Decimal]
) -> list[ErrorPoint]:
    """One point per surrogate with an error, in the order given.

    Args:
        surrogates: with their metrics.
        learned: surrogate id to the results that it was trained on, and their price.
        failed: surrogate id to the money that was gone without a result when it was trained.
    """
    points = []
    for surrogate in surrogates:
        own, report = learned.get(surrogate.id, _NOTHING), report_of(surrogate.metrics)
        if _number(surrogate.metrics, "rmse") is not None:
            cost = own.acquisition_cost + failed.get(surrogate.id, Decimal(0))
            points.append(_point(surrogate, report, own.results, cost))
    return points


def _point(surrogate: Surrogate, report: Mapping[str, Any], results: int, cost: Decimal) -> ErrorPoint:
    return ErrorPoint(
        surrogate_id=surrogate.id,
        valuation_run_id=surrogate.valuation_run_id,
        created_at=surrogate.created_at,
        results=results,
        acquisition_cost=cost,
        rmse=surrogate.metrics["rmse"],
        q95_error=_number(report, "q95_error"),
        max_error=_number(report, "max_error"),
        measured_on=surrogate.metrics.get("measured_on"),
        measured_samples=surrogate.metrics.get("measured_samples"),
    )


def report_of(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """That of the samples which `measured_on` names; outside of the holdout there is one per network."""
    found = metrics.get(str(metrics.get("measured_on")))
    if not isinstance(found, Mapping):
        return {}
    own = found.get(str(metrics.get("serving")))
    return own if isinstance(own, Mapping) else found


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) else None
