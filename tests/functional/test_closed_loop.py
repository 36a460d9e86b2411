"""A campaign of simulations goes round after round by itself: schedule, worker and clock, nobody at the keyboard."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pytest

from worker.demo.data import SIMULATION, campaign_document
from worker.simulation import run_occupant_model, sample_fleet

pytestmark = pytest.mark.functional
ROUNDS, BATCH_SIZE, PRICE = 5, 4, 3000
# Enough for five batches; what is left then pays for no further simulation.
BUDGET = ROUNDS * BATCH_SIZE * PRICE + 1000
LABELLED, CANDIDATES = 36, 60
LONGEST_S = 400.0


def campaign_rows(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Simulated designs with their labels, and more designs to choose from."""
    rows = []
    for number, design in enumerate(sample_fleet(LABELLED + CANDIDATES, generator)):
        planned = {name: value for name, value in design.items() if name != "platform"}
        row: dict[str, Any] = {"external_id": f"s{number}", "source": SIMULATION, "planned_features": planned}
        if number < LABELLED:
            row["target"] = run_occupant_model(planned, source_kind="simulation", seed=number).rolc_g
            if row["target"] is None:
                continue
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def campaign_id(stack: Any) -> int:
    domain = {"conditions": [{"feature": "test_mass_kg", "minimum": 1500}]}
    document = campaign_document("closed loop") | {"budget": str(BUDGET), "target_domain": domain}
    with httpx.Client(base_url=f"{stack.url}/api/v1", timeout=60) as http:
        created = http.post("/campaigns", json=document)
        assert created.status_code == 201, created.text
        key = created.json()["id"]
        rows = {"samples": campaign_rows(np.random.default_rng(3))}
        stored = http.post(f"/campaigns/{key}/samples:bulk", json=rows)
        assert stored.status_code == 201, stored.text
        return int(key)


def wait_for_the_end(http: httpx.Client, campaign_id: int) -> list[dict[str, Any]]:
    """The rounds, once the last one is closed and says why none follows."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        rounds = http.get(f"/campaigns/{campaign_id}/rounds").json()["items"]
        if rounds and rounds[-1]["stop_reason"]:
            return rounds
        time.sleep(0.5)
    raise AssertionError(f"the loop does not end: {rounds}")


def test_a_schedule_starts_five_rounds_that_run_unattended_until_the_money_is_spent(
    http: httpx.Client, campaign_id: int
) -> None:
    schedule = {
        "name": "start tonight",
        "trigger": {"kind": "date", "at": (datetime.now(UTC) + timedelta(seconds=2)).isoformat()},
        "configuration": {
            "valuation": {"epochs": 40, "ensemble": 4},
            "acquisition": {"batch_size": BATCH_SIZE, "control_fraction": 0.25},
            "auto_approve": {
                "sources": [SIMULATION],
                "budget": str(BATCH_SIZE * PRICE),
                "least_expected_gain": 0,
            },
            "decide_within_hours": 0,
            "continue_until_stop": True,
        },
    }
    created = http.post(f"/campaigns/{campaign_id}/schedules", json=schedule)
    assert created.status_code == 201, created.text
    rounds = wait_for_the_end(http, campaign_id)
    schedule_id = created.json()["id"]
    assert [row["number"] for row in rounds] == list(range(1, ROUNDS + 1))
    assert {row["closed_reason"] for row in rounds} == {"completed"}
    assert {row["schedule_id"] for row in rounds} == {schedule_id}
    assert [row["follows_id"] for row in rounds] == [None, *(row["id"] for row in rounds[:-1])]
    assert [row["stop_reason"] for row in rounds[:-1]] == [None] * (ROUNDS - 1)
    assert "the cheapest candidate at 3,000 USD" in rounds[-1]["stop_reason"]
    assert all(row["recommendations"] == {"completed": BATCH_SIZE} for row in rounds)
    _nothing_was_lost_or_doubled(http, campaign_id, rounds)
    (firing,) = http.get(f"/schedules/{schedule_id}/firings").json()["items"]
    assert (firing["outcome"], firing["round_id"]) == ("started", rounds[0]["id"])
    assert http.get(f"/schedules/{schedule_id}").json()["status"] == "ended"


def _nothing_was_lost_or_doubled(http: httpx.Client, campaign_id: int, rounds: list[dict[str, Any]]) -> None:
    summary = http.get(f"/campaigns/{campaign_id}/summary").json()
    assert Decimal(summary["spent"]) == ROUNDS * BATCH_SIZE * PRICE
    assert Decimal(summary["committed"]) == 0
    runs = http.get(f"/campaigns/{campaign_id}/valuation-runs").json()["items"]
    assert [(run["id"], run["status"]) for run in runs] == [
        (row["valuation_run_id"], "succeeded") for row in rounds
    ]
    bought = http.get(f"/campaigns/{campaign_id}/recommendations", params={"limit": 100}).json()["items"]
    assert len({row["sample_id"] for row in bought}) == len(bought) == ROUNDS * BATCH_SIZE
    for run in runs:
        print(f"round {run['id']}: rmse {run['metrics']['rmse']:.3f} g on {run['metrics']['measured_on']}")
