"""Data values as lines of a table, with what pulls each of them down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.admin.contexts import ValueLine
from service.admin.formats import number
from service.database.models import DataValue, Sample

# Both components are robust z-scores: below two standard deviations a sample is an ordinary one.
STANDS_OUT_SD = 2.0

Side = Literal["label", "features", "none"]


def sample_name(sample: Sample) -> str:
    """The user's own name of the sample, or its id."""
    return sample.external_id or f"sample {sample.id}"


def why(target_loss: float, transport: float) -> tuple[Side, str]:
    """The side that pulls the value down, and a sentence."""
    if max(target_loss, transport) < STANDS_OUT_SD:
        return "none", "Nothing stands out: an ordinary sample."
    if target_loss >= transport:
        text = f"The label fits the others badly: {number(target_loss, 1)} sd beyond the typical error."
        return "label", text
    text = f"The features lie far off the others and the target domain: {number(transport, 1)} sd out."
    return "features", text


def value_lines(rows: Sequence[DataValue]) -> list[ValueLine]:
    """The lines of `rows`."""
    return [_line(row) for row in rows]


def _line(row: DataValue) -> ValueLine:
    side, sentence = why(row.target_loss, row.transport)
    return ValueLine(
        sample_id=row.sample_id,
        name=sample_name(row.sample),
        source=row.sample.source.name,
        target=number(row.sample.target),
        value=number(row.value),
        spread=number(row.spread),
        target_loss=number(row.target_loss),
        transport=number(row.transport),
        rank=row.rank,
        side=side,
        why=sentence,
    )
