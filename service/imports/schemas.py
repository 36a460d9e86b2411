"""What an import looks like from outside."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, computed_field

from service.campaigns.schemas import Label, Strict
from service.imports.numbering import parse_tests
from service.runs.schemas import RunRead
from service.uploads.schemas import Occupants
from service.vocabulary import Split


def _check_tests(text: str) -> str:
    parse_tests(text)
    return text


class Database(StrEnum):
    """Public databases that can be imported from."""

    NHTSA = "nhtsa"


class ImportRequest(Strict):
    """Tests to fetch, and what to make of them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"tests": "9000-9100,10146", "occupants": "driver"}}
    )

    database: Database = Database.NHTSA
    tests: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=2000),
        AfterValidator(_check_tests),
        Field(description="Test numbers and ranges.", examples=["9000-9100,10146"]),
    ]
    source: Label | None = Field(
        None, description="Name of a source; may be left out where the campaign has one physical test."
    )
    split: Split = Split.TRAIN
    occupants: Occupants = Occupants.DRIVER


class Outcome(StrEnum):
    """What became of one test.

    IMPORTED      its file was read and its samples are there
    ALREADY_THERE the campaign had it before; nothing was fetched
    NOT_ACCEPTED  the upload waits for a decision: `detail` says what speaks against it
    UNREADABLE    the file has no usable signal, or is damaged
    NOT_FRONTAL   no frontal test of a car with a driver: only its metadata were fetched
    NO_DATA       the database has no such test, or no EV5 file of it
    UNAVAILABLE   the database did not answer for it
    """

    IMPORTED = "imported"
    ALREADY_THERE = "already_there"
    NOT_ACCEPTED = "not_accepted"
    UNREADABLE = "unreadable"
    NOT_FRONTAL = "not_frontal"
    NO_DATA = "no_data"
    UNAVAILABLE = "unavailable"


class ImportRead(RunRead):
    """An import; `metrics` counts outcomes and lists what became of each test."""

    # The estimate of other runs goes by the last start; an import gives way to others and starts many times.
    @computed_field  # type: ignore[prop-decorator] # pydantic's documented form
    @property
    def seconds_left(self) -> float | None:
        """Estimate from the tests so far; null before the first one and after the end."""
        metrics: dict[str, Any] = self.metrics or {}
        done, total = metrics.get("done", 0), metrics.get("total", 0)
        if not done or self.status.is_terminal:
            return None
        seconds: float = metrics["seconds"] / done * (total - done)
        return round(seconds, 1)
