"""The whole backtest: repeats, comparison, verdicts."""

from __future__ import annotations

from worker.acquisition.backtest.problem import BacktestConfig, BacktestData
from worker.acquisition.backtest.report import BacktestReport
from worker.lossval.config import Progress, no_progress


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
    """
    raise NotImplementedError
