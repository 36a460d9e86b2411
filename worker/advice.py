"""Which strategy a round uses, and what is known about it: the evidence that was frozen when it was requested."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.backtests import service as backtests
from service.backtests.evidence import evidence_from, without_backtest
from service.database.models import AcquisitionRound
from service.vocabulary import Strategy
from worker.acquisition.evidence import DEFAULT_PRIOR, Evidence, Verdict


@dataclass(frozen=True)
class Advice:
    """The registered name of the strategy, and the evidence that is stored with the round."""

    strategy: str
    evidence: Evidence


def advice_for(session: Session, round_: AcquisitionRound) -> Advice:
    """By the round's own backtest, not by the newest one: the same round gives the same bytes at any time."""
    wanted = str(round_.configuration["strategy"])
    if round_.backtest_id is None:
        strategy = DEFAULT_PRIOR if wanted == Strategy.AUTO else wanted
        known = without_backtest(strategy, backtests.labelled_count(session, round_.campaign_id))
    else:
        known = evidence_from(backtests.get(session, round_.backtest_id), wanted)
    evidence = Evidence(
        Verdict(known.verdict), known.sentence, known.strategy, known.log_ratio, known.interval
    )
    return Advice(known.strategy, evidence)
