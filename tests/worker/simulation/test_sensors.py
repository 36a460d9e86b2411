"""Sensor errors, execution scatter and planted mistakes."""

import numpy as np
import pytest

from worker.simulation import (
    CORRUPTIONS,
    SensorErrors,
    check_design,
    corrupt,
    execute,
    label,
    measure,
    sample_fleet,
    simulate,
)


@pytest.fixture(scope="module")
def designs() -> list[dict]:
    return sample_fleet(60, np.random.default_rng(2))


@pytest.fixture(scope="module")
def crashes(designs):
    return simulate(designs)


@pytest.fixture(scope="module")
def rolc(crashes) -> list:
    return [one.rolc_g for one in label(crashes)]


def test_sensors_add_a_label_error_of_the_size_seen_in_practice(crashes, rolc) -> None:
    measured = [one.rolc_g for one in label(measure(crashes, np.random.default_rng(0)))]
    error = np.array(measured, dtype=float) - np.array(rolc, dtype=float)
    assert 0.1 < np.nanstd(error) < 0.8
    assert abs(np.nanmean(error)) < 0.3


def test_the_offset_before_the_impact_is_removed_by_the_label_rule(crashes, rolc) -> None:
    only_offset = SensorErrors(gain=0, noise_mps2=0, offset_g=1.0, zero_shift_g=0)
    found = label(measure(crashes, np.random.default_rng(0), only_offset))
    np.testing.assert_allclose([one.rolc_g for one in found], rolc, atol=1e-6)


def test_gain_alone_scales_the_signal(crashes) -> None:
    only_gain = SensorErrors(gain=0.01, noise_mps2=0, offset_g=0, zero_shift_g=0)
    measured = measure(crashes, np.random.default_rng(0), only_gain).chest_acceleration_mps2
    gain = measured.min(axis=1) / crashes.chest_acceleration_mps2.min(axis=1)
    np.testing.assert_allclose(measured, gain[:, None] * crashes.chest_acceleration_mps2, atol=1e-9)
    assert 0.005 < gain.std() < 0.02


def test_measuring_is_ruled_by_its_generator(crashes) -> None:
    first, again, other = (measure(crashes, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.chest_acceleration_mps2, again.chest_acceleration_mps2)
    assert (first.chest_acceleration_mps2 != other.chest_acceleration_mps2).any()


def test_execution_scatters_about_the_plan_and_stays_in_range(designs) -> None:
    executed = execute(designs, np.random.default_rng(3))
    for plan, run in zip(designs, executed, strict=True):
        assert check_design(run) == run
        assert run["body_type"] == plan["body_type"]
        assert run["impact_speed_kmh"] == pytest.approx(plan["impact_speed_kmh"], abs=1.0)
        assert run["impact_speed_kmh"] != plan["impact_speed_kmh"]


@pytest.mark.parametrize("family", ["label", "features", "both"])
def test_planted_mistakes_are_clear_and_told(designs, rolc, family: str) -> None:
    planted = corrupt(designs, rolc, np.random.default_rng(4), share=0.3, family=family)
    assert len(planted.kinds) == 18
    for row, (design, value) in enumerate(zip(designs, rolc, strict=True)):
        kind = planted.kinds.get(row)
        if kind is None:
            assert (planted.designs[row], planted.rolc_g[row]) == (design, value)
        elif kind.startswith("label"):
            assert planted.designs[row] == design
            assert abs(planted.rolc_g[row] - value) >= 4.0
        else:
            assert planted.rolc_g[row] == value
            assert planted.designs[row] != design
    assert family == "both" or all(kind.startswith(family) for kind in planted.kinds.values())


def test_mistakes_pass_the_range_check_and_keep_their_group(designs, rolc) -> None:
    planted = corrupt(designs, rolc, np.random.default_rng(5), share=1.0, family="both")
    assert set(planted.kinds.values()) == set(CORRUPTIONS)
    for before, after in zip(designs, planted.designs, strict=True):
        check_design(after)
        assert after["platform"] == before["platform"]
    assert all(5 < value < 80 for value in planted.rolc_g)


def test_a_label_taken_for_another_tests_is_a_real_label(designs, rolc) -> None:
    planted = corrupt(designs, rolc, np.random.default_rng(6), share=0.5)
    mixed = [row for row, kind in planted.kinds.items() if kind == "label_of_other_test"]
    assert mixed
    assert all(planted.rolc_g[row] in rolc for row in mixed)


def test_unit_mistakes_are_the_units(designs, rolc) -> None:
    planted = corrupt(designs, rolc, np.random.default_rng(7), share=1.0, family="features")
    for row, kind in planted.kinds.items():
        before, after = designs[row], planted.designs[row]
        if kind == "features_mass_in_pounds":
            assert after["test_mass_kg"] == pytest.approx(before["test_mass_kg"] / 0.45359237, rel=1e-4)
        if kind == "features_speed_in_miles":
            assert after["impact_speed_kmh"] * 1.609344 == pytest.approx(before["impact_speed_kmh"], rel=1e-3)


def test_rows_without_a_label_are_left_alone_and_missing_stays_missing(designs, rolc) -> None:
    gaps = [None if row % 2 else value for row, value in enumerate(rolc)]
    planted = corrupt(designs, gaps, np.random.default_rng(8), share=0.5)
    assert len(planted.kinds) == 15
    assert all(row % 2 == 0 for row in planted.kinds)
    assert all(planted.rolc_g[row] is None for row in range(1, 60, 2))


def test_corruption_is_ruled_by_its_generator_and_spares_its_input(designs, rolc) -> None:
    copies = [dict(design) for design in designs]
    first, again = (corrupt(designs, rolc, np.random.default_rng(9), family="both") for _ in range(2))
    assert first == again
    assert designs == copies


@pytest.mark.parametrize(
    ("labels", "share", "message"),
    [
        ([25.0], 0.1, "60 designs but 1 labels"),
        (None, 1.5, "share is 1.5"),
        ([None] * 60, 0.1, "0 rows have"),
    ],
)
def test_impossible_requests_are_refused(designs, rolc, labels, share: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corrupt(designs, labels or rolc, np.random.default_rng(0), share=share)
