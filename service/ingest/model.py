"""What every reader of crash-test files produces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.signals.channel import Channel

FeatureValue = float | str | None


@dataclass(frozen=True)
class Quarantined:
    """A part of the file that was left out, and why; the rest of the test is still good."""

    part: str
    reason: str


@dataclass(frozen=True)
class Selected:
    """A channel that a label is made of, and why it was taken.

    Attributes:
        role: `vehicle`, or `chest of driver` ...
        channel: its name; `key` is what chooses it by hand.
        reason: one sentence for people, with the keys of what was not taken.
    """

    role: str
    channel: str
    key: str
    reason: str


@dataclass(frozen=True, eq=False)
class Occupant:
    """One occupant: what was known before the test, and the chest signal when there is a usable one.

    Attributes:
        location: the source's seat code; `role` is its plain name (driver, passenger, rear_left ...).
        features: canonical names with units; None = unknown.
        chest: x acceleration of the chest, unfiltered.
        flags: what was noticed while the channel was chosen.
        chest_redundant: further readable sensors of the same chest; they tell how sure the label is.
    """

    location: str
    role: str
    features: Mapping[str, FeatureValue]
    chest: Channel | None
    flags: tuple[str, ...] = ()
    chest_redundant: tuple[Channel, ...] = ()


@dataclass(frozen=True, eq=False)
class CrashTest:
    """One car in one crash test.

    Attributes:
        test_number: the test's identifier in its database.
        format: a key of `READERS`: ev5, iso_mme, tdms, binout, csv.
        title: one line for people.
        platform: make and model in the source's codes, for splits that keep a car on one side.
        features: of test and car, canonical names with units, only what is known before the test.
        impact_angle_deg: 0 = frontal, clockwise; None = unknown.
        initial_speed_mps: speed of the car at first contact.
        vehicle: x accelerations of the occupant compartment whose mean is the vehicle pulse, unfiltered.
        occupants: in the order of the file.
        quarantined: channels and records left out.
        flags: what was noticed while speed and vehicle sensors were chosen.
        vehicle_redundant: further readable sensors at the places of `vehicle`.
        selection: which channels were taken and why.
        fixed_obstacle: whether the car hit something that does not move; None = unknown.
    """

    test_number: str
    format: str
    title: str
    platform: str | None
    features: Mapping[str, FeatureValue]
    impact_angle_deg: float | None
    initial_speed_mps: float
    vehicle: tuple[Channel, ...]
    occupants: tuple[Occupant, ...]
    quarantined: tuple[Quarantined, ...] = field(default=())
    flags: tuple[str, ...] = field(default=())
    vehicle_redundant: tuple[Channel, ...] = ()
    selection: tuple[Selected, ...] = ()
    fixed_obstacle: bool | None = None
