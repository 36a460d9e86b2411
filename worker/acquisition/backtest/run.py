"""The whole backtest: repeats, comparison, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from worker.acquisition.backtest.problem import AS_BOUGHT, RANDOM, BacktestConfig, BacktestData
from worker.acquisition.backtest.replay import Contestant, play_repeat
from worker.acquisition.backtest.report import BacktestReport, CurvePoint, StrategyResult
from worker.acquisition.backtest.splits import Split, draw_split, shortage
from worker.acquisition.backtest.statistics import (
    Curves,
    bootstrap_interval,
    corrected_interval,
    log_ratios,
    resamples,
    saving,
    verdict_of,
)
from worker.acquisition.evidence import Verdict
from worker.lossval.config import Progress, no_progress

_SPLITS, _RESAMPLES = 0, 1


def run_backtest(
    data: BacktestData, config: BacktestConfig | None = None, *, progress: Progress = no_progress
) -> BacktestReport:
    """Replay strategies on labelled rows and compare them with random picks.

    Args:
        data: labelled rows.
        config: what is compared and how.
        progress: called with the finished share and a message; what it raises ends the backtest and passes through.

    Returns:
        The report. Same data, configuration and machine give the same bytes. With too few rows no figure is made:
        every verdict is `not_enough_data` and `reason` says what is needed.

    Raises:
        AcquisitionError, LossValError: the message names the remedy.

    Cost: repeats times that of `play_repeat`. 240 rows, defaults: two to three minutes on one core.
    """
    config = config or BacktestConfig()
    splits = [
        draw_split(data, config, np.random.default_rng([config.seed, repeat, _SPLITS]))
        for repeat in range(config.repeats)
    ]
    missing = shortage(data, config, splits)
    if missing:
        unknown = [StrategyResult(name, Verdict.NOT_ENOUGH_DATA) for name in _compared(data, config)]
        return _report(data, config, splits, unknown, reason=missing)
    played = []
    for repeat, split in enumerate(splits):
        report = _part(progress, repeat, config.repeats)
        report(0.0)
        played.append(play_repeat(data, config, split, repeat, report))
    comparison = _Comparison(config, played, _holdout_share(splits), len(_compared(data, config)))
    results = [comparison.result(name) for name in _compared(data, config)]
    progress(1.0, "done")
    return _report(data, config, splits, results, random_curve=comparison.random.points())


def _compared(data: BacktestData, config: BacktestConfig) -> tuple[str, ...]:
    return config.compared if data.bought_order is None else (*config.compared, AS_BOUGHT)


def _part(progress: Progress, repeat: int, repeats: int) -> Callable[[float], None]:
    def report(share: float) -> None:
        progress((repeat + share) / repeats, f"repeat {repeat + 1} of {repeats}")

    return report


def _holdout_share(splits: Sequence[Split]) -> float:
    """Held-out rows over trainable rows."""
    trainable = sum(len(split.initial) + len(split.pool) for split in splits)
    return sum(len(split.holdout) for split in splits) / trainable


class _Comparison:
    """All repeats, strategy by strategy, against random picks."""

    def __init__(
        self,
        config: BacktestConfig,
        played: Sequence[Sequence[Contestant]],
        holdout_share: float,
        strategies: int,
    ) -> None:
        self._config, self._holdout_share, self._strategies = config, holdout_share, strategies
        # The contestants of all repeats stand in the same order.
        by_contestant = list(zip(*played, strict=True))
        self._curves = [
            (repeats[0].name, Curves.of([one.course for one in repeats])) for repeats in by_contestant
        ]
        self._random_draws = [curves for name, curves in self._curves if name == RANDOM]
        self.random = Curves.mean(self._random_draws)
        self._draws = resamples(config.repeats, np.random.default_rng([config.seed, _RESAMPLES]))

    def result(self, name: str) -> StrategyResult:
        curves, level = dict(self._curves)[name], self._config.level
        ratios = np.mean([log_ratios(curves, draw) for draw in self._random_draws], axis=0)
        interval = self._interval(ratios)
        to_mean = (curves.log_rmse - curves.log_mean_rmse)[:, 1:].mean(axis=1)
        learns = self._interval(to_mean)[1] < 0.0
        return StrategyResult(
            strategy=name,
            verdict=verdict_of(interval, learns=learns),
            log_ratio=float(ratios.mean()),
            interval=interval,
            bootstrap_interval=bootstrap_interval(ratios, self._draws, level),
            learns=learns,
            log_ratios=tuple(ratios.tolist()),
            labels_saved=saving(curves, self.random, "labels", self._draws, level),
            money_saved=saving(curves, self.random, "money", self._draws, level),
            curve=curves.points(),
        )

    def _interval(self, ratios: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
        return corrected_interval(
            ratios,
            level=self._config.level,
            strategies=self._strategies,
            holdout_share=self._holdout_share,
        )


def _report(
    data: BacktestData,
    config: BacktestConfig,
    splits: Sequence[Split],
    results: Sequence[StrategyResult],
    *,
    reason: str = "",
    random_curve: tuple[CurvePoint, ...] = (),
) -> BacktestReport:
    return BacktestReport(
        strategies=tuple(results),
        random_curve=random_curve,
        reason=reason,
        labelled=data.rows,
        holdout_rows=float(np.mean([len(split.holdout) for split in splits])),
        groups=len(np.unique(data.groups)),
        repeats=0 if reason else config.repeats,
        level=config.level,
        configuration=asdict(config) | {"strategies": list(config.strategies), "hidden": list(config.hidden)},
    )
