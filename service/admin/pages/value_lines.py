"""Data values as lines of a table, with what pulls each of them down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.admin.contexts import ValueLine
from service.admin.formats import number
from service.database.models import DataValue, Sample

# Both sides are robust z-scores, higher = more useful: down to -2 a sample is an ordinary one.
STANDS_OUT_SD = 2.0

Side = Literal["label", "features", "none"]


def sample_name(sample: Sample) -> str:
    """The user's own name of the sample, or its id."""
    return sample.external_id or f"sample {sample.id}"


def why(value_target_loss: float, value_transport: float) -> tuple[Side, str]:
    """The side that pulls the value down, and a sentence."""
    if min(value_target_loss, value_transport) > -STANDS_OUT_SD:
        return "none", "Nothing stands out: an ordinary sample."
    if value_target_loss <= value_transport:
        text = (
            f"The label fits the others badly: {number(-value_target_loss, 1)} sd beyond the typical error."
        )
        return "label", text
    text = f"The features lie far off the others and the target domain: {number(-value_transport, 1)} sd out."
    return "features", text


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
