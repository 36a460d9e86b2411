import math

import numpy as np
import pytest

from service.signals.channel import Channel
from service.signals.rolc import ROLC_DEFINITIONS, RolcResult, real_occupant_load_criterion
from service.signals.uncertainty import label_uncertainty
from tests.crash_files import SPEED_MPS, signals_g


def channel(values_g, start_s=-0.02):
    return Channel(np.asarray(values_g), 1e-4, start_s, "g")


CAR, CHEST = channel(signals_g()[10]), channel(signals_g()[1])


def uncertainty(vehicles=(CAR,), chests=(CHEST,), definition="rolc/1"):
    label = real_occupant_load_criterion(vehicles[0], chests[0], SPEED_MPS, definition)
    return label, label_uncertainty(label, vehicles, chests, SPEED_MPS)


def test_components_are_half_widths_over_root_3_and_add_in_squares():
    label, found = uncertainty()
    others = {
        name: real_occupant_load_criterion(CAR, CHEST, SPEED_MPS, name).rolc_g for name in ROLC_DEFINITIONS
    }
    assert found.by_definition_g == pytest.approx(others)
    widest = max(abs(other - label.rolc_g) for other in others.values())
    assert found.components_g["definition"] == pytest.approx(widest / math.sqrt(3))
    assert found.components_g["redundant_sensors"] == found.components_g["offset"] == 0.0
    assert found.total_g == pytest.approx(math.sqrt(sum(part**2 for part in found.components_g.values())))
    assert found.flags == ()


def test_the_gain_is_varied_by_1_percent_both_ways():
    label, found = uncertainty()
    moved = [
        real_occupant_load_criterion(CAR, channel(signals_g()[1] * gain), SPEED_MPS).rolc_g
        for gain in (0.99, 1.01)
    ]
    widest = max(abs(other - label.rolc_g) for other in moved)
    assert found.components_g["gain"] == pytest.approx(widest / math.sqrt(3))
    assert widest > 0.1


def test_a_redundant_sensor_counts_by_what_it_says():
    label, found = uncertainty(chests=(CHEST, channel(signals_g()[1] * 1.01)))
    other = real_occupant_load_criterion(CAR, channel(signals_g()[1] * 1.01), SPEED_MPS).rolc_g
    assert found.components_g["redundant_sensors"] == pytest.approx(abs(other - label.rolc_g) / math.sqrt(3))
    assert found.flags == ()


@pytest.mark.parametrize("factor", [1.1, 0.05])
def test_sensors_that_disagree(factor):
    """By more than 0.5 g, or because one gives no label at all."""
    assert uncertainty(chests=(CHEST, channel(signals_g()[1] * factor)))[1].flags == ("sensor_disagreement",)
    assert "sensor_disagreement" in uncertainty(vehicles=(CAR, channel(signals_g()[10] * 0.3)))[1].flags


def test_without_pretrigger_data_the_offset_may_be_wrong():
    late = channel(signals_g()[1][200:], start_s=0.0)
    _, found = uncertainty(chests=(late,))
    assert found.components_g["offset"] == pytest.approx(0.2 / math.sqrt(3))


def test_no_label_has_no_uncertainty():
    none = RolcResult(None, None, None, "rolc/1", ("t2_not_reached",))
    assert label_uncertainty(none, [CAR], [CHEST], SPEED_MPS) is None


def test_a_definition_without_label_is_said():
    """A chest that is never braked by 5 g, but comes to lead by 15 mm and is caught up."""
    soft = channel(np.where(signals_g()[1] < 0, -4.5, 0.0))
    slow_car = channel(np.where(signals_g()[10] < 0, -4.0, 0.0))
    label = real_occupant_load_criterion(slow_car, soft, 2.0, "rolc_3g/1")
    found = label_uncertainty(label, [slow_car], [soft], 2.0)
    assert found.by_definition_g["rolc/1"] is None
    assert "definition_without_label" in found.flags
