"""The whole backtest: repeats, comparison, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from worker.acquisition.backtest.problem import AS_BOUGHT, BacktestConfig, BacktestData
from worker.acquisition.backtest.replay import Contestant, play_repeat
from worker.acquisition.backtest.report import BacktestReport, CurvePoint, Interval, StrategyResult
from worker.acquisition.backtest.splits import Split, draw_split, shortage
from worker.acquisition.backtest.statistics import (
    Curves,
    bootstrap_interval,
    corrected_interval,
    log_ratios,
    resamples,
    row_variance,
    saving,
    verdict_of,
)
from worker.acquisition.evidence import RANDOM, Verdict
from worker.acquisition.problem import FloatArray
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
    comparison = _Comparison(data, config, splits, played)
    results = [comparison.result(name) for name in _compared(data, config)]
    progress(1.0, "done")
    return _report(data, config, splits, results, random_curve=comparison.random.points())


def _compared(data: BacktestData, config: BacktestConfig) -> tuple[str, ...]:
    return config.compared if data.bought_order is None else (*config.compared, AS_BOUGHT)


def _part(progress: Progress, repeat: int, repeats: int) -> Callable[[float], None]:
    def report(share: float) -> None:
        progress((repeat + share) / repeats, f"repeat {repeat + 1} of {repeats}")

    return report


class _Comparison:
    """All repeats, strategy by strategy, against random picks."""

    def __init__(
        self,
        data: BacktestData,
        config: BacktestConfig,
        splits: Sequence[Split],
        played: Sequence[Sequence[Contestant]],
    ) -> None:
        self._config, self._strategies = config, len(_compared(data, config))
        self._groups = [data.groups[split.holdout] for split in splits]
        # The contestants of all repeats stand in the same order.
        self._repeats = [(repeats[0].name, repeats) for repeats in zip(*played, strict=True)]
        self._random = [repeats for name, repeats in self._repeats if name == RANDOM]
        self._random_curves = [Curves.of([one.course for one in repeats]) for repeats in self._random]
        self.random = Curves.mean(self._random_curves)
        self._draws = resamples(config.repeats, np.random.default_rng([config.seed, _RESAMPLES]))

    def result(self, name: str) -> StrategyResult:
        repeats, level = dict(self._repeats)[name], self._config.level
        curves = Curves.of([one.course for one in repeats])
        ratios = np.mean([log_ratios(curves, draw) for draw in self._random_curves], axis=0)
        interval = self._interval(ratios, _errors(repeats), self._random_errors())
        to_mean = (curves.log_rmse - curves.log_mean_rmse)[:, 1:].mean(axis=1)
        learns = self._interval(to_mean, _errors(repeats), _errors(repeats, of_mean=True))[1] < 0.0
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

    def _random_errors(self) -> list[FloatArray]:
        """Per repeat (draws * rounds, h): every random contestant counts alike."""
        by_draw = [_errors(repeats) for repeats in self._random]
        return [np.concatenate(errors) for errors in zip(*by_draw, strict=True)]

    def _interval(
        self, ratios: FloatArray, errors: Sequence[FloatArray], others: Sequence[FloatArray]
    ) -> Interval:
        return corrected_interval(
            ratios,
            level=self._config.level,
            strategies=self._strategies,
            row_variance=row_variance(errors, others, self._groups),
        )


def _errors(repeats: Sequence[Contestant], *, of_mean: bool = False) -> list[FloatArray]:
    """Per repeat (rounds, h) squared errors after each batch."""
    return [np.stack(one.squared_errors[1:])[:, int(of_mean)] for one in repeats]


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
