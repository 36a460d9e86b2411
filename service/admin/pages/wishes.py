"""`/campaigns/{id}/recommendations/wishes`: designs for the next round, and designs for none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from service.admin import flash
from service.admin.attempts import sentence
from service.admin.contexts.base import Flash
from service.admin.contexts.wishes import SourceChoice, WishesContext, WishLine
from service.admin.feature_forms import feature_inputs, features_of, typed
from service.admin.forms import FormDep
from service.admin.pages.recommendation_lines import key_features
from service.admin.pages.value_lines import sample_name
from service.admin.rendering import frame, page
from service.database.models import Campaign, Wish
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep
from service.errors import ConflictError, FieldError, ForbiddenError, InputError
from service.samples import service as samples
from service.samples.schemas import SampleCreate
from service.vocabulary import WishKind
from service.wishes import service as wishes
from service.wishes.schemas import WishCreate

router = APIRouter(route_class=GuardedRoute)
MOST_NAMES = 1000
SEPARATORS = re.compile(r"[\n,;]+")
REFUSALS = (ConflictError, InputError, ForbiddenError)
LONGEST_ECHO = 4000


def wishes_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/recommendations/wishes"


@router.get("/campaigns/{campaign_id:int}/recommendations/wishes")
def show_wishes(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    return page(request, _context(request, session, campaign, {}))


def _context(
    request: Request, session: SessionDep, campaign: Campaign, form: Mapping[str, str]
) -> WishesContext:
    found = [_line(wish, campaign) for wish in wishes.standing(session, campaign)]
    injected = [line for line in found if line.kind is WishKind.INJECT]
    return WishesContext(
        frame=frame(request, "Inject and veto", section="recommendations", campaign=campaign),
        injected=injected,
        vetoed=[line for line in found if line.kind is WishKind.VETO],
        injected_cost=sum((line.cost for line in injected), Decimal(0)),
        currency=campaign.currency,
        sources=[SourceChoice(source.name, source.acquisition_cost) for source in campaign.sources],
        features=feature_inputs(campaign, typed(form)),
        typed={
            name: form.get(name, "")[:LONGEST_ECHO]
            for name in ("names", "reason", "kind", "external_id", "source", "new_reason")
        },
    )


def _line(wish: Wish, campaign: Campaign) -> WishLine:
    return WishLine(
        id=wish.id,
        name=sample_name(wish.sample),
        kind=wish.kind,
        source=wish.sample.source.name,
        cost=wish.sample.source.acquisition_cost,
        features=key_features(wish.sample, campaign),
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
        ids = [int(text) for text in SEPARATORS.split(form.get("sample_ids", "")) if text.strip().isdecimal()]
        ids += _named(session, campaign, form.get("names", ""))
        document = {"kind": form.get("kind"), "sample_ids": ids, "reason": form.get("reason", "")}
        made = wishes.make(session, campaign, _parsed(document), actor=principal.name)
        return _made(made[0].kind, len(made))

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
        document = {"kind": "inject", "sample_ids": [sample.id], "reason": form.get("new_reason", "")}
        wishes.make(session, campaign, _parsed(document), actor=principal.name)
        return f"{sample_name(sample)} is a candidate now. {_made(WishKind.INJECT, 1)}"

    return _attempt(request, session, campaign, form, change)


@router.post("/wishes/{wish_id:int}/withdraw")
def withdraw_wish(request: Request, wish_id: int, session: SessionDep, principal: Principal) -> Response:
    campaign = wishes.campaign_of(session, wish_id)

    def change() -> str:
        wishes.withdraw(session, wish_id, actor=principal.name)
        return "Withdrawn: the rounds to come choose freely again."

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


def _parsed(document: Mapping[str, object]) -> WishCreate:
    if not document["sample_ids"]:
        raise InputError("Nothing was changed: name at least one design.")
    try:
        return WishCreate.model_validate(document)
    except ValidationError as error:
        errors = [FieldError(f"/{item['loc'][0]}", item["msg"]) for item in error.errors()]
        hint = "A reason is needed, of 2,000 characters at most."
        raise InputError("Nothing was changed.", hint=hint, errors=errors) from error


def _made(kind: WishKind, count: int) -> str:
    what = "1 design" if count == 1 else f"{count} designs"
    if kind is WishKind.INJECT:
        return f"{what} will be in the next round."
    return f"{what} will be in no round until the veto is withdrawn."
