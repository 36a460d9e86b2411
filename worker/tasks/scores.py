"""`acquisition.score`: rank posted designs as a round would; question and answer live in the broker alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound
from service.errors import CrashscoutError
from service.scores import repository as scores
from service.settings import get_settings
from worker import process
from worker.acquisition.errors import AcquisitionError
from worker.advice import advice_for
from worker.device import choose_device
from worker.loading import load_snapshot
from worker.lossval.errors import LossValError
from worker.round_rules import grouping_of
from worker.rounds import rank_snapshot
from worker.scores import score_document, with_posted_pool
from worker.storing import load_surrogate

logger = logging.getLogger(__name__)


def acquisition_score(number: int) -> None:
    """Answer a question, once; one that has expired is left alone: nobody waits for it any more."""
    mailbox = process.mailbox()
    question = scores.question(mailbox, number)
    if question is None:
        logger.info("a question for scores has expired: nothing to do")
        return
    try:
        answer = _computed(question)
    except (LossValError, AcquisitionError, CrashscoutError) as error:
        answer = _problem(str(error))
    except Exception as error:
        scores.put_answer(mailbox, number, _problem(f"Unexpected {type(error).__name__} in the worker."))
        raise
    scores.put_answer(mailbox, number, answer)


def _problem(message: str) -> dict[str, Any]:
    return {"problem": {"message": message, "hint": "Mend the cause, then post the designs again."}}


def _computed(question: Mapping[str, Any]) -> dict[str, Any]:
    round_, device = _round(question), choose_device(get_settings().device)
    grouping = grouping_of(round_.configuration)
    with unit_of_work(process.sessions(), frozen=True) as session:
        campaign = campaigns.get(session, round_.campaign_id)
        served, advice = load_surrogate(session, round_), advice_for(session, round_)
        known = load_snapshot(
            session, campaign, seed=round_.seed, encoder=served.surrogate.encoder, grouping=grouping
        )
    designs = question["designs"]
    snapshot, rows = with_posted_pool(known, campaign, designs, served.surrogate.encoder, grouping)
    ranking = rank_snapshot(
        snapshot, campaign, served, round_, strategy=advice.strategy, device=device, progress=_unheard
    )
    return score_document(round_, campaign, snapshot, ranking, designs, rows, served.surrogate)


def _round(question: Mapping[str, Any]) -> AcquisitionRound:
    """The round that this would be; it never enters a session."""
    names = ("campaign_id", "surrogate_id", "backtest_id", "configuration", "seed")
    return AcquisitionRound(**{name: question[name] for name in names})


def _unheard(_share: float, _text: str) -> None:
    """Nobody follows the progress: it takes seconds."""
