"""Pure: many rows checked at once. What is plainly right never meets Python code, whatever is odd gets its own look.

Measured with 17 features on one busy core: 4 us for a row that pydantic-core takes, 35 us for one looked at closely.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from service.campaigns.schemas import Feature, Target, storable
from service.errors import FieldError
from service.samples.schemas import SampleCreate
from service.samples.tables import Row
from service.samples.validation import (
    CheckedSample,
    SampleSchema,
    Value,
    allowed_range,
    check_sample,
    parse_sample,
)
from service.vocabulary import FeatureKind, Split


class CheckedRow(TypedDict):
    """A sample's fields as they came, features and target as plain values in the schema's units."""

    source: str
    planned_features: dict[str, Value]
    executed_features: dict[str, Value] | None
    target: float | None
    label_definition: str | None
    label_details: dict[str, Any] | None
    external_id: str | None
    split: str
    group: str | None
    provenance: dict[str, Any]


@dataclass
class Batch:
    """Rows in the order of the request.

    Attributes:
        rows: None where the document was no sample at all.
        errors: what is wrong, by index of the row; rows that stand here must not be stored.
    """

    rows: list[CheckedRow | None] = field(default_factory=list)
    errors: dict[int, list[FieldError]] = field(default_factory=dict)

    def complain(self, index: int, pointer: str, message: str) -> None:
        self.errors.setdefault(index, []).append(FieldError(pointer, message))

    def giving(self, name: str) -> Iterator[tuple[int, CheckedRow, str]]:
        """(index, row, text) of the rows that give the text field `name`."""
        for index, row in enumerate(self.rows):
            if row is not None and (text := row[name]):  # type: ignore[literal-required]
                yield index, row, text

    def good(self) -> list[tuple[int, CheckedRow]]:
        return [
            (index, row)
            for index, row in enumerate(self.rows)
            if row is not None and index not in self.errors
        ]


def check_rows(documents: Sequence[Row], schema: SampleSchema) -> Batch:
    """Check names, units, kinds and ranges of all rows; never raises, collects. O(values)."""
    plain = _validator(schema).validate_python(list(documents))
    batch = Batch()
    for index, row in enumerate(plain):
        if row is None or (row["target"] is None and row["split"] == Split.HOLDOUT):
            _look_closely(batch, index, documents[index], schema)
        else:
            _leave_out_missing(row)
            batch.rows.append(row)
    return batch


def _leave_out_missing(row: CheckedRow) -> None:
    for name in ("planned_features", "executed_features"):
        values = cast("dict[str, Any] | None", row[name])
        if values and None in values.values():
            row[name] = {key: value for key, value in values.items() if value is not None}


def _look_closely(batch: Batch, index: int, document: Row, schema: SampleSchema) -> None:
    parsed = document if isinstance(document, list) else parse_sample(document)
    if not isinstance(parsed, SampleCreate):
        batch.rows.append(None)
        batch.errors[index] = parsed
        return
    checked = check_sample(parsed, schema)
    batch.rows.append(row_of(checked))
    if checked.errors:
        batch.errors[index] = checked.errors


def row_of(checked: CheckedSample) -> CheckedRow:
    request = checked.request
    return {
        "source": request.source,
        "planned_features": checked.planned,
        "executed_features": checked.executed,
        "target": checked.target,
        "label_definition": request.label_definition,
        "label_details": request.label_details,
        "external_id": request.external_id,
        "split": request.split,
        "group": request.group,
        "provenance": request.provenance,
    }


def _validator(schema: SampleSchema) -> SchemaValidator:
    """Takes a list of documents; gives a `CheckedRow`, or None where it is not sure. 0.3 ms to make."""
    row = core_schema.typed_dict_schema(_row_fields(schema), extra_behavior="forbid")
    either = core_schema.with_default_schema(row, default=None, on_error="default")
    return SchemaValidator(core_schema.list_schema(either))


def _row_fields(schema: SampleSchema) -> dict[str, core_schema.TypedDictField]:
    planned = {
        name: _feature_field(feature, required=feature.required) for name, feature in schema.features.items()
    }
    executed = {name: _feature_field(feature, required=False) for name, feature in schema.features.items()}
    document = core_schema.no_info_after_validator_function(
        storable, core_schema.dict_schema(core_schema.str_schema(strict=True), strict=True)
    )
    label = _text(200, strip=True)
    splits = core_schema.literal_schema([split.value for split in Split])
    field = core_schema.typed_dict_field
    return {
        "source": field(core_schema.literal_schema(list(schema.sources))),
        "planned_features": field(core_schema.typed_dict_schema(planned, extra_behavior="forbid")),
        "executed_features": _optional(core_schema.typed_dict_schema(executed, extra_behavior="forbid")),
        "target": _optional(_number(schema.target)),
        "label_definition": _optional(_text(64, strip=False)),
        "label_details": _optional(document),
        "external_id": _optional(label),
        "split": field(core_schema.with_default_schema(splits, default=Split.TRAIN.value)),
        "group": _optional(label),
        "provenance": field(core_schema.with_default_schema(document, default_factory=dict)),
    }


def _optional(schema: CoreSchema) -> core_schema.TypedDictField:
    nullable = core_schema.nullable_schema(schema)
    return core_schema.typed_dict_field(core_schema.with_default_schema(nullable, default=None))


def _feature_field(feature: Feature, *, required: bool) -> core_schema.TypedDictField:
    schema = _feature_value(feature)
    if not required:
        schema = core_schema.nullable_schema(schema)
    return core_schema.typed_dict_field(schema, required=required)


def _feature_value(feature: Feature) -> CoreSchema:
    if feature.kind is FeatureKind.CATEGORICAL:
        return core_schema.literal_schema(list(feature.categories or ()))
    if feature.kind is FeatureKind.BOOLEAN:
        return core_schema.bool_schema(strict=True)
    if feature.kind is FeatureKind.INTEGER:
        low, high = allowed_range(feature)
        return core_schema.int_schema(strict=True, ge=math.ceil(low), le=math.floor(high))
    return _number(feature)


def _number(given: Feature | Target) -> CoreSchema:
    low, high = allowed_range(given)
    return core_schema.float_schema(strict=True, ge=low, le=high, allow_inf_nan=False)


def _text(longest: int, *, strip: bool) -> CoreSchema:
    """Without NUL, which Postgres cannot hold; half characters are refused by pydantic-core itself."""
    return core_schema.str_schema(
        strict=True, strip_whitespace=strip, min_length=1, max_length=longest, pattern=r"^[^\x00]*$"
    )
