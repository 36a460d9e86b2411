"""What the test itself produced: names under which results come along, which must never be features.

A surrogate that sees one of them looks excellent in every check and knows nothing about the next test. The
fields are those of the NHTSA Test Reference Guide, volume I, version 5, with the names that engineers use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

UNITS = frozenset(
    [
        "mm",
        "m",
        "g",
        "n",
        "kn",
        "ms",
        "s",
        "kmh",
        "mps",
        "mps2",
        "deg",
        "degc",
        "kg",
        "percent",
        "hz",
        "j",
        "kj",
        "nm",
    ]
)
_SEPARATED = re.compile(r"[\s_/.-]+")

# NHTSA field: (what it is, other names). The field's own name counts too.
_RESULTS: dict[str, tuple[str, str]] = {
    "HIC": ("head injury criterion", "hic15 hic36 head_injury_criterion"),
    "T1": ("start of the HIC window", "hic_t1"),
    "T2": ("end of the HIC window", "hic_t2"),
    "CLIP3M": ("3 ms clip of the chest", "chest_3ms chest_clip chest_clip_3ms thorax_3ms"),
    "CSI": ("chest severity index", "chest_severity_index"),
    "LFEM": ("left femur load", "left_femur left_femur_load"),
    "RFEM": ("right femur load", "right_femur right_femur_load femur_load"),
    "LBELT": ("lap belt load", "lap_belt_load lap_belt_force"),
    "SBELT": ("shoulder belt load", "shoulder_belt_load shoulder_belt_force belt_load belt_force"),
    "TTI": ("thoracic trauma index", "thoracic_trauma_index"),
    "PELVG": ("pelvis acceleration", "pelvis_acceleration"),
    "CNTRH1": ("head contact", "cntrh2 head_contact"),
    "CNTRC1": ("chest contact", "cntrc2 chest_contact"),
    "CNTRL1": ("leg contact", "cntrl2 leg_contact"),
    "DEPLOY": ("deployment of the air bag", "airbag_deployed airbag_deployment air_bag_deployed"),
    "CRHDST": ("static crush", "max_crush crush_distance static_crush vax_crush_distance maximum_crush"),
    "VDI": ("vehicle damage index", "vehicle_damage_index"),
    "LENCNT": ("length of contact", "contact_length"),
    "DAMDST": ("damage distance", "damage_distance"),
    "PDOF": ("principal direction of force, from the damage", "principal_direction_of_force"),
    "STRSEP": ("separation of the steering column", "steering_column_separation"),
    "CARANG": ("carriage angle after the test", ""),
    "VEHOR": ("orientation after the test", ""),
    "BMPENG": ("engagement of the bumper", ""),
    "SILENG": ("engagement of the sill", ""),
    "APLENG": ("engagement of the A-pillar", ""),
    "TOTCRV": ("number of recorded curves", ""),
    "PREMAX": ("maximum of a channel", ""),
    "PREMIN": ("minimum of a channel", ""),
    "INTRUSION": ("intrusion", "intrusion_distance footwell_intrusion"),
    "CHEST_DEFLECTION": ("chest deflection", "chest_compression chest_displacement"),
    "ROLC": ("the load criterion itself", "rolc_p rolcp"),
    "ROLC_T1": ("start of the ROLC window", "label_t1"),
    "ROLC_T2": ("end of the ROLC window", "label_t2"),
    "OLC": ("load criterion of the measured pulse", "olc_pp occupant_load_criterion"),
    "VEHICLE_CLIP_3MS": ("3 ms clip of the measured pulse", "vehicle_3ms vehicle_3ms_maximum pulse_3ms"),
    "REBOUND_SPEED": ("speed of rebound", "rebound_velocity"),
    **{f"DPD{number}": ("damage profile", "") for number in range(1, 7)},
    **{f"AX{number}": ("geometry after the test", "") for number in range(1, 22)},
}  # fmt: skip


def _plain(name: str) -> str:
    """The name without separators, and without a unit at its end."""
    words = [word for word in _SEPARATED.split(name.strip().lower()) if word]
    while len(words) > 1 and words[-1] in UNITS:
        words.pop()
    return "".join(words)


AFTER_TEST: Mapping[str, tuple[str, str]] = MappingProxyType({
    _plain(name): (field, meaning)
    for field, (meaning, others) in _RESULTS.items()
    for name in (field, *others.split())
})  # fmt: skip


def known_after_test(name: str) -> str | None:
    """What a feature of this name would leak, for example `static crush (CRHDST)`; None when nothing is known.

    Case, separators and a unit at the end do not matter: `crhdst`, `Max_Crush_mm` and `max-crush` are one.
    A name of its own, such as `simulated_olc_g` or `previous_body_olc_g`, is taken at its word.
    """
    found = AFTER_TEST.get(_plain(name))
    return f"{found[1]} ({found[0]})" if found else None
