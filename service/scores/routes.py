"""REST: scores of posted designs."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.campaigns import service as campaigns
from service.dependencies import Principal, RawBody, RawBodyDep, SessionDep, is_in_transaction, session_of
from service.design_bodies import design_body
from service.problems import responses
from service.queue.client import QueueClient
from service.queue.mailbox import Mailbox
from service.routing import NounRouter
from service.scores import service
from service.scores.schemas import ScoreResult, ScoreWaiting

router = NounRouter(tags=["scores"])
RETRY_AFTER_S = 1
LONGEST_WAIT_S = 20.0
POLL_S = 0.1
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ScoreResult},
    202: {"model": ScoreWaiting, "description": "Not ranked yet: ask again at `Location`."},
}


def _mailbox(request: Request) -> Mailbox:
    mailbox: Mailbox = request.app.state.mailbox
    return mailbox


MailboxDep = Annotated[Mailbox, Depends(_mailbox)]
WaitQuery = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT_S, description="Longest wait for the answer, seconds.")
]


async def _asked(
    request: Request,
    campaign_id: int,
    principal: Principal,
    mailbox: MailboxDep,
    body: RawBodyDep,
    seed: Annotated[int, Query(ge=0, lt=2**32, description="Of NDJSON and CSV bodies.")] = 0,
) -> str:
    """Check the designs and hand them to the workers; the address of the answer."""
    async with session_of(request, principal) as session:
        question = await run_in_threadpool(_question, session, campaign_id, body, seed)
    queue: QueueClient = request.app.state.queue
    token = await run_in_threadpool(service.ask, queue, mailbox, question, principal_id=principal.id)
    return f"/api/v1/campaigns/{campaign_id}/scores/{token}"


def _question(session: SessionDep, campaign_id: int, body: RawBody, seed: int) -> dict[str, Any]:
    campaign = campaigns.get(session, campaign_id)
    settings, rows = service.read_request(campaign, body.content, body.content_type, seed)
    return service.question_of(session, campaign, settings, rows)


@router.post(
    "/campaigns/{campaign_id}/scores",
    responses=_ANSWERS | responses(404, 409, 413, 422),
    openapi_extra=design_body("ScoreRequest"),
    response_model=None,
)
async def score_designs(
    request: Request, location: Annotated[str, Depends(_asked)], mailbox: MailboxDep, wait_s: WaitQuery = 10.0
) -> Response:
    """Rank posted designs as a round would, and store nothing.

    A worker ranks them against the campaign's labelled data, target domain and newest surrogate. One that is busy
    answers later: 202 with `Location`. Scores are kept for an hour, for who asked, and are lost with the broker.
    With an `Idempotency-Key` the answer is always 202 at once: a transaction is open until it is given.
    """
    return await _answer(mailbox, location, 0.0 if is_in_transaction(request) else wait_s)


@router.get(
    "/campaigns/{campaign_id}/scores/{token}", responses=_ANSWERS | responses(404, 409), response_model=None
)
async def read_scores(
    token: str,
    campaign_id: int,
    request: Request,
    principal: Principal,
    mailbox: MailboxDep,
    wait_s: WaitQuery = 0.0,
) -> Response:
    """The answer to posted designs, or 202 while it is not there."""
    async with session_of(request, principal) as session:
        await run_in_threadpool(campaigns.get, session, campaign_id)
    await run_in_threadpool(
        service.require_owner, mailbox, token, campaign_id=campaign_id, principal_id=principal.id
    )
    return await _answer(mailbox, f"/api/v1/campaigns/{campaign_id}/scores/{token}", wait_s)


async def _answer(mailbox: Mailbox, location: str, wait_s: float) -> Response:
    """Look until the answer is there or the time is up; between two looks nothing is held."""
    token, end = location.rpartition("/")[2], time.monotonic() + wait_s
    while (found := await run_in_threadpool(service.answer, mailbox, token)) is None:
        if time.monotonic() >= end:
            headers = {"Location": location, "Retry-After": str(RETRY_AFTER_S)}
            waiting = ScoreWaiting(location=location).model_dump_json()
            return Response(waiting, 202, headers, media_type="application/json")
        await asyncio.sleep(POLL_S)
    return Response(found, media_type="application/json")
