"""Data values as lines of a table, with what pulls each of them down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.admin.contexts.shared import ValueLine
from service.admin.formats import number
from service.database.models import DataValue, Sample
from service.valuations.diagnosis import STANDS_OUT

Side = Literal["label", "features", "none"]


def sample_name(sample: Sample) -> str:
    """The user's own name of the sample, or its id."""
    return sample.external_id or f"sample {sample.id}"


def why(value_target_loss: float, value_transport: float) -> tuple[Side, str]:
    """The side that pulls the value down, and a sentence."""
    if min(value_target_loss, value_transport) >= STANDS_OUT:
        return "none", "Nothing stands out: an ordinary sample."
    if value_target_loss <= value_transport:
        return (
            "label",
            f"Its label does not fit the others: wrong with probability {_chance(value_target_loss)}.",
        )
    text = f"Its features lie off the others or far from the target domain: {number(value_transport)} of 1."
    return "features", text


def _chance(side: float) -> str:
    """What is missing to certainty, as a percentage that never claims certainty."""
    return f"{min(99, round(100 * (1 - side)))} %"


def value_lines(rows: Sequence[DataValue]) -> list[ValueLine]:
    """The lines of `rows`."""
    return [_line(row) for row in rows]


def _line(row: DataValue) -> ValueLine:
    side, sentence = why(row.value_target_loss, row.value_transport)
    return ValueLine(
        sample_id=row.sample_id,
        name=sample_name(row.sample),
        source=row.sample.source.name,
        target=number(row.sample.target),
        value=number(row.value),
        spread=number(row.spread),
        value_target_loss=number(row.value_target_loss),
        value_transport=number(row.value_transport),
        rank=row.rank,
        side=side,
        why=sentence,
    )
