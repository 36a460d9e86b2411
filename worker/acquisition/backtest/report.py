"""What a backtest answers: JSON-able, and read back from JSON without loss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from worker.acquisition.backtest.problem import AS_BOUGHT
from worker.acquisition.evidence import RANDOM, Verdict, choose_strategy, evidence_of

Interval = tuple[float, float]
VERSION = 1


@dataclass(frozen=True)
class CurvePoint:
    """Where a strategy stands after so many batches; means over the repeats (of the RMSE: the geometric mean).

    Attributes:
        round: batches bought so far; 0 = the initial set.
        labels: labelled rows.
        acquisition_cost: money spent since the start.
        rmse, q95_error, max_error: root mean square, 95 % quantile and maximum of the absolute error on the held-out
            rows, in target units; lower is better.
        rmse_low, rmse_high: 10 and 90 % quantile of the RMSE over the repeats; None in reports from before there were
            any.
    """

    round: int
    labels: float
    acquisition_cost: float
    rmse: float
    q95_error: float
    max_error: float
    rmse_low: float | None = None
    rmse_high: float | None = None


@dataclass(frozen=True)
class Saving:
    """What a strategy saves until it has the error that random picks end with; higher is better.

    Attributes:
        amount: labels or money; negative = random picks reach the strategy's final error with so much less.
        share: of what random picks buy in all; 0.6 = 60 % less.
        interval: of the share, paired bootstrap over the repeats.
    """

    amount: float
    share: float
    interval: Interval


@dataclass(frozen=True)
class StrategyResult:
    """One strategy against random picks.

    Attributes:
        strategy: registered name, or `as_bought`: the order in which the tests were really bought.
        verdict: see `statistics.py`.
        log_ratio: mean over repeats and money of log(RMSE / RMSE of random picks); lower is better, -0.22 is 20 %
            less error. None without figures, as are all others then.
        interval: of `log_ratio` for new data of this kind, corrected for the number of strategies; decides.
        bootstrap_interval: of `log_ratio` for further repeats on these rows: paired bootstrap, not corrected.
        learns: the surrogate predicts better than the mean of its labels; without that nothing is `better`.
        log_ratios: one per repeat.
        labels_saved, money_saved: at equal error.
        curve: initial set and rounds.
    """

    strategy: str
    verdict: Verdict
    log_ratio: float | None = None
    interval: Interval | None = None
    bootstrap_interval: Interval | None = None
    learns: bool = False
    log_ratios: tuple[float, ...] = ()
    labels_saved: Saving | None = None
    money_saved: Saving | None = None
    curve: tuple[CurvePoint, ...] = ()

    @property
    def acquires(self) -> bool:
        """Whether a round can use it: not random picks, not the order of the past."""
        return self.strategy not in {RANDOM, AS_BOUGHT}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        fields = {name: document[name] for name in cls.__dataclass_fields__}
        return cls(
            **fields
            | {
                "verdict": Verdict(document["verdict"]),
                "interval": _pair(document["interval"]),
                "bootstrap_interval": _pair(document["bootstrap_interval"]),
                "log_ratios": tuple(document["log_ratios"]),
                "labels_saved": _saving(document["labels_saved"]),
                "money_saved": _saving(document["money_saved"]),
                "curve": tuple(CurvePoint(**point) for point in document["curve"]),
            }
        )


@dataclass(frozen=True)
class BacktestReport:
    """The answer.

    Attributes:
        strategies: compared strategies in the order of the request, then `as_bought` if the order is known.
        random_curve: of random picks, the comparator.
        reason: why there is not enough data and what is needed; empty if there is enough.
        labelled: labelled rows in all; `holdout_rows`: measured on in each repeat (mean); `groups`: to split by.
        repeats: that were played.
        level: of the intervals.
        configuration: settings as a document.
    """

    strategies: tuple[StrategyResult, ...]
    random_curve: tuple[CurvePoint, ...]
    reason: str
    labelled: int
    holdout_rows: float
    groups: int
    repeats: int
    level: float
    configuration: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """Of the strategy that `auto` takes; `better` if any strategy is, as `auto` then takes such a one."""
        return choose_strategy(self, labelled=self.labelled).verdict

    def result(self, strategy: str) -> StrategyResult | None:
        """Of one strategy, or None if it did not take part."""
        return next((one for one in self.strategies if one.strategy == strategy), None)

    def to_document(self) -> dict[str, Any]:
        """JSON-able, finite numbers only.

        Each strategy carries the `sentence` that surfaces show; `auto` is the evidence for the one that `auto` takes.
        """
        return {
            "version": VERSION,
            "verdict": self.verdict.value,
            "auto": choose_strategy(self, labelled=self.labelled).to_document(),
            "strategies": [self._strategy_document(one) for one in self.strategies],
            "random_curve": [asdict(point) for point in self.random_curve],
            "reason": self.reason,
            "labelled": self.labelled,
            "holdout_rows": self.holdout_rows,
            "groups": self.groups,
            "repeats": self.repeats,
            "level": self.level,
            "configuration": dict(self.configuration),
        }

    def _strategy_document(self, result: StrategyResult) -> dict[str, Any]:
        sentence = evidence_of(self, result.strategy, labelled=self.labelled).sentence
        plain: dict[str, Any] = json.loads(json.dumps(asdict(result), allow_nan=False))  # tuples become lists
        return plain | {"sentence": sentence}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The report that `to_document` described.

        Raises:
            KeyError, TypeError, ValueError: it is none, or of another version.
        """
        if document["version"] != VERSION:
            raise ValueError(f"a backtest report of version {document['version']}; run the backtest again")
        return cls(
            strategies=tuple(StrategyResult.from_document(one) for one in document["strategies"]),
            random_curve=tuple(CurvePoint(**point) for point in document["random_curve"]),
            **{
                name: document[name]
                for name in (
                    "reason",
                    "labelled",
                    "holdout_rows",
                    "groups",
                    "repeats",
                    "level",
                    "configuration",
                )
            },
        )


def _pair(values: Sequence[float] | None) -> Interval | None:
    return None if values is None else (values[0], values[1])


def _saving(document: Mapping[str, Any] | None) -> Saving | None:
    if document is None:
        return None
    low, high = document["interval"]
    return Saving(document["amount"], document["share"], (low, high))
