"""The options of `crashscout rank`, and what can be said about them before a table is read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import InputError
from worker.commands.machine import check_seed_and_threads
from worker.tables import check_destination

if TYPE_CHECKING:
    from worker.acquisition.backtest import BacktestReport


@dataclass(frozen=True, kw_only=True)
class RankOptions:
    """What the user asked for; options that are None are not used or chosen by the method."""

    labelled: Path
    pool: Path
    output: Path
    target: str
    target_domain: Path | None = None
    batch_size: int = 20
    strategy: str = "auto"
    evidence: Path | None = None
    cost_column: str | None = None
    currency: str = "USD"
    budget: float | None = None
    cost_exponent: float = 0.5
    source_column: str | None = None
    source_budgets: tuple[str, ...] = ()
    target_source: str | None = None
    control_fraction: float = 0.0
    epochs: int | None = None
    ensemble: int | None = None
    seed: int = 0
    ignore: tuple[str, ...] = ()
    device: str = "auto"
    threads: int = 1

    def check(self) -> None:
        """Refuse at once what no table can make right.

        Raises:
            InputError: an option outside its range, or an output that could not be written.
        """
        check_seed_and_threads(self.seed, self.threads)
        for option in ("target", "source_column"):
            if getattr(self, option) in self.ignore:
                column = getattr(self, option)
                raise InputError(f"--ignore names the {option} '{column}'.", hint="Name other columns.")
        if self.source_column is None and (self.source_budgets or self.target_source):
            raise InputError(
                "--source-budget and --target-source need --source-column.",
                hint="Name the column that says which source a row is.",
            )
        self.pots()
        check_destination(self.output, self.inputs)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read."""
        given = (self.labelled, self.pool, self.target_domain, self.evidence)
        return tuple(path for path in given if path is not None)

    @property
    def no_features(self) -> set[str]:
        """Columns that are no features."""
        return {self.target, *self.ignore, *([self.cost_column] if self.cost_column else [])}

    def pots(self) -> dict[str, float]:
        """Money by source name.

        Raises:
            InputError: a budget that does not read SOURCE=MONEY.
        """
        return dict(_pot(text) for text in self.source_budgets)

    def read_evidence(self) -> BacktestReport | None:
        """The report of a backtest, if one is given.

        Raises:
            InputError: the file is no report.
        """
        from worker.acquisition.backtest import BacktestReport

        if self.evidence is None:
            return None
        try:
            return BacktestReport.from_document(json.loads(self.evidence.read_bytes()))
        except OSError as error:
            raise InputError(
                f"{self.evidence} cannot be read: {error.strerror}.", hint="Check the path."
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            hint = "Give the output of `crashscout backtest`."
            raise InputError(f"{self.evidence} is no report of a backtest.", hint=hint) from error


def _pot(text: str) -> tuple[str, float]:
    name, _, money = text.rpartition("=")
    try:
        amount = float(money)
    except ValueError:
        amount = math.nan
    if not name or not math.isfinite(amount) or amount < 0:
        raise InputError(f"--source-budget {text} is no budget.", hint="Write it as SOURCE=MONEY.")
    return name, amount
