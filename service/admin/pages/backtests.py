"""`/campaigns/{id}/backtests`: would the advice have beaten random picks on this campaign's own labels?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.backtests import (
    BacktestContext,
    BacktestLine,
    BacktestProgressContext,
    BacktestsContext,
)
from service.admin.formats import words
from service.admin.forms import Input, fields_of
from service.admin.pages.backtest_report import report_view
from service.admin.rendering import fragment, frame, page
from service.backtests import service as backtests
from service.backtests.schemas import BacktestConfiguration, BacktestRequest
from service.database.models import Backtest, Campaign
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.errors import NotFoundError
from service.lifecycles import RunStatus
from service.runs.schemas import RunRead
from service.vocabulary import Evidence

router = APIRouter(route_class=GuardedRoute)
SHOWN = 50


@router.get("/campaigns/{campaign_id:int}/backtests")
def list_backtests(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    context = BacktestsContext(
        frame=frame(request, "Backtests", section="backtests", campaign=campaign),
        rows=[_line(row) for row in backtests.newest(session, campaign, limit=SHOWN)],
        shown=SHOWN,
        labelled=backtests.labelled_count(session, campaign.id),
        fields=fields_of(BacktestConfiguration, INPUTS),
        more_fields=[
            *fields_of(BacktestConfiguration, _more_inputs(campaign)),
            *fields_of(BacktestRequest, [Input("seed", "Seed", "same seed and data: same report")]),
        ],
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/backtests/{backtest_id:int}")
def show_backtest(
    request: Request, backtest_id: int, campaign: CampaignDep, session: SessionDep
) -> HTMLResponse:
    backtest = _of(session, campaign, backtest_id)
    succeeded = backtest.status is RunStatus.SUCCEEDED
    context = BacktestContext(
        **_progress(backtest),
        frame=frame(request, f"Backtest {backtest.id}", section="backtests", campaign=campaign),
        cancel_url=f"/backtests/{backtest.id}/cancel",
        list_url=_list_url(campaign.id),
        report=report_view(backtest.metrics or {}, campaign) if succeeded else None,
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/backtests/{backtest_id:int}/live")
def show_progress(backtest_id: int, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    """The progress; at the end the whole page is asked for again."""
    backtest = _of(session, campaign, backtest_id)
    answer = fragment(BacktestProgressContext(**_progress(backtest)))
    if backtest.status.is_terminal:
        answer.headers["HX-Refresh"] = "true"
    return answer


def _of(session: SessionDep, campaign: Campaign, backtest_id: int) -> Backtest:
    backtest = backtests.get(session, backtest_id)
    if backtest.campaign_id != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no backtest {backtest_id}.")
    return backtest


def _list_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/backtests"


def _progress(backtest: Backtest) -> dict[str, Any]:
    line = _line(backtest)
    return {"backtest": line, "live_url": f"{line.url}/live"}


def _line(backtest: Backtest) -> BacktestLine:
    auto = (backtest.metrics or {}).get("auto") or {}
    succeeded = backtest.status is RunStatus.SUCCEEDED
    return BacktestLine(
        id=backtest.id,
        url=f"{_list_url(backtest.campaign_id)}/{backtest.id}",
        status=backtest.status,
        progress_percent=100 * backtest.progress,
        message=backtest.progress_message,
        seconds_left=RunRead.model_validate(backtest).seconds_left,
        duration_s=_duration_s(backtest),
        created_at=backtest.created_at,
        requested_by=backtest.requested_by,
        settings=_settings(backtest),
        error=backtest.error_message,
        verdict=Evidence(auto.get("verdict", Evidence.NOT_ENOUGH_DATA)) if succeeded else None,
        strategy=words(auto.get("strategy", "")),
        is_cancelling=backtest.cancel_requested and not backtest.status.is_terminal,
    )


def _duration_s(backtest: Backtest) -> float | None:
    """Seconds of computing, so far or in all; None before the start."""
    if backtest.started_at is None:
        return None
    return ((backtest.finished_at or datetime.now(UTC)) - backtest.started_at).total_seconds()


def _settings(backtest: Backtest) -> str:
    configuration = BacktestConfiguration.model_validate(backtest.configuration)
    names = ", ".join(words(name) for name in configuration.strategies)
    return (
        f"{names}; {configuration.repeats} replays of {configuration.rounds} batches of {configuration.batch_size}, "
        f"from {configuration.initial} labels; seed {backtest.seed}"
    )


INPUTS = [
    Input(
        "strategies", "Strategies", "each is compared with random picks; the more, the stricter each verdict"
    ),
    Input("initial", "Labels to start with", "that every replay begins with"),
    Input("batch_size", "Batch size", "labels that a batch adds"),
    Input("rounds", "Batches", "per replay"),
    Input("repeats", "Replays", "fewer than 5 allow no verdict"),
]


def _more_inputs(campaign: Campaign) -> list[Input]:
    return [
        Input("holdout_fraction", "Share held out", "only measures, in whole groups"),
        Input("budget", f"Budget of a batch ({campaign.currency})", "empty: no limit"),
        Input("cost_exponent", "Weight of cost", "0: gain only, 1: gain per money"),
        Input("label_precision", "Label precision", "lossval: as in a round; equal: faster"),
        Input("as_bought", "Also the real order", "the order in which the tests were bought"),
    ]
