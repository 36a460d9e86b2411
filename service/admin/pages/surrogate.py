"""`/campaigns/{id}/surrogate`: whether to believe the surrogate, and which version serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from service.admin.contexts.base import Filter
from service.admin.contexts.surrogate import PromotionLine, SurrogateContext
from service.admin.flash import redirect
from service.admin.forms import FormDep
from service.admin.pages.assessments import coverage_lines, coverage_note, parity, residual_lines, set_note
from service.admin.pages.charts import short
from service.admin.pages.quality import quality_of
from service.admin.pages.version_lines import version_line
from service.admin.pages.wording import figure, target_with_unit
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.database.models import Campaign, Surrogate, ValuationRun
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, requires
from service.errors import ConflictError, NotFoundError
from service.valuations import promotions
from service.valuations import service as valuations
from service.valuations.schemas import GateRead, PromotionRequest
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute)
VERSIONS_SHOWN = 50
PROMOTIONS_SHOWN = 10
# The gate is asked about the newest ones only: each asks the database for two assessments.
JUDGED = 5
SETS = {"holdout": "holdout", "validation": "validation", "out_of_fold": "out of fold"}

Version = tuple[Surrogate, ValuationRun]


@router.get("/campaigns/{campaign_id:int}/surrogate")
def show_surrogate(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    version: int | None = None,
    rows: str = "",
) -> HTMLResponse:
    serving = promotions.serving_surrogate(session, campaign)
    found = valuations.newest_versions(session, campaign, limit=VERSIONS_SHOWN)
    shown = _shown(session, campaign, found, version or (serving.id if serving else None))
    assessment = (shown[0].assessment or {}) if shown else {}
    name = _chosen_set(assessment, rows)
    chosen: Mapping[str, Any] = assessment.get(name) or {}
    unit, serving_id = campaign.target["unit"], serving.id if serving else None
    lines = [
        version_line(campaign, pair, serving_id, _gate(session, campaign, pair, serving_id, index))
        for index, pair in enumerate(found)
    ]
    context = SurrogateContext(
        frame=frame(request, "Surrogate", section="surrogate", campaign=campaign),
        target=target_with_unit(campaign),
        shown=version_line(campaign, shown, serving_id, None) if shown else None,
        serving_id=serving_id,
        quality=quality_of(shown[1], campaign) if shown else None,
        measured=SETS.get(name, "") if chosen else "",
        measured_note=set_note(name, chosen),
        sets=_sets(campaign, shown, assessment, name),
        coverage=coverage_lines(chosen, unit),
        coverage_note=coverage_note(name, chosen),
        residuals=residual_lines(chosen, unit),
        versions=lines,
        versions_total=valuations.count_surrogates(session, campaign),
        promotions=_promotions(session, campaign),
        charts=_charts(campaign, found, chosen),
        tolerance_percent=100 * promotions.TOLERANCE,
        runs_url=f"/campaigns/{campaign.id}/runs",
    )
    return page(request, context)


def _shown(
    session: SessionDep, campaign: Campaign, found: Sequence[Version], wanted: int | None
) -> Version | None:
    """The version whose plots are asked for, also when it is too old for the table."""
    if wanted is None:
        return None
    for surrogate, run in found:
        if surrogate.id == wanted:
            return surrogate, run
    surrogate = valuations.get_surrogate(session, wanted)
    if surrogate.campaign_id != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no surrogate {wanted}.")
    return surrogate, valuations.get(session, surrogate.valuation_run_id)


def _chosen_set(assessment: Mapping[str, Any], wanted: str) -> str:
    """The rows that are asked for, else the most independent ones that there are."""
    return next((name for name in (wanted, *SETS) if name in SETS and assessment.get(name)), "holdout")


def _sets(
    campaign: Campaign, shown: Version | None, assessment: Mapping[str, Any], chosen: str
) -> list[Filter]:
    if shown is None:
        return []
    path = f"/campaigns/{campaign.id}/surrogate"

    def url(name: str) -> str:
        return f"{path}?{urlencode({'version': shown[0].id, 'rows': name})}#parity"

    return [
        Filter(label, assessment[name]["total"], url(name), is_current=name == chosen)
        for name, label in SETS.items()
        if assessment.get(name)
    ]


def _gate(
    session: SessionDep, campaign: Campaign, version: Version, serving_id: int | None, index: int
) -> GateRead | None:
    if version[0].id == serving_id or index >= JUDGED:
        return None
    return promotions.read_gate(promotions.judge(session, campaign, version[0]), campaign.target["unit"])


def _promotions(session: SessionDep, campaign: Campaign) -> list[PromotionLine]:
    return [
        PromotionLine(row.surrogate_id, row.outcome.value, row.actor, row.reason, row.created_at)
        for row in promotions.newest(session, campaign, limit=PROMOTIONS_SHOWN)
    ]


def _charts(campaign: Campaign, found: Sequence[Version], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Data for the script: parity, coverage, and the error of each version by the labels it learned from."""
    curve = [_learned(surrogate) for surrogate, _ in reversed(found)]
    return {
        "unit": campaign.target["unit"],
        "parity": parity(chosen),
        "coverage": [[item["level"], item["observed"]] for item in chosen.get("coverage") or []],
        "residuals": [
            {"name": name, "rows": item["rows"], "quantiles": item["quantiles"]}
            for name, item in sorted((chosen.get("residuals") or {}).items())
        ],
        "learning": [point for point in curve if point is not None],
    }


def _learned(surrogate: Surrogate) -> list[Any] | None:
    """[labels, RMSE, mean predictor's RMSE or None, version, measured on] of one version."""
    metrics = surrogate.metrics
    labels, rmse = figure(metrics, "train_rows"), figure(metrics, "rmse")
    if labels is None or rmse is None:
        return None
    baseline = figure(metrics, "baseline_rmse")
    measured_on = str(metrics.get("measured_on", "")).replace("_", " ")
    return [labels, short(rmse), None if baseline is None else short(baseline), surrogate.id, measured_on]


@router.post("/valuation-runs/{run_id:int}/promote")
@requires(Scope.APPROVE)
def promote(run_id: int, form: FormDep, session: SessionDep, principal: Principal) -> RedirectResponse:
    """Let a version serve; a refusal is told on the page, with nothing changed."""
    surrogate = promotions.surrogate_of_run(session, valuations.get(session, run_id).id)
    campaign = campaigns.get(session, surrogate.campaign_id)
    back = f"/campaigns/{campaign.id}/surrogate"
    try:
        wanted = PromotionRequest.model_validate(
            {"override": "override" in form, "reason": form.get("reason", "")}
        )
        promotions.promote(session, campaign, surrogate, wanted, actor=principal.name)
    except ValidationError:
        session.rollback()
        return redirect(back, "error", "Nothing was changed: give a reason, of 2,000 characters at most.")
    except ConflictError as error:
        session.rollback()
        return redirect(back, "error", str(error))
    return redirect(back, "ok", f"Surrogate {surrogate.id} serves predictions and rankings from now on.")
