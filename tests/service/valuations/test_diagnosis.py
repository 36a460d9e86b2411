"""The two sides of a value in words: exact against the mixture that made them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.valuations.diagnosis import Diagnosis, diagnose


def sides(wrong_label: float, wrong_features: float, nearness: float) -> tuple[float, float, float]:
    """Value and sides as a run in mode `normalized` stores them."""
    sound = 1 - wrong_label - wrong_features
    return sound * nearness, 1 - wrong_label, (1 - wrong_features) * nearness


@pytest.mark.parametrize(
    ("wrong_label", "wrong_features", "nearness", "expected"),
    [
        (0.02, 0.03, 1.0, Diagnosis.SOUND),
        (0.9, 0.05, 1.0, Diagnosis.WRONG_LABEL),
        (0.05, 0.9, 1.0, Diagnosis.WRONG_FEATURES),
        (0.05, 0.05, 0.2, Diagnosis.FAR_FROM_TARGET),
        (0.05, 0.9, 0.5, Diagnosis.WRONG_FEATURES),
        (0.05, 0.2, 0.3, Diagnosis.FAR_FROM_TARGET),
        (0.0, 0.8, 1.0, Diagnosis.WRONG_FEATURES),
    ],
)
def test_each_explanation(
    wrong_label: float, wrong_features: float, nearness: float, expected: Diagnosis
) -> None:
    assert diagnose(*sides(wrong_label, wrong_features, nearness)) is expected


@given(st.floats(1e-6, 0.49), st.floats(0.51, 0.999), st.floats(0.501, 1.0))
def test_features_that_are_rather_wrong_are_told_from_a_far_target_domain(
    wrong_label: float, wrong_features: float, nearness: float
) -> None:
    wrong_label = min(wrong_label, 1 - wrong_features)
    assert diagnose(*sides(wrong_label, wrong_features, nearness)) is Diagnosis.WRONG_FEATURES
