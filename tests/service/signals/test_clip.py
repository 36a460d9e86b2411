import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.clip import clip_3ms


def channel(values, interval_s=1e-4, unit="g"):
    return Channel(np.asarray(values, dtype=float), interval_s, 0.0, unit)


@given(peak=st.floats(1, 200), base_ms=st.integers(4, 60))
def test_a_triangle_loses_the_share_of_3_ms_in_its_base(peak, base_ms):
    time_ms = np.arange(0, 80 + 1e-9, 0.1)
    triangle = peak * np.clip(1 - np.abs(time_ms - 40) / (base_ms / 2), 0, None)
    assert clip_3ms(channel(triangle)) == pytest.approx(peak * (1 - 3 / base_ms), rel=1e-6, abs=1e-9 * peak)


def test_a_plateau_counts_from_3_ms_on():
    for samples, level in ((31, 50.0), (30, 0.0)):  # 31 samples at 0.1 ms span 3 ms
        values = np.zeros(200)
        values[80 : 80 + samples] = -50.0
        assert clip_3ms(channel(values)) == level


def test_in_the_unit_of_the_channel():
    assert clip_3ms(channel(np.full(100, -2.0)).to_unit("m/s2")) == pytest.approx(2 * 9.80665)


def test_a_record_shorter_than_3_ms():
    with pytest.raises(InputError, match="shorter than 3 ms"):
        clip_3ms(channel(np.zeros(30)))
