"""SQL of predictions: what a surrogate was trained on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.database.models import DataValue, Sample, Source


def trained_on(session: Session, valuation_run_id: int) -> list[tuple[dict[str, Any], str]]:
    """(features, source) of the labelled samples that a valuation run learned from, as they were run."""
    features = func.coalesce(Sample.executed_features, Sample.planned_features)
    statement = (
        select(features, Source.name)
        .select_from(DataValue)
        .join(Sample, Sample.id == DataValue.sample_id)
        .join(Source, Source.id == Sample.source_id)
        .where(DataValue.valuation_run_id == valuation_run_id)
        .order_by(DataValue.sample_id)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]
