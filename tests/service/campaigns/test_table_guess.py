"""A table of tests as a feature schema to correct."""

import pytest

from service.campaigns.schemas import Feature
from service.campaigns.table_guess import MOST_CATEGORIES, guess
from service.errors import InputError

TABLE = """external_id;Impact Speed [kmh];test_mass_kg;doors;belt_type;has_airbag;rolc_g;HIC15;empty;test_mass_kg
a;56.3;1500;4;3PT;yes;25.1;400;;1
b;64;2310;2;LAP;no;31;612;;2
c;;1890;4;3PT;yes;28;500;;3
"""


def test_kinds_units_and_ranges_are_guessed() -> None:
    found = guess(TABLE, target="rolc_g")
    features = {feature["name"]: Feature.model_validate(feature) for feature in found.features}
    assert list(features) == ["impact_speed_kmh", "test_mass_kg", "doors", "belt_type", "has_airbag"]
    speed, mass, doors = features["impact_speed_kmh"], features["test_mass_kg"], features["doors"]
    assert (speed.kind, speed.unit, speed.required) == ("continuous", "km/h", False)
    assert (mass.kind, mass.unit, mass.minimum, mass.maximum) == ("integer", "kg", 1420, 2390)
    assert (doors.kind, doors.minimum, doors.maximum, doors.required) == ("integer", 1.8, 4.2, True)
    assert features["belt_type"].categories == ["3PT", "LAP"]
    assert features["has_airbag"].kind == "boolean"


def test_what_is_no_feature_is_named_with_the_reason() -> None:
    left_out = dict(guess(TABLE, target="rolc_g").left_out)
    assert left_out["external_id"] == "a column of samples, no feature"
    assert left_out["rolc_g"] == "the target"
    assert "known only after the test" in left_out["HIC15"]
    assert left_out["empty"] == "empty"
    assert left_out["test_mass_kg"] == "there is one of that name"


def test_a_column_of_free_texts_is_left_out() -> None:
    rows = "\n".join(f"remark {number},1" for number in range(MOST_CATEGORIES + 1))
    found = guess(f"remark,speed_kmh\n{rows}", target="rolc_g")
    assert [feature["name"] for feature in found.features] == ["speed_kmh"]
    assert "different texts" in found.left_out[0][1]


@pytest.mark.parametrize("text", ["", "a,b\n", "\n\n", "a,b\n,\n"])
def test_an_empty_table_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        guess(text, target="rolc_g")


def test_infinities_and_nan_are_no_range() -> None:
    found = guess("x_kg\n1\nnan\n3\n", target="rolc_g").features[0]
    assert (found["minimum"], found["maximum"], found["required"]) == (0.8, 3.2, False)
    assert guess("x_kg\n1\ninf\n", target="rolc_g").features[0]["kind"] == "categorical"
