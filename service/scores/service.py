"""Rules of scores: designs are ranked by a worker as a round would rank them, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from service.acquisitions import service as acquisitions
from service.acquisitions.configuration import check_configuration
from service.acquisitions.schemas import AcquisitionRequest
from service.backtests import service as backtests
from service.database.models import Campaign
from service.errors import ConflictError, FieldError, InputError, NotFoundError, json_pointer
from service.queue.client import QueueClient
from service.queue.mailbox import Mailbox
from service.queue.messages import Message, TaskName
from service.samples.designs import check_designs, read_designs
from service.samples.tables import Row
from service.scores import repository
from service.scores.schemas import MOST_DESIGNS, ScoreSettings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def read_request(
    campaign: Campaign, content: bytes, content_type: str, seed: int
) -> tuple[ScoreSettings, list[Row]]:
    """Settings and rows of a body: JSON holds both, NDJSON and CSV rows only.

    Raises:
        InputError, TooLargeError: if it cannot be read, or has too many rows.
    """
    rows, document = read_designs(campaign, content, content_type, most=MOST_DESIGNS)
    try:
        return ScoreSettings.model_validate({"seed": seed} | document), rows
    except ValidationError as error:
        errors = [
            FieldError(json_pointer(item["loc"]), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InputError("The request does not fit.", errors=errors) from error


def question_of(
    session: Session, campaign: Campaign, settings: ScoreSettings, rows: Sequence[Row]
) -> dict[str, Any]:
    """What a worker needs to know, frozen as a round freezes it.

    Raises:
        ConflictError: if there is no surrogate yet, or no money left.
        InputError: if designs or configuration do not fit the campaign.
    """
    designs = check_designs(campaign, rows)
    request = AcquisitionRequest(
        configuration=settings.configuration,
        seed=settings.seed,
        surrogate_id=settings.surrogate_id,
        dry_run=True,
    )
    surrogate = acquisitions.surrogate_for(session, campaign, settings.surrogate_id)
    check_configuration(session, campaign, settings.configuration)
    backtest = backtests.newest_succeeded(session, campaign.id)
    budget = acquisitions.budget_for(session, campaign, request)
    document = settings.configuration.model_dump(mode="json") | {"budget": budget, "retests": False}
    return {
        "campaign_id": campaign.id,
        "surrogate_id": surrogate.id,
        "backtest_id": backtest.id if backtest else None,
        "configuration": document,
        "seed": settings.seed,
        "designs": [vars(design) for design in designs],
    }


def ask(queue: QueueClient, mailbox: Mailbox, question: Mapping[str, Any], *, principal_id: str) -> str:
    """Hand the question to the workers; its token.

    Raises:
        UnavailableError: if the broker does not answer.
    """
    number = repository.new_number()
    campaign_id = question["campaign_id"]
    repository.put_question(mailbox, number, question, campaign_id=campaign_id, principal_id=principal_id)
    queue.send(Message(TaskName.ACQUISITION_SCORE, number), {"campaign_id": campaign_id})
    return repository.name_of(number)


def require_owner(mailbox: Mailbox, token: str, *, campaign_id: int, principal_id: str) -> None:
    """Scores are seen by who asked for them.

    Raises:
        NotFoundError: if there are none of that token, any more, or for this principal and campaign.
    """
    if not repository.belongs_to(mailbox, token, campaign_id=campaign_id, principal_id=principal_id):
        hint = "They are kept for an hour, and lost with the broker's memory: post the designs again."
        raise NotFoundError(f"There are no scores '{token}'.", hint=hint)


def answer(mailbox: Mailbox, token: str) -> bytes | None:
    """The result as JSON; None while there is none.

    Raises:
        ConflictError: if the worker could not rank the designs.
    """
    found = repository.answer(mailbox, token)
    if found is None:
        return None
    if problem := found.get("problem"):
        raise ConflictError(problem["message"], hint=problem["hint"])
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
