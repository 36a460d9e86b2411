"""What the simulated signals say: labels by the same code that labels real files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.signals.channel import Channel
from service.signals.clip import clip_3ms
from service.signals.filters import cfc_filter
from service.signals.integration import remove_offset, velocity
from service.signals.olc import occupant_load_criterion
from service.signals.rolc import DEFAULT_DEFINITION, real_occupant_load_criterion
from worker.simulation.occupant_model import SAMPLE_INTERVAL_S, SimulatedCrashes


@dataclass(frozen=True)
class CrashLabel:
    """Criteria of one crash; a criterion whose window is not inside the record is None, never 0."""

    rolc_g: float | None
    olc_g: float | None
    t1_ms: float | None
    t2_ms: float | None
    vehicle_clip_3ms_mps2: float
    chest_clip_3ms_mps2: float
    rebound_speed_mps: float
    label_definition: str
    flags: tuple[str, ...]


def channels(crashes: SimulatedCrashes, row: int) -> tuple[Channel, Channel]:
    """Vehicle and chest channel of one crash, unfiltered, m/s2."""
    start_s = float(crashes.time_s[0])
    vehicle = Channel(
        crashes.vehicle_acceleration_mps2[row], SAMPLE_INTERVAL_S, start_s, "m/s2", name="vehicle x"
    )
    chest = Channel(
        crashes.chest_acceleration_mps2[row], SAMPLE_INTERVAL_S, start_s, "m/s2", name="driver chest x"
    )
    return vehicle, chest


def label(crashes: SimulatedCrashes, definition: str = DEFAULT_DEFINITION) -> list[CrashLabel]:
    """Criteria of n crashes: vehicle clip at CFC60, OLC and speed at CFC180, chest clip at CFC180.

    The rebound speed is the highest speed away from the wall, in m/s, 0 when there is none.
    O(n * samples).
    """
    return [_label_one(crashes, row, definition) for row in range(crashes.initial_speed_mps.size)]


def _label_one(crashes: SimulatedCrashes, row: int, definition: str) -> CrashLabel:
    vehicle, chest = channels(crashes, row)
    speed_mps = float(crashes.initial_speed_mps[row])
    # Filtered once: the label rule takes a channel of its own filter class as it is.
    pulse_60, pulse_180, chest_180 = cfc_filter(vehicle, 60), cfc_filter(vehicle, 180), cfc_filter(chest, 180)
    rolc = real_occupant_load_criterion(pulse_60, chest_180, speed_mps, definition)
    pulse = remove_offset(pulse_180)
    return CrashLabel(
        rolc_g=rolc.rolc_g,
        olc_g=occupant_load_criterion(pulse, speed_mps).olc_g,
        t1_ms=rolc.t1_ms,
        t2_ms=rolc.t2_ms,
        vehicle_clip_3ms_mps2=clip_3ms(remove_offset(pulse_60)),
        chest_clip_3ms_mps2=clip_3ms(remove_offset(chest_180)),
        rebound_speed_mps=max(0.0, -float(np.min(velocity(pulse, speed_mps)))),
        label_definition=rolc.label_definition,
        flags=rolc.flags,
    )
