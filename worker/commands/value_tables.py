"""The two tables of `crashscout value`, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.commands.value_options import ValueOptions
from worker.lossval.encoding import FeatureSpec
from worker.tables import (
    Classes,
    Table,
    check_ignored,
    check_same_features,
    feature_specifications,
    number_target,
    read_table,
)


@dataclass(frozen=True)
class ValueTables:
    """Tables with the same features.

    Attributes:
        train: n rows to value.
        validation: m rows that stand for the target domain.
        features: in the order of TRAIN.
        y: (n,) target as it stands in TRAIN, or class indices.
        classes: those of a classification.
    """

    train: Table
    validation: Table
    features: list[FeatureSpec]
    y: NDArray[np.float64]
    classes: Classes | None

    @classmethod
    def read(cls, options: ValueOptions) -> ValueTables:
        """Read both files.

        Raises:
            InputError: a file, column or cell that is not as it must be.
        """
        train, validation = read_table(options.train), read_table(options.validation)
        check_ignored(options.ignore, train, validation)
        classes = Classes.of(train, options.target) if options.task == "classification" else None
        y = classes.indices(train, options.target) if classes else number_target(train, options.target)
        names = check_same_features(train, validation, besides={options.target, *options.ignore})
        return cls(train, validation, feature_specifications(train, names), y, classes)

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    def y_validation(self, target: str) -> NDArray[np.float64]:
        """(m,) target as it stands in VALIDATION, or class indices.

        Raises:
            InputError: no such column, a cell without a value, a class that TRAIN does not have.
        """
        if self.classes:
            return self.classes.indices(self.validation, target)
        return number_target(self.validation, target, constant=True)

    def notes(self) -> Iterator[str]:
        """What is no error, and hardly intended."""
        for feature in self.features:
            column = self.train.column(feature.name).values
            if (column == column[0]).all():
                yield f"Column '{feature.name}' never changes in {self.train.name}: it tells nothing."
            elif feature.kind == "categorical":
                unknown = sorted(set(self.validation.column(feature.name).values) - set(column))
                if unknown:
                    yield (
                        f"Column '{feature.name}' has {len(unknown)} categories in {self.validation.name} that no "
                        f"row of {self.train.name} has, such as '{unknown[0]}': they count as none of the known."
                    )
