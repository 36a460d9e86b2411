"""Fleets of designs to test, drawn platform by platform.

The default fleet stands for the US frontal tests of the last decades: its means and deviations of mass,
pulse, chest load and rebound are those of the NHTSA tests that LossVal was trained on. The target
domain is what a maker tests next: heavier, newer, mostly battery-electric utility vehicles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from worker.simulation.schema import FEATURES, Design, FeatureValue

DESIGNS_PER_PLATFORM = 5


@dataclass(frozen=True)
class Domain:
    """How the platforms of a fleet are distributed; weights need not sum to one."""

    prefix: str
    body_weights: dict[str, float]
    powertrain_weights: dict[str, float]
    mass_kg: dict[str, tuple[float, float]]  # mean and deviation per body style
    battery_mass_kg: float
    first_year: int
    last_year: int
    crush_space_mm: float
    stiffness_factor: float  # stiffness relative to the one that stops the mass in the crush space
    modern_restraint: float  # share of platforms with double pretensioner and low limiter
    shares_of_speed: dict[float, float]


HISTORIC = Domain(
    prefix="platform",
    body_weights={"hatchback": 0.15, "sedan": 0.38, "suv": 0.27, "pickup": 0.14, "van": 0.06},
    powertrain_weights={"combustion": 0.86, "hybrid": 0.08, "battery_electric": 0.06},
    mass_kg={
        "hatchback": (1360, 150),
        "sedan": (1640, 190),
        "suv": (2080, 270),
        "pickup": (2400, 300),
        "van": (2130, 200),
    },
    battery_mass_kg=280,
    first_year=1999,
    last_year=2022,
    crush_space_mm=655,
    stiffness_factor=1.0,
    modern_restraint=0.3,
    shares_of_speed={56.3: 0.90, 48.3: 0.04, 40.2: 0.06},
)
TARGET = Domain(
    prefix="target-platform",
    body_weights={"suv": 0.7, "sedan": 0.15, "pickup": 0.15},
    powertrain_weights={"battery_electric": 0.75, "hybrid": 0.25},
    mass_kg={"sedan": (1900, 150), "suv": (2220, 200), "pickup": (2500, 220)},
    battery_mass_kg=200,
    first_year=2020,
    last_year=2026,
    crush_space_mm=620,
    stiffness_factor=1.06,
    modern_restraint=0.75,
    shares_of_speed={56.3: 0.97, 40.2: 0.03},
)


def sample_fleet(count: int, generator: np.random.Generator, *, target_domain: bool = False) -> list[Design]:
    """Draw designs of about `count` / 5 platforms, in random order of platform.

    Platform names repeat from call to call (`platform-001` ...): draw what belongs together, such as
    tests and candidates, in one call and divide it by platform. The names of the two domains differ.

    Args:
        count: number of designs, >= 0.
        generator: the only source of chance.
        target_domain: heavier and newer vehicles instead of the historic fleet.

    Returns:
        `count` designs: every feature of `schema.FEATURES` and `platform`, the group. O(count).
    """
    if count < 0:
        raise ValueError(f"count is {count}; give 0 or more designs")
    domain = TARGET if target_domain else HISTORIC
    platforms = [
        _platform(domain, number, generator)
        for number in range(1, 1 + math.ceil(count / DESIGNS_PER_PLATFORM))
    ]
    return [_variant(domain, platforms[generator.integers(len(platforms))], generator) for _ in range(count)]


def _pick(weights: dict[str, float], generator: np.random.Generator) -> str:
    shares = np.array(list(weights.values()))
    return list(weights)[int(generator.choice(shares.size, p=shares / shares.sum()))]


def _platform(domain: Domain, number: int, generator: np.random.Generator) -> Design:
    """What the variants of one platform share: body, drive, structure and restraint concept."""
    body = _pick(domain.body_weights, generator)
    powertrain = _pick(domain.powertrain_weights, generator)
    mass = generator.normal(*domain.mass_kg[body])
    mass += {"battery_electric": 1.0, "hybrid": 0.3}.get(powertrain, 0.0) * domain.battery_mass_kg
    crush_mm = generator.normal(domain.crush_space_mm, 50)
    # A front is laid out to stop its mass at 56 km/h; longer fronts can be softer.
    stiffness = 1255 * domain.stiffness_factor * mass / 1918 * (655 / crush_mm) ** 1.5
    clearance = {"combustion": 0.60, "hybrid": 0.58, "battery_electric": 0.68}[powertrain]
    modern = bool(generator.random() < domain.modern_restraint)
    return {
        "platform": f"{domain.prefix}-{number:03d}",
        "body_type": body,
        "powertrain": powertrain,
        "model_year": int(generator.integers(domain.first_year, domain.last_year + 1)),
        "test_mass_kg": mass,
        "crush_space_mm": crush_mm,
        "engine_clearance_mm": clearance * crush_mm + generator.normal(0, 50),
        "front_stiffness_kn_per_m": stiffness * math.exp(generator.normal(0, 0.11)),
        "chest_to_wheel_mm": generator.normal(310, 25),
        **_restraint_concept(modern=modern, generator=generator),
    }


def _restraint_concept(*, modern: bool, generator: np.random.Generator) -> Design:
    pretensioners = (
        {"double": 0.6, "buckle": 0.3, "retractor": 0.1}
        if modern
        else {"none": 0.05, "retractor": 0.5, "buckle": 0.4, "double": 0.05}
    )
    return {
        "pretensioner": _pick(pretensioners, generator),
        "load_limiter_kn": generator.normal(*((4.7, 0.5) if modern else (6.1, 0.7))),
        "knee_air_bag": bool(generator.random() < (0.6 if modern else 0.25)),
        "restraint_fire_time_ms": generator.normal(15.8, 3.6),
        "air_bag_vent_mm": generator.normal(45, 5),
        "webbing_elongation_percent": generator.normal(9.5, 1.4),
    }


def _variant(domain: Domain, platform: Design, generator: np.random.Generator) -> Design:
    """One design: its platform with its own trim, calibration, dummy and test condition."""
    small = bool(generator.random() < 0.15)
    speeds = {str(speed): share for speed, share in domain.shares_of_speed.items()}
    spread = {
        "test_mass_kg": 70.0,
        "front_stiffness_kn_per_m": 40.0,
        "chest_to_wheel_mm": 12.0,
        "load_limiter_kn": 0.35,
        "restraint_fire_time_ms": 1.6,
        "air_bag_vent_mm": 3.0,
        "webbing_elongation_percent": 1.0,
    }
    drawn = {name: float(platform[name]) + generator.normal(0, sigma) for name, sigma in spread.items()}
    drawn["chest_to_wheel_mm"] -= 55.0 if small else 0.0
    year = int(platform["model_year"]) + int(generator.integers(0, 3))
    return _within_ranges({
        **platform,
        **drawn,
        "model_year": year,
        "impact_speed_kmh": float(_pick(speeds, generator)) + generator.normal(0, 0.25),
        "belt_slack_mm": generator.gamma(5.0, 4.0),
        "dummy": _dummy(year, small=small, generator=generator),
    })  # fmt: skip


def _dummy(year: int, *, small: bool, generator: np.random.Generator) -> str:
    if small:
        return "hybrid_iii_05f"
    return "thor_50m" if year >= 2015 and generator.random() < 0.2 else "hybrid_iii_50m"


def _within_ranges(design: Design) -> Design:
    """The design in the order of the schema, numbers inside their ranges and rounded as people write them."""
    ordered: dict[str, FeatureValue] = {"platform": design["platform"]}
    for feature in FEATURES:
        value = design[feature.name]
        if feature.kind == "continuous" and feature.minimum is not None and feature.maximum is not None:
            value = round(min(max(float(value), feature.minimum), feature.maximum), 2)
        ordered[feature.name] = value
    return ordered
