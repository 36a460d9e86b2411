import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.rolc import ROLC_DEFINITIONS, real_occupant_load_criterion

V0 = 15.0
GRAVITY = 9.80665


def pulse(level_g, start_s, end_s, *, filter_class=None, interval_s=1e-4, before_s=0.02, after_s=0.2):
    """Constant deceleration between two times; with a filter class the step stays a step."""
    time_s = np.arange(round(-before_s / interval_s), round(after_s / interval_s) + 1) * interval_s
    inside = (time_s >= start_s - interval_s / 4) & (time_s < end_s)
    return Channel(np.where(inside, -level_g, 0.0), interval_s, -before_s, "g", filter_class=filter_class)


def car(level_g=25.0, **fields):
    return pulse(level_g, 0.0, V0 / (level_g * GRAVITY), **({"filter_class": 60} | fields))


def chest(level_g=20.0, start_s=0.02, end_s=1.0, **fields):
    return pulse(level_g, start_s, end_s, **({"filter_class": 180} | fields))


@settings(max_examples=40, deadline=None)
@given(chest_g=st.floats(10, 60), car_g=st.floats(15, 40), start_ms=st.integers(5, 30))
def test_a_chest_braked_evenly_has_that_rolc(chest_g, car_g, start_ms):
    start_s = start_ms * 1e-3
    stop_s = start_s + V0 / (chest_g * GRAVITY)
    assume(stop_s > V0 / (car_g * GRAVITY) + 0.002)  # the car stands before the chest does
    assume(stop_s < 0.19)
    result = real_occupant_load_criterion(car(car_g), chest(chest_g, start_s), V0)
    assert result.rolc_g == pytest.approx(chest_g, rel=1e-9)
    assert result.t1_ms == pytest.approx(start_ms, abs=1e-6)
    assert result.t2_ms == pytest.approx(1e3 * stop_s, abs=0.3)
    assert (result.label_definition, result.flags) == ("rolc/1", ())


def test_filters_hardly_move_it():
    raw = real_occupant_load_criterion(car(filter_class=None), chest(filter_class=None), V0)
    assert raw.rolc_g == pytest.approx(20.0, abs=0.4)
    assert raw.t1_ms == pytest.approx(20.0, abs=1.0)


def test_the_speed_common_to_both_does_not_matter():
    fast = real_occupant_load_criterion(car(), chest(), V0 + 1.0)
    assert fast.rolc_g == pytest.approx(real_occupant_load_criterion(car(), chest(), V0).rolc_g)


@pytest.mark.parametrize("unit", ["m/s2", "mm/s2", "mm/ms2"])
def test_the_unit_does_not_matter(unit):
    result = real_occupant_load_criterion(car().to_unit(unit), chest().to_unit("m/s2"), V0)
    assert result.rolc_g == pytest.approx(20.0)


def test_the_chest_may_have_another_grid():
    result = real_occupant_load_criterion(car(interval_s=5e-5, after_s=0.15), chest(interval_s=8e-5), V0)
    assert result.rolc_g == pytest.approx(20.0, rel=1e-6)


def test_an_offset_is_removed():
    shifted = chest().with_values(chest().values + 0.5)
    assert real_occupant_load_criterion(car(), shifted, V0).rolc_g == pytest.approx(20.0)


def test_without_pretrigger_data_it_says_so():
    result = real_occupant_load_criterion(car(before_s=0.0), chest(before_s=0.0), V0)
    assert result.flags == ("no_pretrigger_vehicle", "no_pretrigger_chest")
    assert result.rolc_g == pytest.approx(20.0)


def test_inverted_sensors_are_turned_and_flagged():
    result = real_occupant_load_criterion(
        car().with_values(-car().values), chest().with_values(-chest().values), V0
    )
    assert result.rolc_g == pytest.approx(20.0)
    assert result.flags == ("polarity_inverted_vehicle", "polarity_inverted_chest")


def test_a_lower_filter_class_than_the_definition_is_flagged():
    result = real_occupant_load_criterion(car(), chest(filter_class=60), V0)
    assert result.flags == ("prefiltered_chest",)
    assert result.rolc_g == pytest.approx(20.0)


def test_t2_outside_the_record_is_a_missing_label_and_not_0():
    result = real_occupant_load_criterion(car(after_s=0.08), chest(after_s=0.08), V0)
    assert (result.rolc_g, result.t2_ms) == (None, None)
    assert result.t1_ms == pytest.approx(20.0)
    assert result.flags == ("t2_not_reached",)


def test_a_chest_that_is_never_held_has_no_label():
    result = real_occupant_load_criterion(car(), chest(3.0), V0)
    assert (result.rolc_g, result.t1_ms, result.t2_ms) == (None, None, None)
    assert result.flags == ("t1_not_reached",)


def test_a_spike_shorter_than_1_ms_is_no_onset():
    values = chest().values.copy()
    values[250:258] = -12.0  # 0.8 ms at t = 5 ms
    assert real_occupant_load_criterion(car(), chest().with_values(values), V0).t1_ms == pytest.approx(20.0)


def test_a_chest_already_slower_than_the_car_has_no_label():
    result = real_occupant_load_criterion(pulse(25.0, 0.03, 0.09, filter_class=60), chest(start_s=0.01), V0)
    assert result.rolc_g is None
    assert result.flags[-1] == "chest_not_faster_at_t1"


def test_hovering_about_the_level_is_ambiguous():
    values = chest().values.copy()
    values[320:400] = -4.6  # 12 to 20 ms, as in tests where the belt takes up slowly
    assert real_occupant_load_criterion(car(), chest().with_values(values), V0).flags == ("t1_ambiguous",)


def test_the_search_for_t2_begins_at_t1():
    # A jolt of 0.5 ms makes the chest slower than the car for a moment, long before the restraint holds.
    values = chest().values.copy()
    values[200:205] = -60.0
    result = real_occupant_load_criterion(car(), chest().with_values(values), V0)
    assert result.t1_ms == pytest.approx(20.0)
    assert result.t2_ms > 90


def test_an_unknown_definition_names_the_known_ones():
    with pytest.raises(InputError, match=r"'rolc/0' is not a label definition\. Known: rolc/1"):
        real_occupant_load_criterion(car(), chest(), V0, "rolc/0")
    assert list(ROLC_DEFINITIONS) == ["rolc/1", "rolc_3g/1", "rolc_15mm/1"]


@pytest.mark.parametrize("speed_mps", [0.0, np.nan])
def test_a_crash_begins_with_speed(speed_mps):
    with pytest.raises(InputError, match="initial speed"):
        real_occupant_load_criterion(car(), chest(), speed_mps)


def test_records_must_overlap():
    late = Channel(chest().values, 1e-4, 5.0, "g", filter_class=180)
    with pytest.raises(InputError, match="no common time"):
        real_occupant_load_criterion(car(), late, V0)


def test_the_restraint_holds_from_5_g_on():
    still = chest(0.0)
    ramp_g = np.clip((still.time_s - 0.010) * 1e3, 0, 25)  # 1 g per ms from 10 ms on
    result = real_occupant_load_criterion(car(), still.with_values(-ramp_g), V0)
    assert result.t1_ms == pytest.approx(15.0, abs=0.1)
