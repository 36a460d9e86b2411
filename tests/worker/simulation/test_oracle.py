"""One planned design in, one label out, by both sources."""

from dataclasses import replace

import numpy as np
import pytest

from worker.simulation import DesignError, label, run_occupant_model, sample_fleet, simulate
from worker.simulation.oracle import MEASURED_FEATURES

DESIGN = sample_fleet(1, np.random.default_rng(10))[0]


def test_a_simulation_is_the_model_itself_and_needs_no_luck() -> None:
    first, other = (run_occupant_model(DESIGN, source_kind="simulation", seed=seed) for seed in (1, 2))
    assert first == other
    expected = label(simulate([DESIGN], "simulation"))[0]
    assert first.rolc_g == expected.rolc_g
    assert first.details["olc_g"] == expected.olc_g
    assert first.label_definition == "rolc/1"
    assert first.executed_features == {name: DESIGN[name] for name in DESIGN if name != "platform"}


def test_a_physical_test_is_ruled_by_its_seed() -> None:
    first, again, other = (
        run_occupant_model(DESIGN, source_kind="physical_test", seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.rolc_g != other.rolc_g
    assert first.rolc_g == pytest.approx(other.rolc_g, abs=5)


def test_a_physical_test_tells_what_was_measured_of_its_execution_and_no_more() -> None:
    found = run_occupant_model(DESIGN, source_kind="physical_test", seed=1)
    differs = {name for name, value in found.executed_features.items() if value != DESIGN[name]}
    assert differs == set(MEASURED_FEATURES)


def test_the_window_of_the_label_comes_with_it() -> None:
    details = run_occupant_model(DESIGN, source_kind="simulation", seed=0).details
    assert 0 < details["t1_ms"] < details["t2_ms"] < 200
    assert isinstance(details["flags"], list)


def test_a_label_that_does_not_exist_stays_missing() -> None:
    crashes = simulate([DESIGN])
    unbelted = replace(crashes, chest_acceleration_mps2=np.zeros_like(crashes.chest_acceleration_mps2))
    found = label(unbelted)[0]
    assert found.rolc_g is None
    assert "t1_not_reached" in found.flags


def test_bad_input_names_the_feature_and_the_remedy() -> None:
    with pytest.raises(DesignError, match="dummy is 'anna'; give one of hybrid_iii_05f"):
        run_occupant_model({**DESIGN, "dummy": "anna"}, source_kind="simulation", seed=0)
    with pytest.raises(ValueError, match="give physical_test or simulation"):
        run_occupant_model(DESIGN, source_kind="guess", seed=0)
