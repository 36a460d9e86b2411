"""Which part of the target domain a pick serves, in words."""

from __future__ import annotations

import numpy as np
import pytest

from worker.acquisition.regions import FeatureWording, RegionWording, served_region

POINTS = 10
# the fall is at points 7, 8 and 9
FALLS = np.array([0.1] * 7 + [4.0, 3.0, 2.0])
MASS = FeatureWording(
    "test_mass_kg", "kg", (*tuple(1500.0 + 10 * row for row in range(7)), 2200.0, 2450.0, 2300.0)
)
BODY = FeatureWording("body", "1", ("sedan",) * 7 + ("pickup", "pickup", "van"))
SPEED = FeatureWording("impact_speed_kmh", "km/h", (56.0,) * POINTS)
SEATS = FeatureWording("seats", "1", (4.0, 5.0) * 5)


def test_the_core_are_the_fewest_points_that_make_up_half_of_the_fall():
    region = served_region(FALLS, RegionWording())
    assert region.rows == (7, 8)
    assert region.share == pytest.approx(7 / 9.7)
    assert region.text == "rows 7, 8 of the target domain (72% of its gain)"


def test_the_load_case_with_the_largest_share_is_named():
    cases = ("full frontal",) * 7 + ("offset", "offset", "full frontal")
    region = served_region(FALLS, RegionWording(load_case=cases))
    assert region.load_case == "offset"
    assert region.load_case_share == pytest.approx(7 / 9.7)
    assert region.text == "load case offset (72% of its gain)"


def test_features_that_set_the_core_apart_are_told_in_original_units():
    wording = RegionWording(("offset",) * POINTS, (SPEED, SEATS, BODY, MASS))
    text = served_region(FALLS, wording).text
    assert text.startswith("load case offset (100% of its gain), ")
    assert "test_mass_kg 2,200 to 2,450 kg" in text
    assert "body pickup" in text
    assert "speed" not in text, "it is the same everywhere"
    assert "seats" not in text, "the core has the mean of the domain"


def test_at_most_three_features_the_clearest_first():
    clearer = [
        FeatureWording(f"x{step}", "", tuple(float(row >= 7 - step) for row in range(POINTS)))
        for step in range(5)
    ]
    text = served_region(FALLS, RegionWording(features=tuple(reversed(clearer)))).text
    assert text == "x0 1, x1 1, x2 1"


def test_unknown_values_are_left_out():
    partly = FeatureWording("belt_force_kn", "kN", (1.0, None, 1.2, 1.1, 0.9, None, 1.0, 5.0, None, 5.0))
    unknown = FeatureWording("stiffness", "", (None,) * POINTS)
    named = FeatureWording("airbag", "", ("yes",) * 7 + (None, None, "yes"))
    text = served_region(FALLS, RegionWording(features=(unknown, partly, named))).text
    assert text == "belt_force_kn 5 kN"


def test_a_pick_that_serves_all_points_alike_serves_the_whole_domain():
    wording = RegionWording(features=(MASS, BODY))
    assert served_region(np.ones(POINTS), wording).text == "the whole target domain evenly"
    assert served_region(np.ones(1), RegionWording()).text == "the whole target domain evenly"


def test_many_rows_are_counted():
    falls = np.r_[np.ones(10), np.full(90, 0.01)]
    assert (
        served_region(falls, RegionWording()).text
        == "rows 0, 1, 2 and 3 more of the target domain (55% of its gain)"
    )


def test_a_pick_that_tells_nothing_serves_none():
    region = served_region(np.zeros(POINTS), RegionWording(("offset",) * POINTS))
    assert region.text == "none of the target domain"
    assert region.rows == ()
