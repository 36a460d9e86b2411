"""Decisions about suspicious tests from the pages: each POST ends in a redirect with a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError

from service.admin.contexts.samples import DecisionForms, DecisionLine
from service.admin.flash import redirect
from service.admin.formats import number, words
from service.admin.forms import FormDep
from service.admin.pages.value_lines import sample_name
from service.admin.pages.wording import target_name
from service.campaigns import service as campaigns
from service.database.models import Campaign, Review, Sample
from service.dependencies import GuardedRoute, Principal, SessionDep
from service.errors import ConflictError, CrashscoutError, FieldError, InputError
from service.reviews import service as reviews
from service.reviews.schemas import Correction, ReviewNote
from service.samples import service as samples
from service.vocabulary import SampleStatus, Split

router = APIRouter(route_class=GuardedRoute)
Model = TypeVar("Model", bound=BaseModel)
QUEUE = "queue"


def forms_of(campaign: Campaign, sample: Sample, *, waits: bool, back: str) -> DecisionForms | None:
    """The decisions that a labelled sample allows; `back` says which page they return to."""
    if sample.status is not SampleStatus.LABELLED:
        return None
    url = f"/samples/{sample.id}/review"
    is_acquired = sample.split is Split.TRAIN and sample.repeats_sample_id is None
    return DecisionForms(
        key=f"sample-{sample.id}",
        name=sample_name(sample),
        target=target_name(campaign),
        present=number(sample.target, 3),
        unit=campaign.target["unit"],
        confirm_url=f"{url}/confirm" if waits else None,
        dismiss_url=f"{url}/dismiss" if waits else None,
        correct_url=f"{url}/correct",
        retest_url=f"{url}/retest" if is_acquired else None,
        back=back,
    )


def decision_line(review: Review, sample: Sample, unit: str) -> DecisionLine:
    return DecisionLine(
        sample_name=sample_name(sample),
        sample_url=f"/campaigns/{sample.campaign_id}/samples/{sample.id}",
        decision=review.decision.value,
        actor=review.actor,
        reason=review.reason,
        target=f"{number(review.evidence['target'])} {unit}",
        created_at=review.created_at,
    )


@router.post("/samples/{sample_id:int}/review/confirm")
def confirm(sample_id: int, form: FormDep, session: SessionDep, principal: Principal) -> RedirectResponse:
    def change(name: str) -> str:
        reviews.confirm(session, sample_id, reason=_parse(ReviewNote, form).reason, actor=principal.name)
        return f"{name}: label confirmed. It is asked about again only when the evidence changes."

    return _attempt(session, sample_id, form, change)


@router.post("/samples/{sample_id:int}/review/dismiss")
def dismiss(sample_id: int, form: FormDep, session: SessionDep, principal: Principal) -> RedirectResponse:
    def change(name: str) -> str:
        reviews.dismiss(session, sample_id, reason=_parse(ReviewNote, form).reason, actor=principal.name)
        return f"{name}: doubt set aside until a later valuation doubts it, too."

    return _attempt(session, sample_id, form, change)


@router.post("/samples/{sample_id:int}/review/correct")
def correct(sample_id: int, form: FormDep, session: SessionDep, principal: Principal) -> RedirectResponse:
    def change(name: str) -> str:
        review = reviews.correct(session, sample_id, _parse(Correction, form), actor=principal.name)
        return f"{name}: label is {number(review.evidence['target'])} now. The next valuation learns from it."

    return _attempt(session, sample_id, form, change)


@router.post("/samples/{sample_id:int}/review/retest")
def retest(sample_id: int, form: FormDep, session: SessionDep, principal: Principal) -> RedirectResponse:
    def change(name: str) -> str:
        reviews.retest(session, sample_id, reason=_parse(ReviewNote, form).reason, actor=principal.name)
        return f"{name}: a repetition is a candidate now; the next round weighs it against new designs."

    return _attempt(session, sample_id, form, change)


def _parse(model: type[Model], form: dict[str, str]) -> Model:
    """The request of the API out of the form's fields."""
    document: dict[str, object] = {"reason": form.get("reason", "")}
    if "target" in model.model_fields:
        document["target"] = _number(form.get("target", ""))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        message = "Nothing was changed: give a reason, of 2,000 characters at most."
        raise InputError(message, hint="It is kept in the history.") from error


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        errors: Sequence[FieldError] = [FieldError("/target", "expects a number")]
        raise InputError("Nothing was changed.", errors=errors) from error


def _attempt(
    session: SessionDep, sample_id: int, form: dict[str, str], change: Callable[[str], str]
) -> RedirectResponse:
    sample = samples.get(session, sample_id)
    campaign = campaigns.get(session, sample.campaign_id)
    base = f"/campaigns/{campaign.id}"
    back = f"{base}/reviews" if form.get("back") == QUEUE else f"{base}/samples/{sample_id}"
    try:
        message = change(sample_name(sample))
    except (ConflictError, InputError) as error:
        session.rollback()
        return redirect(back, "error", _sentence(error))
    return redirect(back, "ok", message)


def _sentence(error: CrashscoutError) -> str:
    details = "; ".join(f"{words(item.pointer.strip('/'))} {item.message}" for item in error.errors)
    return " ".join(part for part in (error.message, details, error.hint) if part)
