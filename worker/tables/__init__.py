"""Tables for the commands that need no server: CSV or Parquet in, checked columns, CSV or Parquet out.

A column is a number, a boolean or a text column. Parquet says which; in CSV it is a number (boolean) column if
every cell that is not missing is a number (`true` or `false`). A CSV column that mixes numbers and texts is
refused when it is used, because reading it as categories would hide one mistyped number among thousands.
Reading tolerates missing values, `Table.complete` and what builds on it does not.
"""

from worker.tables.checks import (
    Classes,
    check_ignored,
    check_same_features,
    feature_specifications,
    number_target,
)
from worker.tables.model import Column, Table, did_you_mean
from worker.tables.reading import read_table, table_format
from worker.tables.writing import check_destination, check_place, write_table, write_whole

__all__ = [
    "Classes",
    "Column",
    "Table",
    "check_destination",
    "check_ignored",
    "check_place",
    "check_same_features",
    "did_you_mean",
    "feature_specifications",
    "number_target",
    "read_table",
    "table_format",
    "write_table",
    "write_whole",
]
