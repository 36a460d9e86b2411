"""`/campaigns/{id}`: one campaign at a glance, what needs the reader first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.admin.contexts.overview import Figure, Money, OverviewContext, Task
from service.admin.contexts.shared import ValueLine
from service.admin.formats import number
from service.admin.pages.quality import quality_of
from service.admin.pages.run_lines import AnyRun, run_line
from service.admin.pages.value_lines import value_lines
from service.admin.pages.wording import domain_text, evidence_view, target_with_unit
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignSummary
from service.campaigns.service import CampaignCounts
from service.database.models import ValuationRun
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.lifecycles import RunStatus
from service.valuations import service as valuations

router = APIRouter(route_class=GuardedRoute)
RUNS_SHOWN = 6
SUSPICIOUS_SHOWN = 5


@router.get("/campaigns/{campaign_id:int}")
def show_overview(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    summary = campaigns.summary(session, campaign)
    (counts,) = campaigns.counts(session, [campaign])
    runs = valuations.newest(session, campaign, limit=RUNS_SHOWN)
    rounds = acquisitions.newest_rounds(session, campaign, limit=RUNS_SHOWN)
    latest = valuations.newest_succeeded(session, campaign)
    everything: list[AnyRun] = [*runs, *rounds]
    newest = sorted(everything, key=_created, reverse=True)[:RUNS_SHOWN]
    done = next((round_ for round_ in rounds if round_.status is RunStatus.SUCCEEDED), None)
    base = f"/campaigns/{campaign.id}"
    context = OverviewContext(
        frame=frame(request, "Overview", section="overview", campaign=campaign),
        description=campaign.description,
        target=target_with_unit(campaign),
        domain=domain_text(campaign),
        tasks=_tasks(base, summary, counts, newest, has_values=latest is not None),
        figures=_figures(summary, counts),
        money=_money(summary),
        quality=quality_of(latest, campaign) if latest else None,
        evidence=evidence_view(acquisitions.evidence_of(session, campaign, done)),
        runs=[run_line(run, campaign) for run in newest],
        suspicious=_suspicious(session, latest) if latest else [],
        values_url=f"{base}/data-values",
    )
    return page(request, context)


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


def _tasks(
    base: str, summary: CampaignSummary, counts: CampaignCounts, newest: Sequence[AnyRun], *, has_values: bool
) -> list[Task]:
    """What waits for the reader, most urgent first."""
    tasks = []
    if newest and newest[0].status is RunStatus.FAILED:
        tasks.append(Task("The newest run has failed: see why", f"{base}/runs", "problem"))
    proposed = summary.recommendations.get("proposed", 0)
    if proposed:
        text = f"{number(proposed, 0)} proposed {'test waits' if proposed == 1 else 'tests wait'} for your decision"
        tasks.append(Task(text, f"{base}/recommendations?status=proposed", "action"))
    approved = summary.recommendations.get("approved", 0)
    if approved:
        text = f"{number(approved, 0)} approved, not yet ordered at the source"
        tasks.append(Task(text, f"{base}/recommendations?status=approved", "info"))
    if tasks or any(not run.status.is_terminal for run in newest):
        return tasks
    return _first_steps(base, counts, has_values=has_values)


def _first_steps(base: str, counts: CampaignCounts, *, has_values: bool) -> list[Task]:
    """What to do when nothing has been proposed."""
    if not counts.labelled:
        return [Task(f"Send labelled samples: POST /api/v1{base}/samples:bulk", None, "info")]
    if not has_values:
        return [Task("Value the samples and train the first surrogate", f"{base}/runs", "action")]
    if counts.candidates:
        return [Task("Request a round to see what to acquire next", f"{base}/runs", "action")]
    return [Task(f"Send candidates to choose from: POST /api/v1{base}/samples:bulk", None, "info")]
