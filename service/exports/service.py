"""Rules of exports: which columns a table has, and its rows as they come from the database."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from service.campaigns.schemas import Feature
from service.database.models import Campaign
from service.exports import repository
from service.exports.repository import Rows
from service.exports.schemas import Column, ColumnKind, ExportFormat, SampleShape
from service.predictions.service import Predictor
from service.samples.schemas import SampleFilter
from service.vocabulary import FeatureKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_K = ColumnKind
_KIND_OF_FEATURE = {
    FeatureKind.CONTINUOUS: _K.NUMBER,
    FeatureKind.INTEGER: _K.INTEGER,
    FeatureKind.CATEGORICAL: _K.TEXT,
    FeatureKind.BOOLEAN: _K.BOOLEAN,
}
# In the order of `repository.samples`; those of the second tuple are what `samples:bulk` takes.
_SAMPLE = (
    ("id", _K.INTEGER), ("external_id", _K.TEXT), ("source", _K.TEXT), ("status", _K.TEXT), ("split", _K.TEXT),
    ("group", _K.TEXT), ("target", _K.NUMBER), ("label_definition", _K.TEXT), ("repeats_sample_id", _K.INTEGER),
    ("veto_reason", _K.TEXT), ("created_at", _K.TIME), ("labelled_at", _K.TIME),
)  # fmt: skip
_BULK = ("external_id", "source", "split", "group", "target", "label_definition")
_DOCUMENTS = ("label_details", "provenance")
VALUES = (
    ("rank", _K.INTEGER), ("sample_id", _K.INTEGER), ("external_id", _K.TEXT), ("value", _K.NUMBER),
    ("spread", _K.NUMBER), ("weight", _K.NUMBER), ("value_target_loss", _K.NUMBER), ("value_transport", _K.NUMBER),
)  # fmt: skip
RANKING = (
    ("rank", _K.INTEGER), ("sample_id", _K.INTEGER), ("external_id", _K.TEXT), ("source", _K.TEXT),
    ("score", _K.NUMBER), ("information", _K.NUMBER), ("relevance", _K.NUMBER), ("predicted", _K.NUMBER),
    ("predicted_std", _K.NUMBER), ("eligible", _K.BOOLEAN), ("affordable", _K.BOOLEAN),
)  # fmt: skip
PREDICTIONS = (
    ("sample_id", _K.INTEGER), ("external_id", _K.TEXT), ("source", _K.TEXT), ("status", _K.TEXT),
    ("split", _K.TEXT), ("target", _K.NUMBER), ("predicted", _K.NUMBER), ("predicted_std", _K.NUMBER),
    ("lower_90", _K.NUMBER), ("upper_90", _K.NUMBER), ("outside_support", _K.BOOLEAN),
    ("support_ratio", _K.NUMBER), ("outside_features", _K.TEXT),
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """What an export writes: columns, and how a session reads the rows in blocks."""

    columns: Sequence[Column]
    read: Callable[[Session], Generator[Rows]]


def samples_table(
    campaign: Campaign, wanted: SampleFilter, shape: SampleShape, export_format: ExportFormat
) -> Table:
    """Samples with a column for each feature, planned and executed."""
    features = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    is_bulk, campaign_id = shape is SampleShape.BULK, campaign.id
    plain = [index for index, (name, _) in enumerate(_SAMPLE) if not is_bulk or name in _BULK]
    # a table for `samples:bulk` has no column for documents
    with_documents = not is_bulk or export_format is ExportFormat.NDJSON
    columns = [
        *(Column(*_SAMPLE[index]) for index in plain),
        *_feature_columns(features, "planned_features", "" if is_bulk else "planned."),
        *_feature_columns(features, "executed_features", "executed."),
        *(Column(name, _K.JSON) for name in _DOCUMENTS if with_documents),
    ]
    names = [feature.name for feature in features]

    def flat(row: Sequence[Any]) -> list[Any]:
        *head, planned, executed, details, provenance = row
        documents = [details, provenance] if with_documents else []
        return [*(head[index] for index in plain), *_of(planned, names), *_of(executed, names), *documents]

    return Table(columns, lambda session: _mapped(repository.samples(session, campaign_id, wanted), flat))


def _feature_columns(features: Sequence[Feature], place: str, prefix: str) -> Iterator[Column]:
    for feature in features:
        yield Column(prefix + feature.name, _KIND_OF_FEATURE[feature.kind], (place, feature.name))


def _of(values: Mapping[str, Any] | None, names: Sequence[str]) -> Iterator[Any]:
    return (None if values is None else values.get(name) for name in names)


def _mapped(blocks: Iterator[Rows], change: Callable[[Sequence[Any]], Sequence[Any]]) -> Generator[Rows]:
    return ([change(row) for row in rows] for rows in blocks)


def values_table(run_id: int) -> Table:
    return Table([Column(*column) for column in VALUES], lambda session: repository.values(session, run_id))


def ranking_table(round_id: int) -> Table:
    return Table(
        [Column(*column) for column in RANKING], lambda session: repository.ranking(session, round_id)
    )


def predictions_table(campaign: Campaign, wanted: SampleFilter, predictor: Predictor) -> Table:
    """What the surrogate expects of every sample, computed block by block."""
    campaign_id = campaign.id

    def read(session: Session) -> Generator[Rows]:
        return (_predicted(rows, predictor) for rows in repository.designs(session, campaign_id, wanted))

    return Table([Column(*column) for column in PREDICTIONS], read)


def _predicted(rows: Rows, predictor: Predictor) -> Rows:
    found = predictor.predict([(row[-1], row[2]) for row in rows])
    return [list(chain(row[:-1], _prediction(line))) for row, line in zip(rows, found, strict=True)]


def _prediction(line: Mapping[str, Any]) -> tuple[Any, ...]:
    lower, upper = line["interval_90"] or (None, None)
    return (
        line["predicted"], line["predicted_std"], lower, upper, line["outside_support"], line["support_ratio"],
        "; ".join(line["outside_features"]),
    )  # fmt: skip
