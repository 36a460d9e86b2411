"""What `crashscout backtest` computes. torch is imported once options and tables are known to be good."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from worker.commands.acquisition_tables import Sources, costs_of
from worker.commands.backtest_options import BacktestOptions
from worker.lossval.errors import LossValError
from worker.tables import (
    Table,
    check_ignored,
    check_same_features,
    feature_specifications,
    number_target,
    read_table,
    write_whole,
)

if TYPE_CHECKING:
    from worker.acquisition.backtest import BacktestData

Report = Callable[[float, str], None]


def backtest_table(options: BacktestOptions, progress: Report) -> dict[str, Any]:
    """Read, replay, write the report.

    Returns:
        The report as a document.

    Raises:
        InputError: whatever is wrong about options or tables; then nothing is written.
    """
    options.check()
    tables = [read_table(path) for path in (options.data, options.target_domain) if path is not None]
    from worker.acquisition.backtest import run_backtest
    from worker.acquisition.errors import AcquisitionError
    from worker.device import use_threads

    use_threads(options.threads)
    try:
        config = options.config()
        data = _data(options, tables[0], tables[1] if len(tables) > 1 else None)
        document = run_backtest(data, config, progress=progress).to_document()
    except (AcquisitionError, LossValError) as error:
        raise InputError(f"{str(error).rstrip('.')}.") from error
    write_whole(options.output, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())
    return document


def _data(options: BacktestOptions, table: Table, domain: Table | None) -> BacktestData:
    """Labelled rows of both tables; those of DOMAIN, if it has the target, are measured on and never acquired."""
    from worker.acquisition.backtest import BacktestData

    check_ignored(options.ignore, table, *([] if domain is None else [domain]))
    y = number_target(table, options.target)
    names = check_same_features(table, domain or table, besides=options.no_features)
    sources = Sources.of(options.source_column, [table])
    measured = domain if domain is not None and options.target in domain.columns else None
    rows, extra = table.records(names), [] if measured is None else measured.records(names)
    target_rows = None
    if domain is not None:
        target_rows = sources.as_target(domain.records(names), options.target_source)
    if measured is not None:
        y = np.concatenate([y, number_target(measured, options.target, constant=True)])
    wanted = None if options.target_source is None else sources.position(options.target_source, table)
    return BacktestData.from_rows(
        feature_specifications(table, names),
        [*rows, *extra],
        y,
        # What DOMAIN's rows cost and when they were bought plays no part, nor does their source.
        acquisition_cost=_extended(costs_of(table, options.cost_column), len(extra), 1.0),
        source=_extended(sources.index(table), len(extra), 0 if wanted is None else wanted),
        group=_groups(options, table, measured),
        target_rows=target_rows,
        holdout=None if measured is None else np.arange(len(y)) >= len(rows),
        target_source=wanted,
        bought_order=_bought_order(options, table, len(extra)),
    )


def _extended(values: NDArray[Any], extra: int, filler: float) -> NDArray[Any]:
    return np.concatenate([values, np.full(extra, filler, dtype=values.dtype)])


def _groups(options: BacktestOptions, table: Table, measured: Table | None) -> list[Any] | None:
    """Group of each row; rows of DOMAIN without the column are groups of their own."""
    if options.group_column is None:
        return None
    groups: list[Any] = table.complete(options.group_column, ignorable=False).values.tolist()
    if measured is None:
        return groups
    if options.group_column in measured.columns:
        return [*groups, *measured.complete(options.group_column, ignorable=False).values.tolist()]
    return [*groups, *(("row of the target domain", row) for row in range(measured.rows))]


def _bought_order(options: BacktestOptions, table: Table, extra: int) -> NDArray[np.float64] | None:
    """(n,) position in the order of purchase: of numbers by size, of texts such as 2024-05-31 by alphabet."""
    if options.order_column is None:
        return None
    values = table.complete(options.order_column, ignorable=False).values
    positions = np.unique(values, return_inverse=True)[1].astype(np.float64)
    return _extended(positions, extra, 0.0)
