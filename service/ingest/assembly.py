"""From what any reader has found to a crash test: channels selected, speed known, reasons kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.errors import FileFormatError
from service.ingest.model import CrashTest, FeatureValue, Occupant, Quarantined
from service.ingest.options import ReadOptions
from service.ingest.selection import Selection, Sensor, check_something_usable, select

KMH_PER_MPS = 3.6
# The fastest full-vehicle tests run at 113 km/h; beyond this a number is in another unit than it says.
FASTEST_MPS = 40.0
SLOWEST_MPS = 1.0


@dataclass(frozen=True)
class Seat:
    """An occupant without its signals."""

    location: str
    role: str
    features: Mapping[str, FeatureValue]


@dataclass(frozen=True)
class Head:
    """What a reader knows of a test beside its channels; the words are those of `CrashTest`.

    Attributes:
        initial_speed_mps: speed that stands in when no vehicle sensor brings its own; `speed_flags` then
            come with it.
        quarantined: what the reader has left out itself.
        flags: what the reader has noticed itself.
    """

    test_number: str
    format: str
    title: str
    seats: Sequence[Seat]
    platform: str | None = None
    features: Mapping[str, FeatureValue] | None = None
    impact_angle_deg: float | None = None
    fixed_obstacle: bool | None = None
    initial_speed_mps: float | None = None
    speed_flags: tuple[str, ...] = ()
    quarantined: Sequence[Quarantined] = ()
    flags: tuple[str, ...] = ()


def assemble(head: Head, sensors: Sequence[Sensor], options: ReadOptions, label: str) -> CrashTest:
    """Select the channels and complete the test.

    Args:
        head: everything but the channels.
        sensors: all longitudinal accelerometers of the car and its occupants, in the order of the file.
        options: what was said by hand.
        label: name of the file in complaints.

    Raises:
        FileFormatError: no usable vehicle or chest channel, or no speed.
        InputError: a channel named by hand is not there or cannot be used.
    """
    sensors, repeated = _unique(sensors)
    selection = select(sensors, {seat.location: seat.role for seat in head.seats}, options.channels)
    check_something_usable(selection, sensors, label)
    speed_mps, speed_flags = _initial_speed(head, selection, options, label)
    return CrashTest(
        test_number=head.test_number,
        format=head.format,
        title=head.title,
        platform=head.platform,
        features=head.features or {},
        impact_angle_deg=head.impact_angle_deg,
        initial_speed_mps=speed_mps,
        vehicle=selection.vehicle_channels,
        occupants=tuple(_occupant(seat, selection) for seat in head.seats),
        quarantined=(*head.quarantined, *repeated, *selection.quarantined),
        flags=head.flags + selection.vehicle_flags + speed_flags,
        vehicle_redundant=selection.vehicle_redundant,
        selection=selection.selected,
        fixed_obstacle=head.fixed_obstacle,
    )


def _unique(sensors: Sequence[Sensor]) -> tuple[list[Sensor], list[Quarantined]]:
    kept: dict[str, Sensor] = {}
    repeated = []
    for sensor in sensors:
        if sensor.key in kept:
            repeated.append(
                Quarantined(sensor.name, f"the key {sensor.key} is taken by {kept[sensor.key].name}")
            )
        else:
            kept[sensor.key] = sensor
    return list(kept.values()), repeated


def _occupant(seat: Seat, selection: Selection) -> Occupant:
    chest = selection.chests[seat.location]
    return Occupant(
        location=seat.location,
        role=seat.role,
        features=seat.features,
        chest=chest.channel,
        flags=chest.flags,
        chest_redundant=chest.redundant,
    )


def _initial_speed(
    head: Head, selection: Selection, options: ReadOptions, label: str
) -> tuple[float, tuple[str, ...]]:
    """Speed by hand, else from the first vehicle sensor, else the test's own."""
    if options.initial_speed_mps is not None:
        return _plausible(options.initial_speed_mps, label), ("speed_chosen_by_hand",)
    sensor = selection.vehicle[0]
    if sensor.initial_speed_mps:
        return _plausible(abs(sensor.initial_speed_mps), label), ()
    if head.initial_speed_mps:
        return _plausible(abs(head.initial_speed_mps), label), head.speed_flags
    raise FileFormatError(
        f"No impact speed is given in {label}, neither with the vehicle sensor nor for the car.",
        hint="Say it beside the file (initial_speed_kmh, --initial-speed-kmh).",
    )


def _plausible(speed_mps: float, label: str) -> float:
    if not SLOWEST_MPS <= speed_mps <= FASTEST_MPS:
        raise FileFormatError(
            f"The impact speed in {label} is {speed_mps * KMH_PER_MPS:.4g} km/h, which no crash test has.",
            hint="Check its unit, or say it beside the file (initial_speed_kmh, --initial-speed-kmh).",
        )
    return speed_mps
