"""`/campaigns/{id}/ledger`: what each round promised, what it gave, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.base import FormField
from service.admin.contexts.ledger import LedgerContext, LedgerLine
from service.admin.formats import money, number, words
from service.admin.forms import Input, fields_of
from service.admin.pages.advice import arms_view, gauge_view, ratio_text, stop_view
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.campaigns.schemas import StopRule
from service.database.models import Campaign
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.ledger import service as ledger
from service.ledger import stop_rule
from service.ledger.schemas import RegretLedger, RoundLedger

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 25
# More bars than these cannot be told apart.
ROUNDS_DRAWN = 40


@router.get("/campaigns/{campaign_id:int}/ledger")
def show_ledger(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    number_of_page: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> HTMLResponse:
    found = ledger.regret_ledger(session, campaign)
    stop = stop_rule.evaluate(session, campaign)
    newest = list(reversed(found.rounds))
    at = min(number_of_page, last_page(len(newest), PAGE_SIZE))
    context = LedgerContext(
        frame=frame(request, "Ledger", section="ledger", campaign=campaign),
        rows=[_line(entry) for entry in newest[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]],
        pager=pager(request.url.path, page=at, size=PAGE_SIZE, total=len(newest)),
        unit=found.target_unit,
        currency=found.currency,
        figures=_figures(found),
        chart=chart_of(found),
        chart_note=_drawn(len(found.rounds)),
        arms=arms_view(found.total_arms, found.target_unit),
        gauge=gauge_view(stop.benefit),
        stop=stop_view(stop),
        stop_fields=_stop_fields(campaign, stop.rule),
    )
    return page(request, context)


def _line(entry: RoundLedger) -> LedgerLine:
    predicted, realised = entry.predicted, entry.realised
    verdict, tone = _verdict(entry)
    return LedgerLine(
        round_id=entry.round_id,
        created_at=entry.created_at,
        strategy=words(entry.strategy),
        proposed=entry.balance.proposed,
        results=entry.balance.results,
        spent=entry.balance.spent,
        committed=entry.balance.committed,
        spent_in_all=entry.cumulative.spent,
        rmse_before=realised.rmse_before,
        rmse_after=realised.rmse_after,
        predicted=predicted.gain,
        realised=realised.gain,
        regret=entry.regret,
        calibration=entry.calibration,
        arms=ratio_text(entry.arms),
        verdict=verdict,
        tone=tone,
        note=realised.note,
    )


def _verdict(entry: RoundLedger) -> tuple[str, Any]:
    """In words whether the round kept its promise; only errors on the same held-out samples can tell."""
    gain, promised = entry.realised.gain, entry.predicted.gain
    if gain is None:
        return "not known yet", "info"
    if not entry.realised.comparable:
        return "indication only", "warn"
    if gain <= 0:
        return "no gain", "bad"
    if promised is not None and gain < promised:
        return "less than promised", "warn"
    return "kept its promise", "good"


def _figures(found: RegretLedger) -> list[tuple[str, str, str]]:
    gain = found.realised_gain
    comparable = "RMSE of the first round's surrogate minus the newest's"
    committed = money(found.total.committed, found.currency)
    unknown = "not comparable: needs two surrogates measured on the same held-out samples"
    return [
        ("Rounds", number(len(found.rounds), 0), f"{number(found.total.proposed, 0)} tests proposed"),
        ("Results", number(found.total.results, 0), "came back"),
        ("Spent", money(found.total.spent, found.currency), f"{committed} committed"),
        ("Gain so far", number(gain) + (f" {found.target_unit}" if gain is not None else ""),
         comparable if gain is not None else unknown),
    ]  # fmt: skip


def chart_of(found: RegretLedger) -> dict[str, Any]:
    """Data of the chart `ledger`: gains of the newest rounds, and the money spent in all by then."""
    drawn = found.rounds[-ROUNDS_DRAWN:]
    rows = [_chart_row(entry) for entry in drawn]
    unit, currency = found.target_unit, found.currency
    columns = ["Round", f"Predicted gain ({unit})", f"Realised gain ({unit})", f"Spent in all ({currency})"]
    return {"unit": unit, "currency": currency, "rows": rows, "table": {"columns": columns, "rows": rows}}


def _chart_row(entry: RoundLedger) -> list[Any]:
    name = f"Round {entry.round_id}"
    return [name, entry.predicted.gain, entry.realised.gain, round(entry.cumulative.spent)]


def _drawn(rounds: int) -> str:
    return f"The newest {ROUNDS_DRAWN} of {rounds:,} rounds." if rounds > ROUNDS_DRAWN else ""


def _stop_fields(campaign: Campaign, rule: StopRule) -> Sequence[FormField]:
    """The limits as they are."""
    unit, currency = campaign.target["unit"], campaign.currency
    inputs = [
        Input("target_error", f"Good enough: RMSE ({unit})", "empty: never"),
        Input(
            "value_per_unit", f"Worth of one {unit} less ({currency})", "of predictive sd; empty: not judged"
        ),
    ]
    given = {"target_error": rule.target_error, "value_per_unit": rule.value_per_unit}
    return [
        replace(field, value="" if given[field.name] is None else str(given[field.name]))
        for field in fields_of(StopRule, inputs)
    ]
