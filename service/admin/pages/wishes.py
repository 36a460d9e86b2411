"""`/campaigns/{id}/recommendations/wishes`: designs for the next round, and designs for none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from service.admin import flash
from service.admin.attempts import sentence
from service.admin.contexts.base import Flash
from service.admin.contexts.wishes import SourceChoice, WishesContext, WishLine
from service.admin.feature_forms import feature_inputs, features_of, typed
from service.admin.forms import FormDep
from service.admin.pages.recommendation_lines import key_features
from service.admin.pages.value_lines import sample_name
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.database.models import Campaign, Injection, Sample, SampleVeto
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep
from service.errors import ConflictError, FieldError, ForbiddenError, InputError
from service.injections import service as injections
from service.injections.schemas import InjectionCreate
from service.samples import service as samples
from service.samples import vetoes
from service.samples.schemas import SampleCreate, VetoesRequest

router = APIRouter(route_class=GuardedRoute)
MOST_NAMES = 1000
SEPARATORS = re.compile(r"[\n,;]+")
REFUSALS = (ConflictError, InputError, ForbiddenError)
IS_ID = re.compile(r"\s*[0-9]{1,18}\s*$")
LONGEST_ECHO = 4000
RESTS = "rests while the design is vetoed"
Model = TypeVar("Model", bound=BaseModel)


def wishes_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/recommendations/wishes"


@router.get("/campaigns/{campaign_id:int}/recommendations/wishes")
def show_wishes(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    return page(request, _context(request, session, campaign, {}))


def _context(
    request: Request, session: SessionDep, campaign: Campaign, form: Mapping[str, str]
) -> WishesContext:
    injected = [_injected(row, campaign) for row in injections.standing(session, campaign)]
    return WishesContext(
        frame=frame(request, "Inject and veto", section="recommendations", campaign=campaign),
        injected=injected,
        vetoed=[_vetoed(sample, veto, campaign) for sample, veto in vetoes.standing(session, campaign.id)],
        injected_cost=sum((line.cost for line in injected), Decimal(0)),
        currency=campaign.currency,
        sources=[SourceChoice(source.name, source.acquisition_cost) for source in campaign.sources],
        features=feature_inputs(campaign, typed(form)),
        typed={
            name: form.get(name, "")[:LONGEST_ECHO]
            for name in ("names", "reason", "kind", "external_id", "source", "new_reason")
        },
    )


def _injected(injection: Injection, campaign: Campaign) -> WishLine:
    line = _line(injection.sample, injection, campaign, f"/injections/{injection.id}/withdraw")
    return replace(line, note=RESTS) if injection.sample.veto else line


def _vetoed(sample: Sample, veto: SampleVeto, campaign: Campaign) -> WishLine:
    return _line(sample, veto, campaign, f"/samples/{sample.id}/unveto")


def _line(sample: Sample, wish: Injection | SampleVeto, campaign: Campaign, withdraw_url: str) -> WishLine:
    return WishLine(
        name=sample_name(sample),
        withdraw_url=withdraw_url,
        source=sample.source.name,
        cost=sample.source.acquisition_cost,
        features=key_features(sample, campaign),
        reason=wish.reason,
        actor=wish.actor,
        created_at=wish.created_at,
    )


@router.post("/campaigns/{campaign_id:int}/recommendations/wishes")
def make_wishes(
    request: Request, campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    """Candidates by name (typed), or by id (from the map)."""

    def change() -> str:
        ids = [int(text) for text in SEPARATORS.split(form.get("sample_ids", "")) if IS_ID.match(text)]
        ids += _named(session, campaign, form.get("names", ""))
        if not ids:
            raise InputError("Nothing was changed: name at least one design.")
        wish = WISHES.get(form.get("kind", ""))
        if wish is None:
            raise InputError("Nothing was changed: say whether to inject or to veto.")
        return wish(session, campaign, ids, form.get("reason", ""), actor=principal.name)

    return _attempt(request, session, campaign, form, change)


@router.post("/campaigns/{campaign_id:int}/recommendations/wishes/new-design")
def inject_new_design(
    request: Request, campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    """A new candidate that goes into the next round, in one transaction."""

    def change() -> str:
        design = SampleCreate(
            source=form.get("source", ""),
            planned_features=features_of(campaign, form),
            external_id=form.get("external_id"),
            provenance={"origin": "dashboard", "entered_by": principal.name},
        )
        sample = samples.create(session, campaign, design, actor=principal.name)
        told = _inject(session, campaign, [sample.id], form.get("new_reason", ""), actor=principal.name)
        return f"{sample_name(sample)} is a candidate now. {told}"

    return _attempt(request, session, campaign, form, change)


@router.post("/injections/{injection_id:int}/withdraw")
def withdraw_injection(
    request: Request, injection_id: int, session: SessionDep, principal: Principal
) -> Response:
    campaign = injections.campaign_of(session, injection_id)

    def change() -> str:
        injections.withdraw(session, injection_id, actor=principal.name)
        return "Withdrawn: the rounds to come choose freely again."

    return _attempt(request, session, campaign, {}, change)


@router.post("/samples/{sample_id:int}/unveto")
def lift_veto(request: Request, sample_id: int, session: SessionDep, principal: Principal) -> Response:
    campaign = campaigns.get(session, samples.get(session, sample_id).campaign_id)

    def change() -> str:
        vetoes.lift(session, sample_id, actor=principal.name)
        return "The veto is lifted: the rounds to come choose freely again."

    return _attempt(request, session, campaign, {}, change)


def _attempt(
    request: Request,
    session: SessionDep,
    campaign: Campaign,
    form: Mapping[str, str],
    change: Callable[[], str],
) -> Response:
    """Do it and go back; what is refused comes back with what was typed."""
    try:
        text = change()
    except REFUSALS as error:
        session.rollback()
        context = _context(request, session, campaign, form)
        shown = replace(context, frame=replace(context.frame, flash=Flash("error", sentence(error))))
        response = page(request, shown)
        response.status_code = error.status
        return response
    return flash.redirect(wishes_url(campaign.id), "ok", text)


def _named(session: SessionDep, campaign: Campaign, text: str) -> list[int]:
    """Ids of candidates by the names that were typed; `sample 12` is one without a name.

    Raises:
        InputError: naming those that the campaign does not have; or there are too many.
    """
    names = [name.strip() for name in SEPARATORS.split(text) if name.strip()]
    if len(names) > MOST_NAMES:
        message = f"Nothing was changed: {len(names):,} names, and {MOST_NAMES:,} are taken at once."
        raise InputError(message, hint="Select on the map, or send ids over the API.")
    known = samples.ids_of_names(session, campaign, names)
    unknown = [name for name in names if name not in known]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        message = f"Nothing was changed: the campaign has no design {', '.join(unknown[:5])}{more}."
        raise InputError(message, hint="Write the names as the lists show them, one on each line.")
    return [known[name] for name in names]


def _inject(session: SessionDep, campaign: Campaign, ids: list[int], reason: str, *, actor: str) -> str:
    request = _parsed(InjectionCreate, {"sample_ids": ids, "reason": reason})
    made = injections.make(session, campaign, request, actor=actor)
    return f"{_designs(len(made))} will be in the next round."


def _veto(session: SessionDep, campaign: Campaign, ids: list[int], reason: str, *, actor: str) -> str:
    request = _parsed(VetoesRequest, {"sample_ids": ids, "reason": reason})
    made = vetoes.veto_all(session, campaign.id, request.sample_ids, reason=request.reason, actor=actor)
    return f"{_designs(len(made))} will be in no round until the veto is lifted."


WISHES = {"inject": _inject, "veto": _veto}


def _parsed(schema: type[Model], document: Mapping[str, object]) -> Model:
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        errors = [FieldError(f"/{item['loc'][0]}", item["msg"]) for item in error.errors()]
        hint = "A reason is needed, of 2,000 characters at most."
        raise InputError("Nothing was changed.", hint=hint, errors=errors) from error


def _designs(count: int) -> str:
    return "1 design" if count == 1 else f"{count:,} designs"
