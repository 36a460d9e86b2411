"""What is known about whether the advice beats random picks on this campaign's own data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Outcome of a backtest against random picks."""

    BETTER = "better"
    NOT_BETTER = "not_better"
    WORSE = "worse"
    NOT_ENOUGH_DATA = "not_enough_data"


SENTENCES = {
    Verdict.BETTER: "Better than random picks in a backtest on this campaign's own data.",
    Verdict.NOT_BETTER: "Not better than random picks in a backtest on this campaign's own data.",
    Verdict.WORSE: "Worse than random picks in a backtest on this campaign's own data.",
    Verdict.NOT_ENOUGH_DATA: "Not enough data to say whether this strategy beats random picks here.",
}


@dataclass(frozen=True)
class Evidence:
    """A verdict and the sentence that every surface shows with it."""

    verdict: Verdict
    sentence: str


def evidence_without_backtest(labelled: int) -> Evidence:
    """The only honest evidence of a round before a backtest ran; `labelled` is the number of labels."""
    verdict = Verdict.NOT_ENOUGH_DATA
    return Evidence(verdict, f"{SENTENCES[verdict]} No backtest has run on its {labelled} labelled samples.")
