"""Features that follow from others: how much room the front has to crush, free of the size of the car."""

from __future__ import annotations

from collections.abc import Mapping

from service.ingest.model import FeatureValue


def with_derived(features: Mapping[str, FeatureValue]) -> dict[str, FeatureValue]:
    """The features with the derived ones; unknown (None) where one that is needed is unknown.

    - `crush_space_mm`: bumper to firewall less the engine block, which does not crush.
    - `engine_to_firewall_gap_mm`: room behind the engine block.
    - `firewall_share_of_length`: bumper to firewall over the length of the car.
    """
    firewall, engine, block, length = (
        _number(features.get(name))
        for name in (
            "bumper_to_firewall_mm",
            "bumper_to_engine_mm",
            "engine_block_length_mm",
            "vehicle_length_mm",
        )
    )
    crush_space = None if firewall is None or block is None else firewall - block
    return {
        **features,
        "crush_space_mm": crush_space,
        "engine_to_firewall_gap_mm": None if crush_space is None or engine is None else crush_space - engine,
        "firewall_share_of_length": None if firewall is None or not length else firewall / length,
    }


def _number(value: FeatureValue) -> float | None:
    return value if isinstance(value, float) else None
