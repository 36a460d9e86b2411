"""What is known about whether the advice beats random picks on this campaign's own data, and what `auto` does.

`auto` follows the evidence: the strategy of the lowest error among those that a backtest found better than random
picks. Where that says nothing (no backtest, too few rows, nothing better), it takes `DEFAULT_PRIOR`, the best of the
benchmark over several data sets, and says so; it never takes a strategy that the backtest found worse.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.acquisition.backtest.report import BacktestReport, StrategyResult

RANDOM = "random"
# The strategy of choice until a campaign's own data say otherwise.
DEFAULT_PRIOR = "variance_reduction"
# Log error ratios that differ by less are a tie, which the prior wins: 2 % of the error is less than a backtest of
# ten repeats can tell.
TIE = 0.02


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
    """A verdict and the sentence that every surface shows with it.

    Attributes:
        verdict: against random picks.
        sentence: plain English with the figures.
        strategy: registered name that it is about.
        log_ratio: mean log(RMSE / RMSE of random picks) in the backtest, lower is better; None without figures.
        interval: of that log ratio, (lower, upper).
        repeats: of the backtest; 0 without one.
        labelled: rows that the backtest, or without one the round, could learn from.
    """

    verdict: Verdict
    sentence: str
    strategy: str = DEFAULT_PRIOR
    log_ratio: float | None = None
    interval: tuple[float, float] | None = None
    repeats: int = 0
    labelled: int = 0

    def to_document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {
            "verdict": self.verdict.value,
            "interval": None if self.interval is None else list(self.interval),
        }


def evidence_without_backtest(labelled: int, strategy: str = DEFAULT_PRIOR) -> Evidence:
    """The only honest evidence of a round before a backtest ran; `labelled` is the number of labels."""
    verdict = Verdict.NOT_ENOUGH_DATA
    sentence = f"{SENTENCES[verdict]} No backtest has run on its {labelled} labelled samples."
    return Evidence(verdict, sentence, strategy, labelled=labelled)


def evidence_of(report: BacktestReport | None, strategy: str, *, labelled: int) -> Evidence:
    """What the newest backtest says about one strategy.

    Args:
        report: of the newest backtest, or None.
        strategy: registered name, or `as_bought`.
        labelled: labels of the round, for the sentence without a backtest.
    """
    if strategy == RANDOM:
        return Evidence(Verdict.NOT_BETTER, "Random picks: what all strategies are compared with.", RANDOM)
    if report is None:
        return evidence_without_backtest(labelled, strategy)
    result = report.result(strategy)
    if result is None:
        verdict = Verdict.NOT_ENOUGH_DATA
        sentence = f"{SENTENCES[verdict]} The backtest did not compare {_words(strategy)}."
        return Evidence(verdict, sentence, strategy, repeats=report.repeats, labelled=report.labelled)
    return Evidence(
        result.verdict,
        _sentence(report, result),
        strategy,
        result.log_ratio,
        result.interval,
        report.repeats,
        report.labelled,
    )


def choose_strategy(report: BacktestReport | None, *, labelled: int, prior: str = DEFAULT_PRIOR) -> Evidence:
    """The strategy that `auto` takes, with its evidence; its sentence ends with the reason of the choice.

    Args:
        report: of the campaign's newest backtest, or None.
        labelled: labels of the round.
        prior: strategy of choice while the evidence says nothing.
    """
    name, why = _choice(report, prior)
    evidence = evidence_of(report, name, labelled=labelled)
    return Evidence(**vars(evidence) | {"sentence": f"{evidence.sentence} {why}"})


def _choice(report: BacktestReport | None, prior: str) -> tuple[str, str]:
    """Name and reason."""
    results = [] if report is None else [one for one in report.strategies if one.acquires]
    better = {one.strategy: one.log_ratio for one in results if one.verdict is Verdict.BETTER}
    ratios = {name: ratio for name, ratio in better.items() if ratio is not None}
    if ratios:
        best = min(ratios, key=lambda name: (ratios[name], name))
        if prior in ratios and ratios[prior] <= ratios[best] + TIE:
            best = prior
        return best, f"The strategy auto takes {_words(best)}, the best of the backtest."
    if not any(one.strategy == prior and one.verdict is Verdict.WORSE for one in results):
        until = "the best on other data, until a backtest here finds a better one"
        return prior, f"The strategy auto takes {_words(prior)}, {until}."
    found = f"the backtest found {_words(prior)} worse and no strategy better"
    return RANDOM, f"The strategy auto takes random picks: {found}."


def _words(strategy: str) -> str:
    """`variance_reduction` as two words."""
    return strategy.replace("_", " ")


def _signed(percent: float) -> str:
    """Rounded, with its sign, a real minus."""
    return f"{percent:+.0f}".replace("-", "−")


def _sentence(report: BacktestReport, result: StrategyResult) -> str:
    base = SENTENCES[result.verdict]
    if result.log_ratio is None or result.interval is None:
        return f"{base} {report.reason}".strip()
    change, *ends = (100 * math.expm1(ratio) for ratio in (result.log_ratio, *result.interval))
    interval = f"{100 * report.level:.0f} % interval {_signed(ends[0])} % to {_signed(ends[1])} %"
    basis = f"{report.repeats} repeats on {report.labelled} labelled samples"
    against = f"RMSE {_signed(change)} % against random picks ({interval}, {basis})"
    figures = f"With {_words(result.strategy)}: {against}."
    untaught = (
        "" if result.learns else " The surrogate does not predict better than the mean of the labels yet."
    )
    return f"{base} {figures}{untaught}"
