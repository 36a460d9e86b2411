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


@dataclass(frozen=True, eq=False)
class Occupant:
    """One occupant: what was known before the test, and the chest signal when there is a usable one.

    Attributes:
        location: the source's seat code; `role` is its plain name (driver, passenger, rear_left ...).
        features: canonical names with units; None = unknown.
        chest: x acceleration of the chest, unfiltered.
        flags: what was noticed while the channel was chosen.
    """

    location: str
    role: str
    features: Mapping[str, FeatureValue]
    chest: Channel | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CrashTest:
    """One car in one crash test.

    Attributes:
        test_number: the test's identifier in its database.
        format: ev5; more formats will follow.
        title: one line for people.
        platform: make and model in the source's codes, for splits that keep a car on one side.
        features: of test and car, canonical names with units, only what is known before the test.
        impact_angle_deg: 0 = frontal, clockwise; None = unknown.
        initial_speed_mps: speed of the car at first contact.
        vehicle: x accelerations of the occupant compartment whose mean is the vehicle pulse, unfiltered.
        occupants: in the order of the file.
        quarantined: channels and records left out.
        flags: what was noticed while speed and vehicle sensors were chosen.
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
