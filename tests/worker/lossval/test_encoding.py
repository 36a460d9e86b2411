"""Encoding: scaling from training rows only, one-hot, missing values, refusal of what is no number."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lossval.encoding import FeatureEncoder, FeatureSpec
from worker.lossval.errors import LossValError

SPEED = FeatureSpec("impact_speed_kmh", "continuous")
BAGS = FeatureSpec("air_bags", "integer")
BELT = FeatureSpec("belt", "categorical", ("none", "lap", "three_point"))
ELECTRIC = FeatureSpec("electric", "boolean")


def test_numbers_are_standardised_with_the_training_mean_and_sd():
    encoder = FeatureEncoder.fit([SPEED], [{"impact_speed_kmh": 50}, {"impact_speed_kmh": 54}])
    assert encoder.transform([{"impact_speed_kmh": 56}]).tolist() == [[2.0]]
    assert encoder.columns == ["impact_speed_kmh"]


def test_constant_column_keeps_scale_one_even_with_rounding():
    rows = [{"impact_speed_kmh": 0.1 + 0.2}, {"impact_speed_kmh": 0.3}]
    encoder = FeatureEncoder.fit([SPEED], rows)
    assert encoder.transform([{"impact_speed_kmh": 1.3}])[0, 0] == pytest.approx(1.0)


def test_booleans_are_standardised_like_numbers():
    encoder = FeatureEncoder.fit([ELECTRIC], [{"electric": True}, {"electric": False}])
    assert encoder.transform([{"electric": True}, {"electric": False}]).ravel().tolist() == [1.0, -1.0]


def test_categories_become_columns_and_unknown_or_missing_ones_zeros():
    encoder = FeatureEncoder.fit([BELT], [{"belt": "lap"}])
    rows = [{"belt": "lap"}, {"belt": "harness"}, {"belt": None}, {}]
    assert encoder.transform(rows).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert encoder.columns == ["belt=none", "belt=lap", "belt=three_point"]


def test_categories_not_declared_are_those_of_the_training_rows_sorted():
    spec = FeatureSpec("size", "categorical")
    encoder = FeatureEncoder.fit([spec], [{"size": "van"}, {"size": "compact"}, {"size": None}])
    assert encoder.columns == ["size=compact", "size=van"]


def test_missing_number_takes_the_mean_and_is_marked_if_training_rows_miss_any():
    encoder = FeatureEncoder.fit([BAGS], [{"air_bags": 2}, {"air_bags": 6}, {"air_bags": None}])
    assert encoder.columns == ["air_bags", "air_bags=missing"]
    assert encoder.transform([{"air_bags": None}, {"air_bags": 6}]).tolist() == [[0, 1], [1, 0]]


def test_without_missing_training_values_there_is_no_indicator_but_none_still_encodes():
    encoder = FeatureEncoder.fit([BAGS], [{"air_bags": 2}, {"air_bags": 6}])
    assert encoder.transform([{}]).tolist() == [[0.0]]


def test_a_feature_that_no_training_row_has_encodes_finitely():
    encoder = FeatureEncoder.fit([BAGS], [{}, {}])
    assert np.isfinite(encoder.transform([{"air_bags": 4}, {}])).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, "fast"])
def test_a_value_that_is_no_finite_number_names_row_and_feature(value):
    encoder = FeatureEncoder.fit([SPEED], [{"impact_speed_kmh": 50.0}])
    with pytest.raises(LossValError, match=r"row 1: feature 'impact_speed_kmh'"):
        encoder.transform([{"impact_speed_kmh": 1.0}, {"impact_speed_kmh": value}])


@pytest.mark.parametrize(
    ("features", "rows", "message"),
    [
        ([], [{}], "no features"),
        ([SPEED], [], "no rows"),
        ([SPEED, SPEED], [{}], "same name"),
    ],
)
def test_impossible_fits_are_refused(features, rows, message):
    with pytest.raises(LossValError, match=message):
        FeatureEncoder.fit(features, rows)


def test_specifications_are_checked():
    with pytest.raises(LossValError, match="unknown kind"):
        FeatureSpec("x", "text")
    with pytest.raises(LossValError, match="twice"):
        FeatureSpec("x", "categorical", ("a", "a"))


_rows = st.lists(
    st.fixed_dictionaries(
        {
            "impact_speed_kmh": st.none() | st.floats(-1e6, 1e6),
            "air_bags": st.none() | st.integers(-100, 100),
            "belt": st.none() | st.sampled_from(["none", "lap", "three_point", "other"]),
            "electric": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)


@given(train=_rows, other=_rows)
def test_encoding_is_finite_and_survives_json_exactly(train, other):
    encoder = FeatureEncoder.fit([SPEED, BAGS, BELT, ELECTRIC], train)
    again = FeatureEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    encoded = encoder.transform(other)
    assert np.isfinite(encoded).all()
    assert encoded.shape == (len(other), len(encoder.columns))
    np.testing.assert_array_equal(again.transform(other), encoded)


def test_incomplete_state_is_refused():
    with pytest.raises(LossValError, match="incomplete"):
        FeatureEncoder.from_dict({"features": []})
