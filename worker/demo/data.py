"""The demonstration's data: tests of yesterday's fleet, a target domain of heavier and newer cars, a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.simulation import FEATURES, Design, corrupt, execute, label, measure, sample_fleet, simulate
from worker.simulation.labels import CrashLabel

TEST, SIMULATION = "full_vehicle_test", "simulation"
BUDGET_USD = 6_000_000
ROUND_BUDGETS_USD = {TEST: 2_100_000, SIMULATION: 60_000}
BATCH_SIZE = 20
CORRUPTED_SHARE = 0.08
# The size of the occupant: errors are shown for each.
LOAD_CASE = "dummy"


@dataclass(frozen=True)
class Sizes:
    """How many samples of each kind; the defaults take about a minute to value and rank."""

    historic_tests: int = 280
    target_tests: int = 20
    simulations: int = 60
    validation: int = 40
    holdout: int = 80
    candidates: int = 2000


@dataclass(frozen=True)
class DemoData:
    """Rows for the bulk endpoint, and how many of them were corrupted on purpose."""

    rows: list[dict[str, Any]]
    planted: int


def campaign_document(name: str) -> dict[str, Any]:
    """The campaign as `POST /campaigns` takes it."""
    return {
        "name": name,
        "description": "Built-in occupant model: ROLC of the driver in full frontal crashes.",
        "feature_schema": [_feature(feature) for feature in FEATURES],
        "target_domain": {
            "description": "Heavier and newer vehicles, mostly battery-electric: the validation samples."
        },
        "sources": [
            {
                "name": TEST,
                "kind": "physical_test",
                "acquisition_cost": "300000",
                "lead_time_hours": 336,
                "capacity": 10,
            },
            {
                "name": SIMULATION,
                "kind": "simulation",
                "acquisition_cost": "3000",
                "lead_time_hours": 18,
                "oracle": "occupant_model",
            },
        ],
        "budget": str(BUDGET_USD),
    }


def _feature(feature: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the schema
    document = {"name": feature.name, "kind": feature.kind, "unit": feature.unit or "1"}
    document["description"] = feature.description
    if feature.minimum is not None:
        document |= {"minimum": feature.minimum, "maximum": feature.maximum}
    if feature.categories:
        document |= {"categories": list(feature.categories), "load_case": feature.name == LOAD_CASE}
    return document


def make_data(seed: int, sizes: Sizes | None = None) -> DemoData:
    """Draw designs, crash them, measure them, spoil some labels. O(labelled * samples of a signal).

    Candidates are designs only: nothing is simulated for them until somebody acquires one. A design whose
    chest never reaches the car's speed has no ROLC and is left out.
    """
    sizes = sizes or Sizes()
    generator = np.random.default_rng(seed)
    pool_historic = sizes.candidates // 4
    historic = sample_fleet(sizes.historic_tests + sizes.simulations + pool_historic, generator)
    target = _by_platform(
        sample_fleet(
            sizes.target_tests + sizes.validation + sizes.holdout + sizes.candidates - pool_historic,
            generator,
            target_domain=True,
        )
    )
    tests = [historic.pop() for _ in range(sizes.historic_tests)]
    simulations = [historic.pop() for _ in range(sizes.simulations)]
    # Whole platforms go to the holdout, so that it measures cars that were never seen.
    holdout = _take_platforms(target, sizes.holdout)
    validation = [target.pop() for _ in range(sizes.validation)]
    tests += [target.pop() for _ in range(sizes.target_tests)]
    train, planted = _spoiled(_tested("test", tests, generator), generator)
    rows = train + _simulated(simulations)
    rows += [row | {"split": "validation"} for row in _tested("val", validation, generator)]
    rows += [row | {"split": "holdout"} for row in _tested("hold", holdout, generator)]
    rows += _candidates(historic + target, generator)
    return DemoData(rows, planted)


def _by_platform(designs: Sequence[Design]) -> list[Design]:
    return sorted(designs, key=lambda design: str(design["platform"]))


def _take_platforms(designs: list[Design], least: int) -> list[Design]:
    """Remove whole platforms from the front of `designs`, at least `least` designs."""
    taken: list[Design] = []
    while len(taken) < least or (designs and taken[-1]["platform"] == designs[0]["platform"]):
        taken.append(designs.pop(0))
    return taken


def _features(design: Design) -> Design:
    return {name: value for name, value in design.items() if name != "platform"}


def _row(name: str, design: Design, source: str) -> dict[str, Any]:
    return {
        "external_id": name,
        "source": source,
        "group": design["platform"],
        "planned_features": _features(design),
        "provenance": {"origin": "occupant model"},
    }


def _tested(prefix: str, planned: Sequence[Design], generator: np.random.Generator) -> list[dict[str, Any]]:
    """Planned, executed with the laboratory's deviations, measured with noisy sensors."""
    executed = execute(planned, generator)
    labels = label(measure(simulate(executed), generator))
    return [
        _row(f"{prefix}-{number:04d}", plan, TEST) | {"executed_features": run} | _result(outcome)
        for number, (plan, run, outcome) in enumerate(zip(planned, executed, labels, strict=True), 1)
        if outcome.rolc_g is not None
    ]


def _simulated(designs: Sequence[Design]) -> list[dict[str, Any]]:
    labels = label(simulate(designs, fidelity="simulation"))
    return [
        _row(f"sim-{number:04d}", design, SIMULATION) | _result(outcome)
        for number, (design, outcome) in enumerate(zip(designs, labels, strict=True), 1)
        if outcome.rolc_g is not None
    ]


def _result(outcome: CrashLabel) -> dict[str, Any]:
    details = {"t1_ms": outcome.t1_ms, "t2_ms": outcome.t2_ms, "olc_g": outcome.olc_g}
    return {
        "target": outcome.rolc_g,
        "label_definition": outcome.label_definition,
        "label_details": details,
    }


def _spoiled(rows: list[dict[str, Any]], generator: np.random.Generator) -> tuple[list[dict[str, Any]], int]:
    """Corrupt some labels; the provenance says which, and no algorithm reads the provenance."""
    designs = [row["executed_features"] for row in rows]
    planted = corrupt(designs, [row["target"] for row in rows], generator, share=CORRUPTED_SHARE)
    spoiled = [
        row | {"target": value, "provenance": row["provenance"] | {"corruption": planted.kinds.get(index)}}
        for index, (row, value) in enumerate(zip(rows, planted.rolc_g, strict=True))
    ]
    return spoiled, len(planted.kinds)


def _candidates(designs: Sequence[Design], generator: np.random.Generator) -> list[dict[str, Any]]:
    """Every other design can be simulated, the rest tested; in random order."""
    order = generator.permutation(len(designs))
    return [
        _row(f"cand-{number:04d}", designs[index], TEST if number % 2 else SIMULATION)
        for number, index in enumerate(order, 1)
    ]
