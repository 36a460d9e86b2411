import numpy as np
import pytest

from service.errors import InputError
from service.signals.channel import Channel


def channel(values=(0.0, 1.0, 2.0), unit="g", **fields):
    return Channel(np.asarray(values), fields.pop("sample_interval_s", 1e-4), -0.01, unit, **fields)


@pytest.mark.parametrize(
    ("unit", "one_g"), [("g", 1.0), ("m/s2", 9.80665), ("mm/s2", 9806.65), ("mm/ms2", 9.80665e-3)]
)
def test_one_g_in_every_unit_of_acceleration(unit, one_g):
    converted = channel([1.0, 1.0]).to_unit(unit)
    assert converted.unit == unit
    assert converted.values == pytest.approx([one_g, one_g])
    assert converted.to_unit("g").values == pytest.approx([1.0, 1.0])


def test_units_of_other_quantities():
    assert channel([36.0, 0.0], "km/h", quantity="velocity").to_unit("m/s").values[0] == pytest.approx(10.0)
    assert channel([2.5, 0.0], "mm", quantity="displacement").to_unit("m").values[0] == pytest.approx(0.0025)


def test_an_unknown_unit_is_named_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"'furlong' is not a known unit of acceleration\. Known units: m/s2, g"
    ):
        channel().to_unit("furlong")


@pytest.mark.parametrize(
    ("unit", "quantity", "known"),
    [("", "acceleration", "m/s2, g"), ("lbf", "acceleration", "m/s2, g"), ("m/s2", "velocity", "m/s, km/h"),
     ("lm", "light", "none")],
)  # fmt: skip
def test_there_is_no_channel_without_a_unit_of_its_quantity(unit, quantity, known):
    with pytest.raises(InputError, match=f"not a known unit of {quantity}. Known units: {known}"):
        channel(unit=unit, quantity=quantity)


def test_times_and_rate():
    subject = channel()
    assert subject.time_s == pytest.approx([-0.01, -0.0099, -0.0098])
    assert subject.sample_rate_hz == pytest.approx(10_000)


@pytest.mark.parametrize(
    ("values", "fields", "message"),
    [
        ([1.0], {}, "at least 2 samples"),
        ([[1.0, 2.0]], {}, r"shape \(1, 2\)"),
        ([0.0, np.nan, 1.0], {"name": "13 CHEST"}, "'13 CHEST' is not finite at sample 1"),
        ([0.0, 1.0, np.inf], {}, "not finite at sample 2"),
        ([0.0, 1.0], {"sample_interval_s": 0.0}, "must be positive"),
        ([0.0, 1.0], {"sample_interval_s": np.nan}, "must be positive"),
    ],
)
def test_what_is_no_signal_is_refused(values, fields, message):
    with pytest.raises(InputError, match=message):
        channel(values, **fields)


def test_a_start_time_must_be_finite():
    with pytest.raises(InputError, match="start time"):
        Channel(np.zeros(3), 1e-4, np.inf, "g")


def test_values_are_a_read_only_copy():
    source = np.zeros(3)
    subject = channel(source)
    source[0] = 5.0
    assert subject.values[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        subject.values[0] = 1.0
