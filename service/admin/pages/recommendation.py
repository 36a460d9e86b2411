"""`/recommendations/{id}`: one recommendation, to be linked to and decided on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.acquisitions import simulations
from service.admin.contexts.recommendation import (
    HistoryLine,
    IntervalView,
    PlanLine,
    RecommendationContext,
    SimulationLine,
)
from service.admin.feature_forms import feature_inputs
from service.admin.formats import feature_value, number
from service.admin.pages.recommendation_lines import line
from service.admin.pages.value_lines import sample_name
from service.admin.pages.wording import target_name
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.campaigns.schemas import Condition
from service.database.models import Campaign, Recommendation
from service.dependencies import GuardedRoute, SessionDep
from service.lifecycles import RecommendationStatus
from service.maps import service as maps
from service.quantities import quantity

router = APIRouter(route_class=GuardedRoute)
MARGIN_PERCENT = 6.0


@router.get("/recommendations/{recommendation_id:int}")
def show_recommendation(request: Request, recommendation_id: int, session: SessionDep) -> HTMLResponse:
    return page(request, detail(request, session, recommendation_id))


def detail(
    request: Request,
    session: SessionDep,
    recommendation_id: int,
    *,
    reason: str = "",
    executed: Mapping[str, str] | None = None,
) -> RecommendationContext:
    """The page's context; `reason` and `executed` are what a refused form said."""
    row = acquisitions.get_recommendation(session, recommendation_id)
    campaign = campaigns.get(session, row.campaign_id)
    batch = acquisitions.largest_information(session, row.round_id)
    half_width = maps.half_widths(session, [row]).get(row.id)
    remaining = campaigns.remaining_budget(session, campaign)
    return RecommendationContext(
        frame=frame(request, sample_name(row.sample), section="recommendations", campaign=campaign),
        row=line(row, campaign, batch, half_width),
        round_id=row.round_id,
        plan=_plan(row, campaign),
        interval=_interval(
            row, half_width, maps.interval_level(session, row.round_id), campaign.target["unit"]
        ),
        gain_share=row.components.get("gain_share"),
        target=target_name(campaign),
        target_unit=campaign.target["unit"],
        label=row.sample.target,
        sample_id=row.sample_id,
        remaining=remaining,
        left_after=None if remaining is None else remaining - row.acquisition_cost,
        currency=campaign.currency,
        allowed=[status for status in RecommendationStatus if status in row.status.allowed],
        has_oracle=row.sample.source.oracle is not None,
        features=feature_inputs(campaign, {**row.sample.planned_features, **(executed or {})}),
        history=[
            HistoryLine(change.to_status, change.actor, change.reason, change.created_at)
            for change in row.history
        ],
        simulations=_simulations(session, row.id),
        reason=reason,
    )


def _plan(row: Recommendation, campaign: Campaign) -> list[PlanLine]:
    conditions = {
        item["feature"]: Condition.model_validate(item)
        for item in campaign.target_domain.get("conditions", [])
    }
    return [
        _plan_line(feature, row.sample.planned_features.get(feature["name"]), conditions)
        for feature in campaign.feature_schema
    ]


def _plan_line(feature: Mapping[str, Any], value: object, conditions: Mapping[str, Condition]) -> PlanLine:
    name, unit = feature["name"], feature.get("unit", "1")
    condition = conditions.get(name)
    in_domain = None if condition is None or value is None else condition.is_met_by(value)
    return PlanLine(quantity(name, unit), feature_value(value, unit), in_domain)


def _simulations(session: SessionDep, recommendation_id: int) -> list[SimulationLine]:
    return [
        SimulationLine(
            id=run.id,
            status=run.status,
            progress_percent=100 * run.progress,
            message=run.error_message or run.progress_message,
            attempts=len(run.attempts),
            created_at=run.created_at,
        )
        for run in simulations.read_all(session, recommendation_id)
    ]


def _interval(
    row: Recommendation, half_width: float | None, level: float | None, unit: str
) -> IntervalView | None:
    middle = row.components.get("predicted")
    if middle is None or half_width is None or level is None:
        return None
    near = [
        (item["name"], item["target"])
        for item in row.components.get("neighbours", [])
        if item["target"] is not None
    ]
    place = _scale([middle - half_width, middle + half_width, *(target for _, target in near)])
    return IntervalView(
        low=place(middle - half_width),
        high=place(middle + half_width),
        middle=place(middle),
        nearest=[(f"{name}: {number(target)} {unit}", place(target)) for name, target in near],
        level_percent=round(100 * level),
        text=f"{number(middle - half_width, 1)} to {number(middle + half_width, 1)} {unit}",
    )


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    """Numbers into places, in percent, with a margin on both sides."""
    low, width = min(values), max(values) - min(values) or 1.0
    return lambda value: round(MARGIN_PERCENT + (100 - 2 * MARGIN_PERCENT) * (value - low) / width, 2)
