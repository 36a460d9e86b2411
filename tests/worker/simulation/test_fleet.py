"""The default fleet looks like the NHTSA frontal tests, for any seed, and its labels can be learned."""

import numpy as np
import pytest

from worker.simulation import FEATURES, label, sample_fleet, simulate

# Mean and deviation, NHTSA frontal tests (Wibiral et al., LossVal); ROLC is "about".
NHTSA = {
    "test_mass_kg": (1918, 424),
    "vehicle_clip_3ms_mps2": (378, 70),
    "chest_clip_3ms_mps2": (436, 63),
    "olc_g": (29.6, 3.5),
    "rebound_speed_mps": (2.10, 0.56),
    "rolc_g": (26.0, 4.0),
}


def crash(count: int, seed: int) -> tuple[list[dict], list]:
    designs = sample_fleet(count, np.random.default_rng(seed))
    return designs, label(simulate(designs))


@pytest.fixture(scope="module")
def fleet() -> tuple[list[dict], list]:
    return crash(1000, 0)


def column(fleet: tuple[list[dict], list], name: str) -> np.ndarray:
    designs, labels = fleet
    if name in designs[0]:
        return np.array([design[name] for design in designs], dtype=float)
    return np.array([getattr(found, name) for found in labels], dtype=float)


def assert_calibrated(fleet: tuple[list[dict], list]) -> None:
    for name, (mean, deviation) in NHTSA.items():
        values = column(fleet, name)
        assert np.nanmean(values) == pytest.approx(mean, rel=0.10), name
        assert np.nanstd(values) == pytest.approx(deviation, rel=0.25), name


def test_the_default_fleet_has_the_nhtsa_means_and_deviations(fleet) -> None:
    assert_calibrated(fleet)


@pytest.mark.parametrize("seed", [11, 12])
def test_calibration_does_not_hang_on_the_seed(seed: int) -> None:
    assert_calibrated(crash(400, seed))


def test_nearly_every_crash_has_a_label(fleet) -> None:
    rolc = column(fleet, "rolc_g")
    assert np.isnan(rolc).mean() < 0.02
    assert np.nanmin(rolc) > 5
    assert np.nanmax(rolc) < 80


def test_restraint_and_pulse_both_move_the_label(fleet) -> None:
    rolc, olc = column(fleet, "rolc_g"), column(fleet, "olc_g")
    share = np.corrcoef(rolc, olc)[0, 1] ** 2
    assert 0.2 < share < 0.8, "the pulse alone must neither fix the label nor be without effect"


def test_a_small_surrogate_learns_the_label_across_platforms(fleet) -> None:
    designs, _ = fleet
    inputs = np.column_stack([encoded(designs, feature) for feature in FEATURES])
    target = column(fleet, "rolc_g")
    train = np.isin(column_of_platforms(designs), sorted(set(column_of_platforms(designs)))[:60])
    scaled = (inputs - inputs[train].mean(axis=0)) / (inputs[train].std(axis=0) + 1e-9)
    centred = target - target[train].mean()
    gram = scaled[train].T @ scaled[train] + 3 * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled[train].T @ centred[train])
    error = scaled[~train] @ weights - centred[~train]
    r2 = 1 - np.mean(error**2) / np.mean(centred[~train] ** 2)
    assert 0.5 < r2 < 0.995, "a linear model sees most of it, and not all"


def encoded(designs: list[dict], feature) -> np.ndarray:
    values = [design[feature.name] for design in designs]
    if feature.kind != "categorical":
        return np.array(values, dtype=float)[:, None]
    return np.array([[value == category for category in feature.categories] for value in values], dtype=float)


def column_of_platforms(designs: list[dict]) -> np.ndarray:
    return np.array([design["platform"] for design in designs])


def test_same_seed_same_fleet_and_another_seed_another() -> None:
    first, again, other = (sample_fleet(30, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_the_target_domain_is_a_moderate_shift_to_heavier_and_newer_vehicles(fleet) -> None:
    target = sample_fleet(300, np.random.default_rng(5), target_domain=True)
    mass, year = (np.array([d[n] for d in target], dtype=float) for n in ("test_mass_kg", "model_year"))
    assert mass.mean() == pytest.approx(2400, rel=0.05)
    assert year.mean() > column(fleet, "model_year").mean() + 8
    # Moderate: a tenth of the historic fleet is as heavy as the lighter half of the target.
    assert 0.08 < np.mean(column(fleet, "test_mass_kg") > np.median(mass)) < 0.35
    electric = np.mean([d["powertrain"] == "battery_electric" for d in target])
    assert electric > 0.5


def test_platforms_group_designs_and_are_never_shared_between_domains() -> None:
    historic = sample_fleet(100, np.random.default_rng(6))
    target = sample_fleet(100, np.random.default_rng(6), target_domain=True)
    names = {design["platform"] for design in historic}
    assert 10 <= len(names) <= 20
    assert names.isdisjoint({design["platform"] for design in target})
    for name in names:
        bodies = {design["body_type"] for design in historic if design["platform"] == name}
        assert len(bodies) == 1


def test_an_empty_fleet_is_empty_and_a_negative_count_is_refused() -> None:
    assert sample_fleet(0, np.random.default_rng(0)) == []
    with pytest.raises(ValueError, match="0 or more"):
        sample_fleet(-1, np.random.default_rng(0))
