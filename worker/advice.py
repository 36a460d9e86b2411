"""Which strategy a round uses, and what is known about it: the evidence that was frozen when it was requested."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.backtests import service as backtests
from service.backtests.evidence import evidence_from, without_backtest
from service.database.models import AcquisitionRound
from service.vocabulary import Strategy
from worker.acquisition.evidence import Evidence, Verdict

# What `auto` takes while no backtest of the campaign says otherwise: the best one of the benchmark.
PRIOR = Strategy.VARIANCE_REDUCTION


@dataclass(frozen=True)
class Advice:
    """The registered name of the strategy, and the evidence that is stored with the round."""

    strategy: str
    evidence: Evidence


def advice_for(session: Session, round_: AcquisitionRound) -> Advice:
    """By the round's own backtest, not by the newest one: the same round gives the same bytes at any time."""
    wanted = str(round_.configuration["strategy"])
    if round_.backtest_id is None:
        strategy = PRIOR.value if wanted == Strategy.AUTO else wanted
        known = without_backtest(strategy, backtests.labelled_count(session, round_.campaign_id))
    else:
        known = evidence_from(backtests.get(session, round_.backtest_id), wanted)
    return Advice(known.strategy, Evidence(Verdict(known.verdict), known.sentence))
