"""The fast way and the close look give the same rows: whatever a document holds."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.campaigns.schemas import Feature, Target
from service.samples.batch import check_rows, row_of
from service.samples.schemas import SampleCreate
from service.samples.validation import SampleSchema, check_sample, parse_sample
from tests.support import FEATURES, sample_document

SCHEMA = SampleSchema(
    features={row["name"]: Feature.model_validate(row) for row in FEATURES},
    target=Target(),
    sources={"full_vehicle": 1, "simulation": 2},
)
NUMBERS = st.one_of(
    st.integers(-5, 100), st.floats(), st.sampled_from([56.0, 1810, 10**15 + 1, 2**70, -0.0, 6.0])
)
VALUES = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=3), st.sampled_from(["rigid", "offset", ""]),
    st.fixed_dictionaries({"value": NUMBERS, "unit": st.sampled_from(["kg", "km/h"])}),
)  # fmt: skip
DESIGNS = st.fixed_dictionaries(
    {"impact_speed_kmh": NUMBERS, "test_mass_kg": VALUES, "barrier": VALUES},
    optional={"airbags": VALUES, "pretensioner": VALUES, "speed": VALUES},
)
TEXTS = st.one_of(st.none(), st.text(max_size=4), st.sampled_from([" T-1 ", "a\x00", "\ud800", "x" * 201]))
DOCUMENTS = st.fixed_dictionaries(
    {"source": st.sampled_from(["full_vehicle", "simulation", "sled", " simulation "]), "planned_features": DESIGNS},
    optional={
        "executed_features": st.one_of(st.none(), DESIGNS), "target": VALUES, "external_id": TEXTS, "group": TEXTS,
        "label_definition": TEXTS, "split": st.sampled_from(["train", "holdout", "validation", "test", None]),
        "label_details": st.one_of(st.none(), st.dictionaries(TEXTS.filter(bool), VALUES, max_size=2)),
        "provenance": st.dictionaries(st.text(max_size=3), VALUES, max_size=2), "surprise": st.none(),
    },
)  # fmt: skip


def looked_at_closely(document: dict[str, Any]) -> tuple[object, object]:
    parsed = parse_sample(document)
    if not isinstance(parsed, SampleCreate):
        return None, parsed
    checked = check_sample(parsed, SCHEMA)
    return row_of(checked), checked.errors


def kinds(row: object) -> object:
    """Values with their types: 6 and 6.0 and True are not the same."""
    if isinstance(row, dict):
        return {key: kinds(value) for key, value in row.items()}
    return type(row), row


@given(DOCUMENTS)
@settings(max_examples=400, deadline=None)
def test_a_batch_of_one_is_what_the_close_look_says(document: dict[str, Any]) -> None:
    batch = check_rows([document], SCHEMA)
    row, errors = looked_at_closely(document)
    assert batch.errors.get(0, []) == errors
    assert batch.rows[0] == row or not batch.good()
    if batch.good():
        plain = batch.rows[0]
        assert kinds(plain["planned_features"]) == kinds(row["planned_features"])
        assert kinds(plain["executed_features"]) == kinds(row["executed_features"])
        assert kinds(plain["target"]) == kinds(row["target"])


def test_rows_keep_their_places_among_bad_ones() -> None:
    documents = [sample_document(external_id=f"T-{number}") for number in range(4)]
    documents[1]["planned_features"]["test_mass_kg"] = math.nan
    documents[2]["surprise"] = 1
    batch = check_rows(documents, SCHEMA)
    assert sorted(batch.errors) == [1, 2]
    assert batch.rows[2] is None
    assert [row["external_id"] for _, row in batch.good()] == ["T-0", "T-3"]


@pytest.mark.parametrize("kind", ["planned_features", "executed_features"])
def test_null_is_missing(kind: str) -> None:
    document = sample_document(executed_features={})
    document[kind] = {**sample_document()["planned_features"], "airbags": None, "pretensioner": False}
    batch = check_rows([document], SCHEMA)
    assert not batch.errors
    assert batch.rows[0][kind] == {**sample_document()["planned_features"], "pretensioner": False}
