"""What 16-character channel codes mean for a label: places of the vehicle, chests, seats, dummies.

Positions as in ISO/TS 13499; NHTSA's own exports put the rear sill under `DOOR` and repeat codes.
"""

from __future__ import annotations

import re

from service.ingest.iso_mme_files import ChannelCode

CHESTS = {"CHST": "chest", "THSP": "upper_spine", "SPIN": "upper_spine"}
REAR_PLACES = {"FORA": "rear_floor", "DOOR": "rear_sill", "SEAT": "seat"}
LEFT, RIGHT = set("147"), set("369")
SEATS = {
    "2": "center_front", "4": "left_rear", "5": "center_rear", "6": "right_rear",
    "7": "left_third", "8": "center_third", "9": "right_third",
}  # fmt: skip
FRONT_SEATS = ("1", "3")
# Type and size in NHTSA's codes, so that features of all formats agree.
DUMMIES = {
    "H3": ("H3", "50"), "HF": ("H3", "05"), "HM": ("H3", "95"), "TH": ("TH", "50"), "T3": ("TH", "50"),
    "TF": ("TH", "05"), "T5": ("TH", "05"),
}  # fmt: skip
_REDUNDANT_NAME = re.compile(r"REDUNDAN|\bX ?R\b", re.IGNORECASE)


def is_longitudinal_acceleration(code: ChannelCode) -> bool:
    return code.dimension == "AC" and code.direction in {"X", "1"}


def place_of(code: ChannelCode) -> str:
    """Place of `VEHICLE_PLACES` or `CHEST_PLACES`; empty for anything else."""
    if code.location in CHESTS:
        return CHESTS[code.location] if code.position != "0" else ""
    if code.location == "VEHC" and code.fine.startswith("CG"):
        return "vehicle_cg"
    if code.location in REAR_PLACES and code.fine[2:] == "RE":
        return _sided(REAR_PLACES[code.location], code)
    return _sided("b_pillar", code) if code.location == "BPIL" else ""


def _sided(place: str, code: ChannelCode) -> str:
    if code.fine.startswith("LE") or (code.fine.startswith("00") and code.position in LEFT):
        return f"{place}_left"
    if code.fine.startswith("RI") or (code.fine.startswith("00") and code.position in RIGHT):
        return f"{place}_right"
    return ""


def role_of(position: str, driver_position: str) -> str:
    """Plain name of a seat; in a car with the wheel on the right the driver sits at position 3."""
    if position == driver_position:
        return "driver"
    return "passenger" if position in FRONT_SEATS else SEATS.get(position, f"seat_{position}")


def is_redundant(code: ChannelCode, name: str) -> bool:
    """Whether code or name say that another sensor is the primary one."""
    return code.dummy == "RD" or bool(_REDUNDANT_NAME.search(name))
