"""Raw SQL on a database with one campaign: the constraints alone must hold, without any of our Python."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.support import psycopg_url

DEFAULTS: dict[str, dict[str, Any]] = {
    "campaigns": {
        "name": "c", "description": "", "feature_schema": Jsonb([{"name": "x"}]), "target": Jsonb({}),
        "target_domain": Jsonb({}), "currency": "USD",
    },
    "sources": {
        "name": "s", "kind": "physical_test", "acquisition_cost": 1, "currency": "USD", "lead_time_hours": 0,
    },
    "samples": {
        "status": "candidate", "split": "train", "planned_features": Jsonb({}), "provenance": Jsonb({}),
    },
    "valuation_runs": {
        "status": "queued", "configuration": Jsonb({}), "seed": 0, "progress": 0, "progress_message": "",
        "cancel_requested": False, "attempt": 0, "requested_by": "test",
    },
    "surrogates": {"artefact": b"", "artefact_sha256": "", "metrics": Jsonb({})},
    "data_values": {"value": 0, "weight": 1, "spread": 0, "rank": 1, "value_target_loss": 0, "value_transport": 0},
    "recommendations": {
        "sample_split": "train", "rank": 1, "score": 0, "components": Jsonb({}), "reason": "", "arm": "chosen",
        "acquisition_cost": 1, "currency": "USD", "status": "proposed", "is_late": False,
    },
    "ranked_candidates": {
        "rank": 1, "score": 0, "information": 0, "relevance": 1, "predicted": 0, "predicted_std": 0, "eligible": True,
        "affordable": True,
    },
    "previewed_picks": {
        "rank": 1, "is_repetition": False, "score": 0, "components": Jsonb({}), "reason": "", "arm": "chosen",
        "acquisition_cost": 1, "currency": "USD",
    },
    "sample_vetoes": {"reason": "no room", "actor": "test"},
}  # fmt: skip
DEFAULTS |= dict.fromkeys(
    ["acquisition_rounds", "import_runs", "backtests", "replays", "simulation_runs"],
    DEFAULTS["valuation_runs"],
)
DEFAULTS["run_attempts"] = {
    "run_kind": "valuation_runs", "run_id": 1, "attempt": 1, "worker": "w", "outcome": "lost", "message": "",
    "started_at": "2026-01-02T03:04:05Z",
}  # fmt: skip
DEFAULTS["run_log_lines"] = {
    "run_kind": "valuation_runs", "run_id": 1, "attempt": 1, "said_at": "2026-01-02T03:04:05Z", "level": "info",
    "speaker": "worker", "text": "epoch 1",
}  # fmt: skip
DEFAULTS["uploads"] = {
    "status": "queued", "filename": "a.zip", "sha256": "a" * 64, "size_bytes": 1, "request": Jsonb({}),
    "label_definition": "rolc/1", "attempt": 0, "requested_by": "test",
}  # fmt: skip
DEFAULTS["injections"] = {"reason": "the customer asks", "actor": "test", "sample_split": "train"}
DEFAULTS["surrogate_promotions"] = {
    "outcome": "first", "comparison": Jsonb({}), "actor": "test", "reason": "",
}  # fmt: skip
DEFAULTS["reviews"] = {
    "decision": "confirmed", "evidence": Jsonb({}), "actor": "test", "reason": "looked at the film",
}  # fmt: skip
DEFAULTS["audit_events"] = {"actor": "test", "action": "create", "entity": "sample", "entity_id": 1}
WITHOUT_ID = ("data_values", "previewed_picks", "ranked_candidates")

DEFAULTS["events"] = {"type": "round.closed", "payload": Jsonb({})}
DEFAULTS["campaign_rounds"] = {
    "number": 1, "step": "freeze", "configuration": Jsonb({}), "detail": "", "requested_by": "test",
}  # fmt: skip
DEFAULTS["schedules"] = {
    "name": "nightly", "status": "active", "trigger_kind": "cron", "trigger": Jsonb({}), "time_zone": "UTC",
    "misfire": "run_once", "action": "round", "configuration": Jsonb({}), "next_due_at": "2027-01-01T00:00Z",
    "created_by": "test",
}  # fmt: skip
DEFAULTS["schedule_firings"] = {
    "due_at": "2027-01-01T00:00Z", "fired_at": "2027-01-01T00:00Z", "outcome": "skipped", "reason": "a round was open",
}  # fmt: skip
DEFAULTS["webhooks"] = {
    "url": "https://example.com", "events": ["*"], "secret": "s", "is_active": True, "seen_position": 0,
    "created_by": "test",
}  # fmt: skip
DEFAULTS["webhook_deliveries"] = {
    "event_position": 1, "event_type": "round.closed", "body": "{}", "status": "pending", "attempt": 0,
    "next_attempt_at": "2027-01-01T00:00Z",
}  # fmt: skip
DEFAULTS["webhook_attempts"] = {
    "number": 1, "started_at": "2027-01-01T00:00Z", "duration_ms": 1, "status_code": 200, "error": "", "answer": "",
}  # fmt: skip
DEFAULTS |= {table: {} for table in ("users", "api_keys", "user_sessions", "login_attempts")}
DEFAULTS["stored_answers"] = {
    "principal_id": "key:1", "key": "k", "fingerprint": "0" * 64, "status_code": 201, "headers": Jsonb({}),
    "body": b"{}",
}  # fmt: skip


class Store:
    """A campaign with a source, a run, its surrogate and a round; `insert` fills in what is not given."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.campaign_id = self.insert("campaigns")
        own = {"campaign_id": self.campaign_id}
        self.source_id = self.insert("sources", **own)
        self.run_id = self.insert("valuation_runs", **own)
        self.surrogate_id = self.insert("surrogates", **own, valuation_run_id=self.run_id)
        self.round_id = self.insert("acquisition_rounds", **own, surrogate_id=self.surrogate_id)

    def insert(self, table: str, **columns: Any) -> int:
        """One row in a savepoint; its id, where the table has one."""
        row = DEFAULTS[table] | columns
        key = "sample_id" if table in WITHOUT_ID else "id"
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            sql.Identifier(key),
        )
        with self.connection.transaction():
            return self.connection.execute(statement, list(row.values())).fetchone()[0]

    def sample(self, **columns: Any) -> int:
        place = {"campaign_id": self.campaign_id, "source_id": self.source_id}
        return self.insert("samples", **place | columns)

    def labelled(self, target: float = 26.0, **columns: Any) -> int:
        label = {"status": "labelled", "target": target, "label_definition": "rolc/1"}
        return self.sample(**label | columns)

    def recommend(self, sample_id: int, **columns: Any) -> int:
        place = {"campaign_id": self.campaign_id, "round_id": self.round_id, "sample_id": sample_id}
        return self.insert("recommendations", **place | columns)

    def value(self, **columns: Any) -> int:
        return self.insert("data_values", valuation_run_id=self.run_id, sample_id=self.labelled(), **columns)

    def rank(self, **columns: Any) -> int:
        place = {"round_id": self.round_id, "sample_id": columns.pop("sample_id", None) or self.sample()}
        return self.insert("ranked_candidates", **place | columns)

    def execute(self, statement: str, *parameters: Any) -> None:
        with self.connection.transaction():
            self.connection.execute(statement, parameters)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with psycopg.connect(psycopg_url(database_url)) as connection:
        yield Store(connection)
