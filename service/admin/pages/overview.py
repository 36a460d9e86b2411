"""`/campaigns/{id}`: one campaign at a glance, what needs the reader first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.admin.contexts.overview import Figure, Money, OverviewContext
from service.admin.contexts.shared import ValueLine
from service.admin.pages.advice import (
    arms_view,
    gauge_view,
    interval_of,
    learning_chart,
    learning_note,
    stop_view,
)
from service.admin.pages.overview_tasks import Situation, tasks_of
from service.admin.pages.quality import quality_of
from service.admin.pages.round_start import round_start
from service.admin.pages.round_view import next_round, round_view
from service.admin.pages.run_lines import AnyRun, run_line
from service.admin.pages.value_lines import value_lines
from service.admin.pages.wording import domain_text, evidence_view, target_with_unit
from service.admin.rendering import frame, page
from service.backtests import service as backtests
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignSummary
from service.campaigns.service import CampaignCounts
from service.database.models import Campaign, ValuationRun
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.ledger import service as ledger
from service.ledger import stop_rule
from service.ledger.schemas import StopRead
from service.reviews.suspects import waiting
from service.rounds import service as rounds
from service.rounds.schemas import RoundRead
from service.schedules import service as schedules
from service.uploads import service as uploads
from service.valuations import service as valuations

router = APIRouter(route_class=GuardedRoute)
RUNS_SHOWN = 6
SUSPICIOUS_SHOWN = 5


@router.get("/campaigns/{campaign_id:int}")
def show_overview(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    summary, counts = campaigns.summary_with_counts(session, campaign)
    newest = _newest_runs(session, campaign)
    latest = valuations.newest_succeeded(session, campaign)
    round_ = _round(session, campaign)
    stop = stop_rule.evaluate(session, campaign)
    base = f"/campaigns/{campaign.id}"
    situation = Situation(
        base=base,
        summary=summary,
        counts=counts,
        newest=newest,
        backtest=next(iter(backtests.newest(session, campaign, limit=1)), None),
        round=round_,
        uploads=uploads.status_counts(session, campaign),
        stop=stop,
        to_review=len(waiting(session, campaign)),
        overdue=acquisitions.overdue(session, campaign),
        has_values=latest is not None,
    )
    context = OverviewContext(
        frame=frame(request, "Overview", section="overview", campaign=campaign),
        description=campaign.description,
        target=target_with_unit(campaign),
        domain=domain_text(campaign),
        tasks=tasks_of(situation),
        figures=_figures(summary, counts),
        money=_money(summary),
        quality=quality_of(latest, campaign) if latest else None,
        round=round_view(round_) if round_ else None,
        start_round=round_start(campaign, summary, counts) if _can_start(counts, round_) else None,
        next_round=next_round(schedules.upcoming(session, campaign)),
        **_advice(session, campaign, stop),
        runs=[run_line(run, campaign) for run in newest],
        suspicious=_suspicious(session, latest) if latest else [],
        values_url=f"{base}/data-values",
    )
    return page(request, context)


def _can_start(counts: CampaignCounts, round_: RoundRead | None) -> bool:
    """None is open, and there is something to value."""
    return bool(counts.labelled) and (round_ is None or round_.step.is_terminal)


def _advice(session: SessionDep, campaign: Campaign, stop: StopRead) -> dict[str, Any]:
    """Whether the advice has paid, and whether more of it will."""
    points = ledger.error_curve(session, campaign)
    rounds_done = acquisitions.newest_succeeded_round(session, campaign)
    evidence = acquisitions.evidence_of(session, campaign, rounds_done)
    return {
        "learning": learning_chart(points, stop.rule.target_error, campaign),
        "learning_note": learning_note(points, campaign),
        "evidence": evidence_view(evidence),
        "interval": interval_of(evidence),
        "arms": arms_view(ledger.total_arms(session, campaign), campaign.target["unit"]),
        "gauge": gauge_view(stop.benefit),
        "stop": stop_view(stop),
    }


def _newest_runs(session: SessionDep, campaign: Campaign) -> list[AnyRun]:
    """Valuation runs and rankings together."""
    runs = valuations.newest(session, campaign, limit=RUNS_SHOWN)
    everything: list[AnyRun] = [*runs, *acquisitions.newest_rounds(session, campaign, limit=RUNS_SHOWN)]
    return sorted(everything, key=_created, reverse=True)[:RUNS_SHOWN]


def _round(session: SessionDep, campaign: Campaign) -> RoundRead | None:
    found = rounds.newest(session, campaign)
    return rounds.read(session, found) if found else None


def _created(run: AnyRun) -> datetime:
    return run.created_at


def _figures(summary: CampaignSummary, counts: CampaignCounts) -> list[Figure]:
    return [
        Figure("Labelled", counts.labelled, "have a result"),
        Figure("Candidates", counts.candidates, "could be acquired"),
        Figure("Validation", summary.splits.get("validation", 0), "stand for the target domain"),
        Figure("Holdout", summary.splits.get("holdout", 0), "only measure"),
    ]


def _money(summary: CampaignSummary) -> Money:
    budget = summary.budget

    def percent(value: float) -> float | None:
        return 100 * value / float(budget) if budget else None

    return Money(
        budget=budget,
        spent=summary.spent,
        committed=summary.committed,
        remaining=summary.remaining,
        currency=summary.currency,
        spent_percent=percent(float(summary.spent)),
        committed_percent=percent(float(summary.committed)),
    )


def _suspicious(session: SessionDep, run: ValuationRun) -> list[ValueLine]:
    rows = valuations.least_valuable(session, run, offset=0, limit=SUSPICIOUS_SHOWN)
    return value_lines(rows)
