"""Decisions about recommendations: a POST ends in a redirect, or in the same page with what was refused and why.

A refused decision has changed nothing, and nothing that was selected or written is lost: the page comes back with
it, fresh, with the status of the refusal (409 when somebody else was faster).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from service.acquisitions import decisions, outcomes, simulations
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion, Note, Rejection
from service.admin import flash
from service.admin.attempts import sentence
from service.admin.contexts.base import Flash
from service.admin.feature_forms import features_of, typed
from service.admin.formats import money, number
from service.admin.forms import FormDep, FormListsDep, whole_numbers
from service.admin.pages.recommendation import detail
from service.admin.pages.recommendations import View, recommendations_url, table
from service.admin.pages.value_lines import sample_name
from service.admin.rendering import page
from service.campaigns import service as campaigns
from service.database.models import Campaign, Recommendation
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, requires
from service.errors import ConflictError, CrashscoutError, FieldError, ForbiddenError, InputError
from service.lifecycles import RecommendationStatus
from service.vocabulary import Scope

Model = TypeVar("Model", bound=BaseModel)
router = APIRouter(route_class=GuardedRoute)
LONGEST_PAGE_NUMBER = 9
LONGEST_ECHO = 4000  # characters of a refused text that come back; no more than 2,000 are accepted
REFUSALS = (ConflictError, InputError, ForbiddenError)
DECISIONS = {"approve": RecommendationStatus.APPROVED, "reject": RecommendationStatus.REJECTED}


@router.post("/campaigns/{campaign_id:int}/recommendations/decide")
@requires(Scope.APPROVE)
def decide(
    request: Request, campaign: CampaignDep, form: FormListsDep, session: SessionDep, principal: Principal
) -> Response:
    """Approve or reject all that are selected, or none."""
    view = _view(form)
    try:
        text = _decide(session, campaign, form, view, principal.name)
    except REFUSALS as error:
        session.rollback()
        context = table(request, session, campaign, view)
        shown = replace(context, frame=replace(context.frame, flash=Flash("error", sentence(error))))
        return _refused(page(request, shown), error)
    return flash.redirect(_list_url(campaign.id, view), "ok", text)


def _view(form: Mapping[str, list[str]]) -> View:
    status, number_ = form.get("status", [""])[0], form.get("page", ["1"])[0]
    known = RecommendationStatus(status) if status in set(RecommendationStatus) else None
    is_page = number_.isdecimal() and int(number_[:LONGEST_PAGE_NUMBER]) > 0
    return View(
        status=known,
        page_number=int(number_[:LONGEST_PAGE_NUMBER]) if is_page else 1,
        selected=whole_numbers(form.get("ids", [])),
        reason=form.get("reason", [""])[0][:LONGEST_ECHO],
    )


def _decide(
    session: SessionDep, campaign: Campaign, form: Mapping[str, list[str]], view: View, actor: str
) -> str:
    wanted = DECISIONS.get(form.get("decision", [""])[0])
    if wanted is None:
        raise InputError("Nothing was decided: press Approve or Reject.")
    if not view.selected:
        raise InputError("Nothing was selected.", hint="Select the designs in the first column.")
    needs_reason = wanted is RecommendationStatus.REJECTED
    reason = _rejection(view.reason) if needs_reason else _checked(Note, {"reason": view.reason}).reason
    rows = decisions.change_many(session, campaign, view.selected, wanted, actor=actor, reason=reason)
    return _decided(session, rows, wanted)


def _decided(session: SessionDep, rows: Sequence[Recommendation], wanted: RecommendationStatus) -> str:
    """What has just been decided, and what that did to the budget."""
    names = sample_name(rows[0].sample) if len(rows) == 1 else f"{len(rows)} designs"
    if wanted is RecommendationStatus.REJECTED:
        return f"Rejected {names}; a later round may propose {'it' if len(rows) == 1 else 'them'} again."
    currency, cost = rows[0].currency, sum((row.acquisition_cost for row in rows), Decimal(0))
    left = campaigns.remaining_budget(session, campaigns.get(session, rows[0].campaign_id))
    rest = "" if left is None else f", {money(left, currency)} of the budget left"
    return f"Approved {names}: {money(cost, currency)} committed{rest}."


def _list_url(campaign_id: int, view: View) -> str:
    return recommendations_url(campaign_id, view.status.value if view.status else "", view.page_number)


def _refused(response: Response, error: CrashscoutError) -> Response:
    response.status_code = error.status
    return response


@router.post("/recommendations/{recommendation_id:int}/approve")
@requires(Scope.APPROVE)
def approve(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        note = _checked(Note, {"reason": form.get("reason", "")}).reason
        acquisitions.change(session, row.id, RecommendationStatus.APPROVED, actor=principal.name, reason=note)
        session.flush()  # the budget below must see what this commits
        return _decided(session, [row], RecommendationStatus.APPROVED)

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/reject")
@requires(Scope.APPROVE)
def reject(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        reason, rejected = _rejection(form.get("reason", "")), RecommendationStatus.REJECTED
        acquisitions.change(session, row.id, rejected, actor=principal.name, reason=reason)
        return _decided(session, [row], rejected)

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/order")
@requires(Scope.APPROVE)
def order(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        acquisitions.change(session, row.id, RecommendationStatus.ORDERED, actor=principal.name)
        return f"{sample_name(row.sample)} is ordered."

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/simulate")
@requires(Scope.APPROVE)
def simulate(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        simulations.simulate(session, row.id, actor=principal.name)
        return f"A worker will simulate {sample_name(row.sample)}; its result comes back by itself."

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/start")
def start(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        acquisitions.change(session, row.id, RecommendationStatus.RUNNING, actor=principal.name)
        return f"{sample_name(row.sample)} is running."

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/complete")
def complete(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        campaign = campaigns.get(session, row.campaign_id)
        executed = {
            name: value
            for name, value in features_of(campaign, form).items()
            if value != row.sample.planned_features.get(name)
        }
        target = _target(form)
        result = _checked(Completion, {"target": target, "executed_features": executed})
        outcomes.complete(session, row.id, result, actor=principal.name)
        return f"{sample_name(row.sample)} is labelled: {number(target)} {campaign.target['unit']}."

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/fail")
def fail(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        reason = _checked(Rejection, {"reason": form.get("reason", "")}).reason
        acquisitions.change(session, row.id, RecommendationStatus.FAILED, actor=principal.name, reason=reason)
        return f"{sample_name(row.sample)} gave no result; a later round may propose it again."

    return _one(request, session, recommendation_id, form, change)


@router.post("/recommendations/{recommendation_id:int}/abandon")
@requires(Scope.APPROVE)
def abandon(
    request: Request, recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change(row: Recommendation) -> str:
        name = sample_name(row.sample)
        if form.get("confirm") != name:
            raise InputError(f"Nothing was abandoned: type {name} to confirm.")
        reason = _checked(Rejection, {"reason": form.get("reason", "")}).reason
        outcomes.abandon(session, row.id, actor=principal.name, reason=reason)
        return f"{name} is abandoned: it is never proposed again."

    return _one(request, session, recommendation_id, form, change)


def _one(
    request: Request,
    session: SessionDep,
    recommendation_id: int,
    form: Mapping[str, str],
    change: Callable[[Recommendation], str],
) -> Response:
    """Change one recommendation, and go back to its page."""
    try:
        text = change(acquisitions.get_recommendation(session, recommendation_id))
    except REFUSALS as error:
        session.rollback()
        context = detail(
            request,
            session,
            recommendation_id,
            reason=form.get("reason", "")[:LONGEST_ECHO],
            executed=typed(form),
        )
        shown = replace(context, frame=replace(context.frame, flash=Flash("error", sentence(error))))
        return _refused(page(request, shown), error)
    return flash.redirect(f"/recommendations/{recommendation_id}", "ok", text)


def _rejection(reason: str) -> str:
    try:
        return Rejection.model_validate({"reason": reason}).reason
    except ValidationError as error:
        message = "Nothing was rejected: give a reason, of 2,000 characters at most."
        raise InputError(message, hint="It is kept in the history.") from error


def _target(form: Mapping[str, str]) -> float:
    try:
        return float(form.get("target", ""))
    except ValueError as error:
        raise InputError("Nothing was reported: the result must be a number.") from error


def _checked(model: type[Model], document: dict[str, Any]) -> Model:
    """The form's texts as one of the API's own requests.

    Raises:
        InputError: naming what does not fit.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        errors = [FieldError(f"/{item['loc'][-1]}", item["msg"]) for item in error.errors()]
        raise InputError("Nothing was changed.", errors=errors) from error
