"""What `crashscout value` computes. torch is imported once options and tables are known to be good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from worker.commands.machine import prepare_device
from worker.commands.value_options import ValueOptions
from worker.commands.value_tables import ValueTables
from worker.lossval.encoding import FeatureEncoder
from worker.lossval.errors import LossValError
from worker.tables import write_table

if TYPE_CHECKING:
    from worker.lossval.config import LossValConfig
    from worker.lossval.methods import ValuationProblem
    from worker.lossval.result import DataValues

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class ValuedTable:
    """What was computed.

    Attributes:
        values: one per row of TRAIN.
        targets: the cells of the target column.
        summary: JSON-able.
    """

    values: DataValues
    targets: list[Any]
    summary: dict[str, Any]

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns of the output."""
        found = self.values
        columns: dict[str, NDArray[Any]] = {
            "row": np.arange(len(found.values)),
            "value": found.values,
            "value_std": found.spread,
            "rank": found.rank,
        }
        parts = {"value_target_loss": found.value_target_loss, "value_transport": found.value_transport}
        return columns | {name: part for name, part in parts.items() if part is not None}

    def least_valuable(self, count: int = 10) -> list[dict[str, Any]]:
        """The last rows by rank, the last first, each as a line of the output with its target."""
        columns = self.columns()
        last = np.argsort(-self.values.rank)[:count].tolist()
        return [
            {name: column[row].item() for name, column in columns.items()} | {"target": self.targets[row]}
            for row in last
        ]


def value_table(options: ValueOptions, progress: Report) -> ValuedTable:
    """Read, value, write the output.

    Raises:
        InputError: whatever is wrong about options, tables or device; then nothing is written.
    """
    options.check()
    tables = ValueTables.read(options)
    try:
        valued = _value(options, tables, progress)
    except LossValError as error:
        raise InputError(f"{str(error).rstrip('.')}.") from error
    write_table(options.output, valued.columns())
    return valued


def _value(options: ValueOptions, tables: ValueTables, progress: Report) -> ValuedTable:
    from worker.lossval.methods import make_method

    device, config = prepare_device(options.device, options.threads), _config(options)
    method = make_method(options.method, config, device)
    progress(0.0, "encoding")
    problem, encoder = _problem(options, tables)
    values = method(problem, seed=options.seed, progress=progress)
    summary = {
        "method": options.method,
        "mode": config.mode if options.uses("mode") else None,
        "task": options.task,
        "target": options.target,
        "classes": list(tables.classes.labels) if tables.classes else None,
        "ensemble": config.members if options.uses("ensemble") else None,
        "epochs": config.epochs if options.uses("epochs") else None,
        "seed": options.seed,
        "device": device,
        "train": str(options.train),
        "validation": str(options.validation),
        "output": str(options.output),
        "rows": tables.train.rows,
        "validation_rows": tables.validation.rows,
        "features": tables.names,
        "encoded_columns": len(encoder.columns),
        "rank_stability": values.rank_stability,
        "notes": [*options.notes(), *tables.notes()],
    }
    return ValuedTable(values, tables.train.column(options.target).values.tolist(), summary)


def _config(options: ValueOptions) -> LossValConfig:
    from worker.lossval.config import LossValConfig

    given = {"mode": options.mode, "members": options.ensemble, "epochs": options.epochs}
    try:
        return LossValConfig(
            task=options.task,  # type: ignore[arg-type]  # checked with the options
            **{name: setting for name, setting in given.items() if setting is not None},  # type: ignore[arg-type]
        )
    except LossValError as error:
        # Its messages begin with the name of the setting.
        raise InputError(f"--{str(error).replace('members', 'ensemble', 1)}.") from error


def _problem(options: ValueOptions, tables: ValueTables) -> tuple[ValuationProblem, FeatureEncoder]:
    from worker.lossval.methods import NEED_VALIDATION_LABELS, ValuationProblem
    from worker.lossval.surrogate import TargetScaling

    y_validation = None
    if options.method in NEED_VALIDATION_LABELS:
        y_validation = tables.y_validation(options.target)
    rows, others = tables.train.records(tables.names), tables.validation.records(tables.names)
    encoder = FeatureEncoder.fit(tables.features, rows)
    y = tables.y
    if tables.classes is None:
        scaling = TargetScaling.fit(y)
        y = scaling.scale(y)
        y_validation = None if y_validation is None else scaling.scale(y_validation)
    problem = ValuationProblem(
        X=encoder.transform(rows),
        y=y,
        X_validation=encoder.transform(others),
        y_validation=y_validation,
        task=options.task,  # type: ignore[arg-type]  # checked with the options
    )
    return problem, encoder
