"""`/campaigns/{id}/recommendations/what-if`: other settings, ranked in a dry run, beside the present ones.

Both batches come from dry runs of the same moment: designs that are proposed or pending already are out of both,
so that a difference is one of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.admin import flash
from service.admin.attempts import sentence
from service.admin.contexts.base import FormField
from service.admin.contexts.what_if import Comparison, Waiting, WhatIfContext
from service.admin.forms import FormDep, Input, fields_of
from service.admin.pages.what_if_batches import batch, compare
from service.admin.plain_errors import errors_of, place_of
from service.admin.rendering import frame, page
from service.database.models import AcquisitionRound, Campaign
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep
from service.errors import ConflictError, InputError, NotFoundError
from service.lifecycles import RunStatus

router = APIRouter(route_class=GuardedRoute)
LOOKED_AT = 50  # newest rounds, of which one has succeeded if any has lately
INPUTS = (
    Input("strategy", "Strategy", "how the batch is chosen"),
    Input("budget", "Budget", "of the batch; may be above what is left"),
    Input("cost_exponent", "Weight of cost", "0: gain only, 1: gain per money"),
    Input("control_fraction", "Control share", "drawn at random, to compare with"),
    Input("batch_size", "Batch size", "most designs"),
)
KNOBS = tuple(item.name for item in INPUTS)
# What a person named for one round holds for that round only.
NOT_TAKEN_OVER = ("injected_sample_ids", "vetoed_sample_ids", "stored_rows")


def what_if_url(campaign_id: int, before: int | None = None, after: int | None = None) -> str:
    url = f"/campaigns/{campaign_id}/recommendations/what-if"
    return url if before is None else f"{url}?before={before}&after={after}"


@router.get("/campaigns/{campaign_id:int}/recommendations/what-if")
def show_what_if(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    before: Annotated[int | None, Query(ge=1)] = None,
    after: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """The form; with two rounds, how their batches differ."""
    present = _present(session, campaign)
    waiting, comparison, shown = None, None, present
    if before is not None and after is not None:
        rounds = _round_of(session, campaign, before), _round_of(session, campaign, after)
        waiting, shown = _waiting(campaign, *rounds), rounds[1]
        comparison = None if waiting else _comparison(session, campaign, *rounds)
    context = WhatIfContext(
        frame=frame(request, "What if", section="recommendations", campaign=campaign),
        present_round_id=present.id if present else None,
        fields=_fields(shown, campaign.currency),
        waiting=waiting,
        comparison=comparison,
        target_unit=campaign.target["unit"],
        currency=campaign.currency,
    )
    return page(request, context)


@router.post("/campaigns/{campaign_id:int}/recommendations/what-if")
def request_what_if(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """Two dry runs: with the settings of the present round, and with those of the form."""
    try:
        present = _present(session, campaign)
        if present is None:
            raise ConflictError("There is no round to compare with.", hint="Request one under Runs first.")
        settings = _taken_over(present)
        changed = settings | {name: form[name] for name in KNOBS if name in form}
        before, after = (
            acquisitions.request_round(
                session, campaign, _dry_run(present, document), actor=principal.name
            ).id
            for document in (settings, changed)
        )
    except (ConflictError, InputError, NotFoundError) as error:
        session.rollback()
        return flash.redirect(what_if_url(campaign.id), "error", sentence(error))
    return flash.redirect(what_if_url(campaign.id, before, after), "ok", "Two dry runs are queued.")


def _present(session: SessionDep, campaign: Campaign) -> AcquisitionRound | None:
    """The newest round that was ranked."""
    newest = acquisitions.newest_rounds(session, campaign, limit=LOOKED_AT)
    return next((round_ for round_ in newest if round_.status is RunStatus.SUCCEEDED), None)


def _round_of(session: SessionDep, campaign: Campaign, round_id: int) -> AcquisitionRound:
    round_ = acquisitions.get_round(session, round_id)
    if round_.campaign_id != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no round {round_id}.")
    return round_


def _taken_over(present: AcquisitionRound) -> dict[str, Any]:
    return {name: value for name, value in present.configuration.items() if name not in NOT_TAKEN_OVER}


def _dry_run(present: AcquisitionRound, configuration: Mapping[str, Any]) -> AcquisitionRequest:
    """Same seed and surrogate as the present round: only the settings differ."""
    document = {
        "configuration": configuration,
        "seed": present.seed,
        "surrogate_id": present.surrogate_id,
        "dry_run": True,
    }
    try:
        return AcquisitionRequest.model_validate(document)
    except ValidationError as error:
        errors = errors_of(error, lambda location: place_of(location[-1:]))
        raise InputError("Some settings do not fit.", errors=errors) from error


def _fields(shown: AcquisitionRound | None, currency: str) -> list[FormField]:
    settings = shown.configuration if shown else {}
    inputs = [replace(one, label=f"Budget ({currency})") if one.name == "budget" else one for one in INPUTS]
    fields = fields_of(AcquisitionConfiguration, inputs)
    return [
        field
        if settings.get(field.name) is None
        else replace(field, value=str(settings[field.name]).removesuffix(".00"))
        for field in fields
    ]


def _waiting(campaign: Campaign, *rounds: AcquisitionRound) -> Waiting | None:
    """None when both are ranked; the worse of the two stands for both."""
    undone = [round_ for round_ in rounds if round_.status is not RunStatus.SUCCEEDED]
    if not undone:
        return None
    worst = next((round_ for round_ in undone if round_.status.is_terminal), undone[-1])
    return Waiting(
        url=what_if_url(campaign.id, rounds[0].id, rounds[1].id),
        status=worst.status,
        percent=100 * sum(round_.progress for round_ in rounds) / len(rounds),
        message=worst.error_message or worst.progress_message,
    )


def _comparison(
    session: SessionDep, campaign: Campaign, before: AcquisitionRound, after: AcquisitionRound
) -> Comparison:
    return compare(campaign, (before, batch(session, before)), (after, batch(session, after)))
