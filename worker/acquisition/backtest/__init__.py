"""Would the advice have paid on the tests that are already done? Strategies replayed on labelled samples.

    report = run_backtest(BacktestData.from_rows(...), BacktestConfig(seed=1), progress=...)
    report.to_document()            # JSON-able; BacktestReport.from_document reads it back

`problem` says what goes in, `replay` how one repeat is played, `statistics` what may be concluded, `report` what
comes out, `worker.acquisition.evidence` what every surface says about it.
"""

from worker.acquisition.backtest.problem import BacktestConfig, BacktestData
from worker.acquisition.backtest.report import BacktestReport, CurvePoint, Saving, StrategyResult
from worker.acquisition.backtest.run import run_backtest

__all__ = [
    "BacktestConfig",
    "BacktestData",
    "BacktestReport",
    "CurvePoint",
    "Saving",
    "StrategyResult",
    "run_backtest",
]
