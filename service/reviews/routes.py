"""REST: suspicious tests and what is decided about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from service.dependencies import CampaignDep, PageDep, Principal, SessionDep
from service.pagination import LARGEST_PAGE, Page, encode_cursor
from service.problems import responses
from service.reviews import service
from service.reviews.schemas import Correction, ReviewNote, ReviewQueue, ReviewRead
from service.reviews.suspects import waiting
from service.routing import NounRouter

router = NounRouter(tags=["reviews"])


@router.get("/campaigns/{campaign_id}/review-queue", responses=responses(404))
def read_review_queue(
    campaign: CampaignDep,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
) -> ReviewQueue:
    """Suspicious tests of the newest valuation run that wait for a decision, worst first."""
    found = waiting(session, campaign)
    return ReviewQueue(total=len(found), items=[service.read_suspect(suspect) for suspect in found[:limit]])


@router.get("/campaigns/{campaign_id}/reviews", responses=responses(400, 404))
def list_reviews(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[ReviewRead]:
    """Decisions about suspicious tests, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [ReviewRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.post("/samples/{sample_id}:confirm-label", responses=responses(404, 409, 422))
def confirm_label(sample_id: int, note: ReviewNote, session: SessionDep, principal: Principal) -> ReviewRead:
    """The label is right: the sample stays, and is not asked about again until the evidence changes."""
    review = service.confirm(session, sample_id, reason=note.reason, actor=principal.name)
    return ReviewRead.model_validate(review)


@router.post("/samples/{sample_id}:dismiss-doubt", responses=responses(404, 409, 422))
def dismiss_doubt(sample_id: int, note: ReviewNote, session: SessionDep, principal: Principal) -> ReviewRead:
    """Set the doubt aside; a later valuation run that doubts the sample asks again."""
    review = service.dismiss(session, sample_id, reason=note.reason, actor=principal.name)
    return ReviewRead.model_validate(review)


@router.post("/samples/{sample_id}:correct-label", responses=responses(404, 409, 422))
def correct_label(
    sample_id: int, correction: Correction, session: SessionDep, principal: Principal
) -> ReviewRead:
    """Give the sample another label; the present one stays in its label changes."""
    return ReviewRead.model_validate(service.correct(session, sample_id, correction, actor=principal.name))


@router.post("/samples/{sample_id}:retest", responses=responses(404, 409, 422))
def retest_sample(sample_id: int, note: ReviewNote, session: SessionDep, principal: Principal) -> ReviewRead:
    """Make a repetition of the test a candidate, which competes with new designs in the next round."""
    review = service.retest(session, sample_id, reason=note.reason, actor=principal.name)
    return ReviewRead.model_validate(review)
