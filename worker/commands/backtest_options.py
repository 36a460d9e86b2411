"""The options of `crashscout backtest`, and what can be said about them before a table is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import InputError
from worker.commands.machine import check_seed_and_threads
from worker.tables import check_place

if TYPE_CHECKING:
    from worker.acquisition.backtest import BacktestConfig


@dataclass(frozen=True, kw_only=True)
class BacktestOptions:
    """What the user asked for; options that are None are not used."""

    data: Path
    target: str
    output: Path
    target_domain: Path | None = None
    strategies: str | None = None
    initial: int = 50
    batch_size: int = 10
    rounds: int = 5
    repeats: int = 10
    holdout_fraction: float = 0.2
    group_column: str | None = None
    order_column: str | None = None
    cost_column: str | None = None
    budget: float | None = None
    cost_exponent: float = 0.5
    source_column: str | None = None
    target_source: str | None = None
    label_precision: str = "lossval"
    ensemble: int | None = None
    seed: int = 0
    ignore: tuple[str, ...] = ()
    threads: int = 1

    def check(self) -> None:
        """Refuse at once what no table can make right.

        Raises:
            InputError: an option outside its range, or an output that could not be written.
        """
        check_seed_and_threads(self.seed, self.threads)
        if self.target in self.ignore:
            raise InputError(f"--ignore names the target '{self.target}'.", hint="Name other columns.")
        if self.target_source is not None and self.source_column is None:
            hint = "Name the column that says which source a row is."
            raise InputError("--target-source needs --source-column.", hint=hint)
        if self.output.suffix != ".json":
            raise InputError(f"{self.output}: a report is JSON.", hint="Let its name end in .json.")
        check_place(self.output, [path for path in (self.data, self.target_domain) if path])

    @property
    def no_features(self) -> set[str]:
        """Columns that are no features; the source stays one."""
        columns = (self.target, self.cost_column, self.group_column, self.order_column, *self.ignore)
        return {name for name in columns if name is not None}

    def config(self) -> BacktestConfig:
        """As the algorithm takes it.

        Raises:
            AcquisitionError: a setting out of range, an unknown strategy.
        """
        from worker.acquisition.backtest import BacktestConfig

        given: dict[str, Any] = {} if self.ensemble is None else {"members": self.ensemble}
        if self.strategies is not None:
            given["strategies"] = tuple(name.strip() for name in self.strategies.split(",") if name.strip())
        return BacktestConfig(
            initial=self.initial,
            batch_size=self.batch_size,
            rounds=self.rounds,
            repeats=self.repeats,
            seed=self.seed,
            holdout_fraction=self.holdout_fraction,
            budget=self.budget,
            cost_exponent=self.cost_exponent,
            label_precision=self.label_precision,  # type: ignore[arg-type]  # the configuration checks it
            **given,
        )
