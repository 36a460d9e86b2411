"""A campaign in its second week, told over the API: generated crash tests, one round that came back, one that waits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from service.stack import Stack
from tests.ev5_writer import ev5_files, zipped
from worker.demo.client import DemoClient
from worker.demo.data import SIMULATION, TEST, Sizes, campaign_document, make_data
from worker.simulation import execute, label, measure, simulate

NAME, PASSWORD = "head.of.tests", "chalk otter sleeps twice"
# Enough for an honest surrogate, few enough to be valued in seconds.
SIZES = Sizes(historic_tests=80, target_tests=8, simulations=20, validation=30, holdout=40, candidates=400)
VALUATION = {"epochs": 120, "ensemble": 4}
BACKTEST = {
    "strategies": ["variance_reduction"], "initial": 40, "batch_size": 10, "rounds": 2, "repeats": 5,
    "label_precision": "equal", "as_bought": False,
}  # fmt: skip
ROUND = {"batch_size": 14, "source_budgets": {TEST: "2700000", SIMULATION: "30000"}, "control_fraction": 0.2}
READ_TIMEOUT_S = 120
DAY_ONE = 10  # acquisitions of the first round that were approved


@dataclass(frozen=True)
class Demo:
    """A running installation with its campaign; `api` may do everything."""

    stack: Stack
    api: DemoClient
    database_url: str
    campaign_id: int
    round_id: int  # the one that waits for decisions
    valuation_run_id: int
    backtest_id: int
    api_key: str

    @property
    def origin(self) -> str:
        return self.stack.url

    @property
    def path(self) -> str:
        return f"/campaigns/{self.campaign_id}"

    def proposed(self) -> list[dict[str, Any]]:
        rows = self.api.all_items(f"/acquisition-rounds/{self.round_id}/recommendations")
        return [row for row in rows if row["status"] == "proposed"]

    def send_file(self) -> int:
        """A test that waits to be accepted, with a webhook whose tool does not answer when it hears of it."""
        hears = {"url": "http://127.0.0.1:9/crashscout", "events": ["upload.*"]}
        self.api.post(f"{self.path}/webhooks", hears)
        answer = httpx.post(
            f"{self.origin}/api/v1/uploads", headers={"Authorization": f"Bearer {self.api_key}"}, timeout=60,
            data={"campaign_id": self.campaign_id, "source": TEST, "occupants": "driver"},
            files={"file": ("v04711.zip", zipped(ev5_files()))},
        )  # fmt: skip
        upload = answer.raise_for_status().json()
        deadline = time.monotonic() + READ_TIMEOUT_S
        while upload["status"] in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(0.2)
            upload = self.api.get(f"/uploads/{upload['id']}")
        assert upload["status"] == "parsed", upload
        return int(upload["id"])


def tell(stack: Stack, database_url: str, api_key: str) -> Demo:
    """Store it, value it, rank it, let the first results come in, and rank again."""
    api = DemoClient(stack.url, api_key)
    api.post("/users", {"name": NAME, "role": "admin", "password": PASSWORD})
    base = _campaign(api)
    _follow(api, f"{base}/valuation-runs", {"configuration": VALUATION})
    backtest = _follow(api, f"{base}/backtests", {"configuration": BACKTEST})
    first = _follow(api, f"{base}/acquisition-rounds", {"configuration": ROUND})
    _bring_results(api, first["id"])
    run = _follow(api, f"{base}/valuation-runs", {"configuration": VALUATION, "seed": 1})
    second = _follow(api, f"{base}/acquisition-rounds", {"configuration": ROUND, "seed": 1})
    return Demo(
        stack=stack, api=api, database_url=database_url, campaign_id=int(base.rsplit("/", 1)[1]), round_id=second["id"],
        valuation_run_id=run["id"], backtest_id=backtest["id"],
        api_key=api_key,
    )  # fmt: skip


def _campaign(api: DemoClient) -> str:
    document = campaign_document("Frontal impact 2027") | {"budget": "12000000"}
    base = f"/campaigns/{api.post('/campaigns', document)['id']}"
    api.post_rows(f"{base}/samples:bulk", make_data(0, SIZES).rows)
    night = {"kind": "cron", "expression": "0 2 * * *"}
    api.post(f"{base}/schedules", {"name": "every night", "trigger": night, "time_zone": "Europe/Berlin"})
    return base


def _follow(api: DemoClient, path: str, document: dict[str, Any]) -> dict[str, Any]:
    run = api.post(path, document)
    return api.follow(f"/{path.rsplit('/', 1)[1]}/{run['id']}", lambda *_: None)


def _bring_results(api: DemoClient, round_id: int) -> None:
    """The best are approved, ordered and crashed, of which one gives nothing; the others are refused."""
    rows = api.all_items(f"/acquisition-rounds/{round_id}/recommendations")
    generator = np.random.default_rng(7)
    for row in rows[:DAY_ONE]:
        for action in ("approve", "order"):
            api.post(f"/recommendations/{row['id']}:{action}", {})
    for row in rows[1:DAY_ONE]:
        api.post(f"/recommendations/{row['id']}:complete", result_of(row, generator))
    api.post(f"/recommendations/{rows[0]['id']}:fail", {"reason": "The barrier's load cells gave no signal."})
    for row in rows[DAY_ONE:]:
        api.post(f"/recommendations/{row['id']}:reject", {"reason": "No such body can be had."})


def result_of(row: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    """What the laboratory reports of a planned test: how it was run, and its label."""
    executed = execute([row["planned_features"]], generator)
    (outcome,) = label(measure(simulate(executed), generator))
    return {"target": outcome.rolc_g, "executed_features": executed[0]}
