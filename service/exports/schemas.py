"""What an export may look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ExportFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class SampleShape(StrEnum):
    """FULL is all that is known of a sample, BULK what `samples:bulk` takes in again."""

    FULL = "full"
    BULK = "bulk"


class ColumnKind(StrEnum):
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "json"


@dataclass(frozen=True)
class Column:
    """One column of a table: its name in CSV and Parquet, and the object that holds it in NDJSON, if any."""

    name: str
    kind: ColumnKind
    place: tuple[str, str] | None = None
