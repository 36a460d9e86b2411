"""Which channels stand for the vehicle and for each chest, explained, and changed by hand where needed.

Vehicle: the places in the order of `VEHICLE_PLACES`, as published studies of NHTSA tests take them: stiffly
joined to the compartment, far from the crush. Left and right are averaged. An engine, wheel, brake, column
or dash sensor moves on its own and is only taken when somebody names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.errors import FileFormatError, InputError
from service.ingest.model import Quarantined, Selected
from service.ingest.options import ChannelChoice
from service.signals.channel import Channel
from service.signals.quality import check_acceleration

VEHICLE_PLACES = (
    ("rear_floor_left", "rear_floor_right"), ("rear_sill_left", "rear_sill_right"),
    ("seat_left", "seat_right"), ("vehicle_cg",), ("b_pillar_left", "b_pillar_right"),
    ("vehicle",),  # a table or a simulation may say no more than that
)  # fmt: skip
CHEST_PLACES = ("chest", "upper_spine")
MAX_REDUNDANT = 3
NAMED_KEYS = 30


@dataclass(frozen=True, eq=False)
class Sensor:
    """A longitudinal accelerometer that a file offers; it is parsed when it is loaded.

    Attributes:
        key: what chooses it by hand; unique in its file.
        name: how people recognise it.
        place: of `VEHICLE_PLACES` or `CHEST_PLACES`, empty for anything else.
        load: reads it; raises InputError with the reason when it cannot be used.
        seat: the occupant's seat code for a chest.
        redundant: whether another sensor at the same place is the primary one.
        initial_speed_mps: speed at first contact that the file says beside this channel.
    """

    key: str
    name: str
    place: str
    load: Callable[[], Channel]
    seat: str = ""
    redundant: bool = False
    initial_speed_mps: float | None = None


@dataclass(frozen=True, eq=False)
class Chest:
    """The chest channel of one seat with its redundant sensors."""

    channel: Channel | None = None
    redundant: tuple[Channel, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Selection:
    """What was taken: vehicle sensors, chests by seat, flags of the vehicle, reasons."""

    vehicle: tuple[Sensor, ...]
    vehicle_channels: tuple[Channel, ...]
    vehicle_redundant: tuple[Channel, ...]
    vehicle_flags: tuple[str, ...]
    chests: Mapping[str, Chest]
    selected: tuple[Selected, ...]
    quarantined: tuple[Quarantined, ...]


@dataclass(eq=False)
class _Bench:
    """Loads each sensor once; one that cannot be used is quarantined and reads as None."""

    sensors: Sequence[Sensor]
    quarantined: list[Quarantined] = field(default_factory=list)
    loaded: dict[str, Channel | None] = field(default_factory=dict)

    def channel(self, sensor: Sensor) -> Channel | None:
        if sensor.key not in self.loaded:
            try:
                channel = sensor.load()
                check_acceleration(channel)
                self.loaded[sensor.key] = channel
            except InputError as error:
                self.loaded[sensor.key] = None
                self.quarantined.append(Quarantined(sensor.name, str(error)))
        return self.loaded[sensor.key]

    def at(self, place: str, seat: str = "") -> list[Sensor]:
        """Primaries first, then in the order of the file."""
        found = [sensor for sensor in self.sensors if (sensor.place, sensor.seat) == (place, seat)]
        return sorted(found, key=lambda sensor: sensor.redundant)

    def usable(self, sensors: Iterable[Sensor]) -> Sensor | None:
        return next((sensor for sensor in sensors if self.channel(sensor) is not None), None)

    def others(self, sensors: Iterable[Sensor], taken: Sensor) -> tuple[Channel, ...]:
        rest = [sensor for sensor in sensors if sensor is not taken][:MAX_REDUNDANT]
        return tuple(channel for channel in map(self.channel, rest) if channel is not None)

    def named(self, key: str) -> Sensor:
        """A sensor chosen by hand: leading zeros and case do not matter."""
        plain = _plain_key(key)
        found = [sensor for sensor in self.sensors if _plain_key(sensor.key) == plain]
        if not found:
            hint = f"There are: {_listed(self.sensors)}."
            raise InputError(f"There is no x accelerometer {key!r} in this file.", hint=hint)
        if self.channel(found[0]) is None:
            reason = next(item.reason for item in self.quarantined if item.part == found[0].name)
            raise InputError(f"The chosen channel {key!r} cannot be used: {reason}")
        return found[0]


def _plain_key(key: str) -> str:
    return key.strip().casefold().lstrip("0")


def select(sensors: Sequence[Sensor], seats: Mapping[str, str], choice: ChannelChoice) -> Selection:
    """Choose the channels of a test.

    Args:
        sensors: all longitudinal accelerometers of the car and its occupants, in the order of the file.
        seats: seat code → role, the occupants to look for.
        choice: channels named by hand.

    Raises:
        InputError: a channel or occupant that is named by hand is not there or cannot be used.
    """
    for role in choice.chest:
        if role not in seats.values():
            raise InputError(
                f"There is no occupant {role!r}.", hint=f"There are: {', '.join(seats.values())}."
            )
    bench = _Bench(sensors)
    selected: list[Selected] = []
    vehicle, redundant, flags = _vehicle(bench, choice.vehicle, selected)
    chests = {
        seat: _chest(bench, seat, role, choice.chest.get(role), selected) for seat, role in seats.items()
    }
    return Selection(
        vehicle=vehicle,
        vehicle_channels=tuple(channel for channel in map(bench.channel, vehicle) if channel is not None),
        vehicle_redundant=redundant,
        vehicle_flags=flags,
        chests=chests,
        selected=tuple(selected),
        quarantined=tuple(bench.quarantined),
    )


Vehicle = tuple[tuple[Sensor, ...], tuple[Channel, ...], tuple[str, ...]]


def _vehicle(bench: _Bench, keys: Sequence[str], selected: list[Selected]) -> Vehicle:
    if keys:
        named = tuple(bench.named(key) for key in keys)
        selected += [_taken("vehicle", sensor, "chosen by hand") for sensor in named]
        return named, (), ("vehicle_chosen_by_hand",)
    for rank, places in enumerate(VEHICLE_PLACES):
        offered = [bench.at(place) for place in places]
        found = [bench.usable(sensors) for sensors in offered]
        taken = tuple(sensor for sensor in found if sensor is not None)
        if taken:
            later = [
                s.key for group in VEHICLE_PLACES[rank + 1 :] for place in group for s in bench.at(place)
            ]
            selected += [_taken("vehicle", sensor, _why_vehicle(sensor, taken, later)) for sensor in taken]
            pairs = [(sensors, sensor) for sensors, sensor in zip(offered, found, strict=True) if sensor]
            redundant = tuple(channel for pair in pairs for channel in bench.others(*pair))
            return taken, redundant, _vehicle_flags(taken, len(places))
    return (), (), ()


def _vehicle_flags(taken: tuple[Sensor, ...], places: int) -> tuple[str, ...]:
    flags = ("vehicle_redundant_sensor",) if any(sensor.redundant for sensor in taken) else ()
    return flags + (("vehicle_one_side",) if len(taken) < places else ())


def _why_vehicle(sensor: Sensor, taken: tuple[Sensor, ...], later: list[str]) -> str:
    place = sensor.place.replace("_", " ")
    mean = "mean of left and right" if len(taken) == 2 else "one sensor"
    passed = f"; not taken, less stiffly joined: {', '.join(later[:NAMED_KEYS])}" if later else ""
    return f"{place}: the best place with a usable sensor ({mean}){passed}"


def _chest(bench: _Bench, seat: str, role: str, key: str | None, selected: list[Selected]) -> Chest:
    if key is not None:
        sensor = bench.named(key)
        selected.append(_taken(f"chest of {role}", sensor, "chosen by hand"))
        return Chest(bench.channel(sensor), flags=("chest_chosen_by_hand",))
    for place in CHEST_PLACES:
        offered = bench.at(place, seat)
        taken = bench.usable(offered)
        if taken is not None:
            others = [sensor.key for sensor in offered if sensor is not taken]
            kind = "redundant sensor, the primary one cannot be used" if taken.redundant else "primary sensor"
            compared = f"; compared with {', '.join(others)}" if others else ""
            selected.append(_taken(f"chest of {role}", taken, f"{place.replace('_', ' ')}: {kind}{compared}"))
            flags = ("chest_redundant_sensor",) if taken.redundant else ()
            return Chest(bench.channel(taken), bench.others(offered, taken), flags)
    return Chest()


def _taken(role: str, sensor: Sensor, reason: str) -> Selected:
    return Selected(role, sensor.name, sensor.key, reason)


def check_something_usable(selection: Selection, sensors: Sequence[Sensor], label: str) -> None:
    """Refuse a test without vehicle pulse or without any chest, and say what was wrong with each channel.

    Raises:
        FileFormatError: nothing that can be labelled.
    """
    if not selection.vehicle:
        raise _nothing_usable(
            "No usable x accelerometer of the occupant compartment", label, selection, sensors
        )
    if all(chest.channel is None for chest in selection.chests.values()):
        raise _nothing_usable("No usable chest accelerometer of an occupant", label, selection, sensors)


def _nothing_usable(
    what: str, label: str, selection: Selection, sensors: Sequence[Sensor]
) -> FileFormatError:
    reasons = "; ".join(f"{item.part}: {item.reason}" for item in selection.quarantined)
    hint = f"If another one serves, name it; x accelerometers here: {_listed(sensors)}." if sensors else ""
    return FileFormatError(f"{what} in {label}. {reasons}".strip(), hint=hint)


def _listed(sensors: Sequence[Sensor]) -> str:
    named = ", ".join(f"{sensor.key} ({sensor.name})" for sensor in sensors[:NAMED_KEYS])
    rest = len(sensors) - NAMED_KEYS
    return f"{named} and {rest} more" if rest > 0 else named or "none"
