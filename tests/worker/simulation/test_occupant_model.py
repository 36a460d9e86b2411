"""Invariants of the lumped-mass model: momentum, energy, monotonic physics, vectorised = single."""

import numpy as np
import pytest

from worker.simulation import FEATURES, DesignError, label, labels, occupant_model, sample_fleet, simulate
from worker.simulation.occupant_model import PRE_TRIGGER_SAMPLES, SAMPLE_INTERVAL_S
from worker.simulation.parameters import DUMMIES

REFERENCE = {
    "impact_speed_kmh": 56.3,
    "test_mass_kg": 1900.0,
    "model_year": 2012,
    "body_type": "sedan",
    "powertrain": "combustion",
    "crush_space_mm": 655.0,
    "engine_clearance_mm": 390.0,
    "front_stiffness_kn_per_m": 1250.0,
    "chest_to_wheel_mm": 330.0,
    "belt_slack_mm": 20.0,
    "webbing_elongation_percent": 9.5,
    "pretensioner": "buckle",
    "restraint_fire_time_ms": 15.0,
    "load_limiter_kn": 6.0,
    "air_bag_vent_mm": 45.0,
    "knee_air_bag": False,
    "dummy": "hybrid_iii_50m",
}


def varied(name: str, values: list) -> list:
    return label(simulate([{**REFERENCE, name: value} for value in values]))


@pytest.fixture(scope="module")
def designs() -> list[dict]:
    return sample_fleet(40, np.random.default_rng(1))


@pytest.fixture(scope="module")
def crashes(designs):
    return simulate(designs)


def masses(designs: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    chest = np.array([DUMMIES[design["dummy"]].chest_mass_kg for design in designs])
    return np.array([design["test_mass_kg"] for design in designs]) - chest, chest


def speeds(acceleration: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """The integration of the model itself: speed after each sample."""
    return initial[:, None] + np.cumsum(acceleration, axis=1) * SAMPLE_INTERVAL_S


def test_signals_are_sampled_at_10_khz_around_the_contact(crashes) -> None:
    np.testing.assert_allclose(np.diff(crashes.time_s), 1e-4, rtol=1e-9)
    assert crashes.time_s[PRE_TRIGGER_SAMPLES] == 0
    assert crashes.time_s[0] == pytest.approx(-0.03)
    assert crashes.time_s[-1] >= 0.2
    for signal in (crashes.vehicle_acceleration_mps2, crashes.chest_acceleration_mps2):
        assert signal.shape == (40, crashes.time_s.size)
        assert np.isfinite(signal).all()
        assert not signal[:, :PRE_TRIGGER_SAMPLES].any()


def test_momentum_changes_by_the_wall_force_only(designs, crashes) -> None:
    vehicle_kg, chest_kg = masses(designs)
    momentum = (
        vehicle_kg[:, None] * crashes.vehicle_acceleration_mps2
        + chest_kg[:, None] * crashes.chest_acceleration_mps2
    )
    np.testing.assert_allclose(momentum, -crashes.wall_force_n, atol=1e-6 * crashes.wall_force_n.max())


def test_the_wall_takes_the_lost_kinetic_energy_and_gives_little_back(designs, crashes) -> None:
    vehicle_kg, chest_kg = masses(designs)
    v = speeds(crashes.vehicle_acceleration_mps2, crashes.initial_speed_mps)
    u = speeds(crashes.chest_acceleration_mps2, crashes.initial_speed_mps)
    before = 0.5 * (vehicle_kg + chest_kg) * crashes.initial_speed_mps**2
    energy = 0.5 * (vehicle_kg[:, None] * v**2 + chest_kg[:, None] * u**2)
    assert (energy <= before[:, None] * 1.001).all(), "nothing drives the crash but its own speed"
    work = np.cumsum(crashes.wall_force_n * v, axis=1) * SAMPLE_INTERVAL_S
    absorbed, left_in_vehicle = work[:, -1], 0.5 * vehicle_kg * v[:, -1] ** 2
    # What is not absorbed by the front is left in the vehicle or dissipated at the driver (about 2 %).
    rest = (before - absorbed - left_in_vehicle) / before
    assert (rest > 0).all()
    assert (rest < 0.03).all()


def test_crush_stays_plausible_and_the_vehicle_leaves_the_wall(crashes) -> None:
    v = speeds(crashes.vehicle_acceleration_mps2, crashes.initial_speed_mps)
    crush = np.cumsum(np.where(crashes.time_s >= 0, v, 0), axis=1).max(axis=1) * SAMPLE_INTERVAL_S
    assert (crush > 0.2).all()
    assert (crush < 1.0).all()
    assert (crashes.wall_force_n >= 0).all()
    assert not crashes.wall_force_n[:, -200:].any()


def test_halving_the_step_hardly_moves_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = varied("pretensioner", ["none", "double"])
    for module in (occupant_model, labels):
        monkeypatch.setattr(module, "SAMPLE_INTERVAL_S", SAMPLE_INTERVAL_S / 2)
    monkeypatch.setattr(occupant_model, "IMPACT_SAMPLES", 4400)
    monkeypatch.setattr(occupant_model, "PRE_TRIGGER_SAMPLES", 600)
    for before, after in zip(coarse, varied("pretensioner", ["none", "double"]), strict=True):
        assert after.rolc_g == pytest.approx(before.rolc_g, abs=0.15)
        assert after.olc_g == pytest.approx(before.olc_g, abs=0.15)


def test_together_or_alone_gives_the_same_bytes(designs, crashes) -> None:
    alone = simulate(designs[7:8])
    np.testing.assert_array_equal(alone.vehicle_acceleration_mps2[0], crashes.vehicle_acceleration_mps2[7])
    np.testing.assert_array_equal(alone.chest_acceleration_mps2[0], crashes.chest_acceleration_mps2[7])
    assert label(alone)[0] == label(crashes)[7]


def test_speed_makes_the_pulse_and_the_occupant_load_harder() -> None:
    found = varied("impact_speed_kmh", [35.0, 40.0, 48.0, 56.0, 64.0])
    for name in ("olc_g", "rolc_g", "vehicle_clip_3ms_mps2", "chest_clip_3ms_mps2"):
        values = [getattr(one, name) for one in found]
        assert values == sorted(values), name


def test_a_softer_load_limiter_lowers_the_chest_clip_while_there_is_room() -> None:
    found = varied("load_limiter_kn", [4.5, 5.0, 5.5, 6.0, 6.5])
    clips = [one.chest_clip_3ms_mps2 for one in found]
    assert clips == sorted(clips)
    assert clips[-1] > clips[0] + 20


def test_a_limiter_too_soft_for_the_room_lets_the_chest_meet_the_wheel() -> None:
    """Restraint and clearance interact: the best limiter is neither the softest nor the hardest."""
    tight = {**REFERENCE, "chest_to_wheel_mm": 280.0}
    found = label(simulate([{**tight, "load_limiter_kn": force} for force in (2.0, 4.0, 7.0)]))
    soft, middle, hard = (one.chest_clip_3ms_mps2 for one in found)
    assert middle < soft - 20
    assert middle < hard - 20


def test_slack_delays_and_a_pretensioner_hastens_the_restraint() -> None:
    slack = [one.t1_ms for one in varied("belt_slack_mm", [0.0, 30.0, 60.0])]
    assert slack == sorted(slack)
    fitted = [one.t1_ms for one in varied("pretensioner", ["double", "none"])]
    assert fitted[0] < fitted[1]


def test_a_heavier_vehicle_on_the_same_front_is_braked_more_softly_at_first() -> None:
    light, heavy = (
        simulate([{**REFERENCE, "test_mass_kg": mass}]).vehicle_acceleration_mps2[0]
        for mass in (1500.0, 2300.0)
    )
    early = slice(PRE_TRIGGER_SAMPLES, PRE_TRIGGER_SAMPLES + 200)
    assert heavy[early].sum() > light[early].sum()


@pytest.mark.parametrize("name", list(REFERENCE))
def test_every_feature_moves_the_chest(name: str) -> None:
    other = {
        "model_year": 2020, "body_type": "pickup", "powertrain": "battery_electric", "knee_air_bag": True,
        "pretensioner": "double", "dummy": "thor_50m", "crush_space_mm": 500.0, "load_limiter_kn": 4.0,
    }.get(name) or REFERENCE[name] * 1.1  # fmt: skip
    base, changed = simulate([REFERENCE, {**REFERENCE, name: other}]).chest_acceleration_mps2
    assert np.abs(base - changed).max() > 1.0


def test_a_simulation_differs_from_its_test_honestly(designs, crashes) -> None:
    tests = np.array([one.rolc_g for one in label(crashes)], dtype=float)
    model = np.array([one.rolc_g for one in label(simulate(designs, "simulation"))], dtype=float)
    bias = model - tests
    assert 0.15 < np.abs(bias.mean()) < 2.0, "biased, and slightly"
    assert bias.std() > 0.15, "by an amount that depends on the design"
    assert np.corrcoef(tests, model)[0, 1] > 0.95
    again = simulate(designs, "simulation")
    np.testing.assert_array_equal(
        again.chest_acceleration_mps2, simulate(designs, "simulation").chest_acceleration_mps2
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_mass_kg": None}, "test_mass_kg is missing; give a number from 800 to 4500 kg"),
        ({"test_mass_kg": 99999.0}, "test_mass_kg is 99999.0; give a number from 800 to 4500 kg"),
        ({"impact_speed_kmh": float("nan")}, "impact_speed_kmh is nan"),
        ({"impact_speed_kmh": "56"}, "impact_speed_kmh is '56'"),
        ({"model_year": 2012.5}, "model_year is 2012.5; give a whole number"),
        ({"body_type": "coupé"}, "body_type is 'coupé'; give one of hatchback, sedan"),
        ({"knee_air_bag": 1}, "knee_air_bag is 1; give true or false"),
        ({"load_limiter_kn": True}, "load_limiter_kn is True"),
    ],
)
def test_a_bad_design_is_refused_by_name_and_remedy(change: dict, message: str) -> None:
    with pytest.raises(DesignError) as caught:
        simulate([REFERENCE, {**REFERENCE, **change}])
    assert str(caught.value).startswith(message)
    assert caught.value.feature == next(iter(change))


@pytest.mark.parametrize("extreme", ["minimum", "maximum"])
def test_the_corners_of_the_ranges_run_without_blowing_up(extreme: str) -> None:
    corner = {
        feature.name: getattr(feature, extreme) if feature.minimum is not None else REFERENCE[feature.name]
        for feature in FEATURES
    }
    corner["model_year"] = int(corner["model_year"])
    stiff = {**corner, "test_mass_kg": 800.0, "front_stiffness_kn_per_m": 4000.0, "impact_speed_kmh": 70.0}
    crashes = simulate([corner, stiff])
    assert np.isfinite(crashes.chest_acceleration_mps2).all()
    assert np.abs(crashes.chest_acceleration_mps2).max() < 5000
