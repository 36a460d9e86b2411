"""Ready-made feature schemas; a published one never changes, a better one gets the next number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service.campaigns.schemas import Feature
from service.errors import FieldError, InputError
from service.vocabulary import FeatureKind


@dataclass(frozen=True)
class FeatureSchema:
    """Features that belong together, with where their definitions come from."""

    name: str
    title: str
    source: str
    features: tuple[Feature, ...]


def _number(
    name: str,
    unit: str,
    low: float,
    high: float,
    tolerance: float,
    description: str,
    *,
    required: bool = False,
) -> Feature:
    return Feature(
        name=name, unit=unit, minimum=low, maximum=high, tolerance=tolerance, required=required,
        description=description,
    )  # fmt: skip


def _category(name: str, codes: str, description: str) -> Feature:
    return Feature(
        name=name, kind=FeatureKind.CATEGORICAL, categories=codes.split(), required=False,
        description=description,
    )  # fmt: skip


def _boolean(name: str, description: str) -> Feature:
    return Feature(name=name, kind=FeatureKind.BOOLEAN, required=False, description=description)


def _year(name: str, description: str) -> Feature:
    return Feature(
        name=name, kind=FeatureKind.INTEGER, unit="year", minimum=1960, maximum=2040, tolerance=0,
        required=False, description=description,
    )  # fmt: skip


# Ranges refuse what cannot be (a mass in lb, a length in inch), not what is rare: rare is for data hygiene.
# Tolerances are what a laboratory is expected to keep between plan and test.
NHTSA_FRONTAL_1 = FeatureSchema(
    name="nhtsa_frontal/1",
    title="Frontal tests of the NHTSA vehicle crash test database",
    source="NHTSA Test Reference Guide, volume I (vehicle tests), version 5; codes as in EV5 files.",
    features=(
        _number("impact_speed_kmh", "km/h", 10, 130, 1.0,
                "Speed of the car at first contact, as planned. VEHSPD, else CLSSPD against what stands still.",
                required=True),
        _category("test_configuration", "VTB VTP VTV VTI ITV SLB SLN", "What meets what: VTB car into barrier, "
                  "VTP into pole, VTV into vehicle, ITV impactor into car, SLB sled with body. TSTCFN."),
        _category("test_type", "NCA ONC 208 301 RES DEV MOD BAS OCC COM ELE OTH",
                  "Programme: NCA new car assessment, 208 FMVSS 208, RES research. TSTTYP."),
        _number("impact_angle_deg", "deg", -360, 360, 1.0, "0 = frontal, clockwise. IMPANG."),
        _number("offset_mm", "mm", -1500, 1500, 25.0, "Lateral offset of the impact, 0 = full overlap. OFFSET."),
        _category("barrier_rigidity", "R D", "R rigid, D deformable. BARRIG."),
        _category("barrier_shape", "LCB FLB FAB POL OTH", "LCB load cells, FLB flat, FAB angled, POL pole. BARSHP."),
        _number("barrier_angle_deg", "deg", -90, 90, 1.0, "Angle of the barrier's face. BARANG."),
        _number("temperature_degc", "degC", -30, 60, 4.0, "Temperature of test and dummies. TEMP."),
        _number("test_mass_kg", "kg", 500, 8000, 15.0, "Mass as tested, with dummies and ballast. VEHTWT."),
        _number("curb_mass_kg", "kg", 400, 8000, 15.0, "Mass without occupants and cargo. CURBWT."),
        _number("wheelbase_mm", "mm", 1500, 5000, 10.0, "WHLBAS."),
        _number("vehicle_length_mm", "mm", 2400, 7500, 20.0, "VEHLEN."),
        _number("vehicle_width_mm", "mm", 1200, 2600, 20.0, "VEHWID."),
        _number("front_axle_to_cg_mm", "mm", 500, 3200, 25.0, "Centre of gravity behind the front axle. VEHCG."),
        _number("bumper_to_engine_mm", "mm", 50, 3000, 15.0, "Free length before the engine: BX1 - BX2."),
        _number("bumper_to_firewall_mm", "mm", 200, 3500, 15.0, "BX1 - BX3."),
        _number("bumper_to_steering_column_mm", "mm", 400, 4000, 15.0, "BX1 - BX16."),
        _number("engine_block_length_mm", "mm", 50, 1500, 10.0, "BX21."),
        _number("crush_space_mm", "mm", 100, 3000, 20.0,
                "Derived: bumper to firewall less the engine block, (BX1 - BX3) - BX21."),
        _number("engine_to_firewall_gap_mm", "mm", -500, 2000, 20.0,
                "Derived: between engine block and firewall, (BX2 - BX3) - BX21."),
        _number("firewall_share_of_length", "1", 0.05, 0.6, 0.01, "Derived: (BX1 - BX3) / BX1."),
        _number("column_to_a_post_mm", "mm", 50, 1500, 10.0, "BX17."),
        _number("column_to_headliner_mm", "mm", 50, 1500, 10.0, "BX18."),
        _year("model_year", "YEAR."),
        _category("body_type", "2C 2D 2S 3H 4D 4H 4S 5H CV EX LM MV PU SW TR UV VN OT",
                  "4S four-door sedan, 5H five-door hatchback, UV utility, PU pickup, EX extended cab, MV minivan, "
                  "VN van, SW station wagon. BODY."),
        _category("engine_type", "3CTF 4CIF 4CTF 4CLM 4CLR S5IF S6IF S6TF V6IF V6TF V8IF V8TF ROTR ELEC OTHR",
                  "Cylinders and how they lie: CIF inline front, CTF transverse front; ELEC electric. ENGINE."),
        _number("engine_displacement_l", "l", 0.3, 10, 0.1, "ENGDSP."),
        _category("transmission", "AF AR A4 MF MR M4 OT", "A automatic, M manual; F, R, 4 driven wheels. TRANSM."),
        _category("vehicle_modification", "P M R N Y", "P production, M modified, R research. MODIND."),
        _category("steering_column_type", "BWU CON CYL EMB EXA NON OTH", "How the column collapses. COLMEC."),
        _category("dummy_type", "H3 TH P5 OT", "H3 Hybrid III, TH THOR, P5 Part 572. OCCTYP."),
        _category("dummy_size", "05 50 95 OT", "Percentile. DUMSIZ."),
        _category("occupant_sex", "M F", "OCCSEX."),
        _category("seat_position", "CN FW RW NO", "CN centre, FW forward, RW rearward, NO fixed. SEPOSN."),
        _number("chest_to_steering_wheel_mm", "mm", 50, 900, 20.0, "Driver only. CS."),
        _number("chest_to_dash_mm", "mm", 100, 1200, 20.0, "Clearance, not chest deflection. CD."),
        _number("knee_to_dash_mm", "mm", 10, 900, 20.0, "KD."),
        _number("head_to_windshield_mm", "mm", 100, 1300, 25.0, "HW."),
        _number("head_to_header_mm", "mm", 50, 1200, 25.0, "HH."),
        _category("belt_type", "3PT PS2 PS3 LAP ABT", "3PT three-point, PS passive, ABT air belt. RSTTYP."),
        _boolean("has_belt_pretensioner", "As the belt's comment says. RSTCOM."),
        _boolean("has_belt_load_limiter", "As the belt's comment says. RSTCOM."),
        _boolean("has_frontal_airbag", "RSTTYP FRT, or ABG on wheel or dash."),
        _boolean("has_knee_airbag", "RSTTYP KNE with an air bag in its comment."),
    ),
)  # fmt: skip

FEATURE_SCHEMAS: Mapping[str, FeatureSchema] = MappingProxyType({NHTSA_FRONTAL_1.name: NHTSA_FRONTAL_1})


def library_features(library: str, only: list[str] | None = None) -> list[Feature]:
    """The features of a ready-made schema, or those of them that `only` names, in the order of the schema.

    Raises:
        InputError: unknown schema or feature, naming those that there are.
    """
    schema = FEATURE_SCHEMAS.get(library)
    if schema is None:
        known = ", ".join(FEATURE_SCHEMAS)
        raise InputError(f"There is no feature schema '{library}'.", hint=f"Ready-made are: {known}.")
    names = {feature.name for feature in schema.features}
    unknown = [name for name in only or () if name not in names]
    if unknown:
        errors = [
            FieldError("/feature_schema/only", f"{library} has no feature '{name}'") for name in unknown
        ]
        raise InputError(f"{library} has no feature '{unknown[0]}'.", errors=errors)
    return [feature for feature in schema.features if only is None or feature.name in only]
