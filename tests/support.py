"""What tests of the store and the API share: documents, rows through the repositories, a look into the queue."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import redis
from fastapi import FastAPI
from sqlalchemy import make_url
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts.authentication import Authenticator
from service.acquisitions import repository as acquisitions
from service.backtests import repository as backtests
from service.database.engine import unit_of_work
from service.database.models import (
    AcquisitionRound,
    Backtest,
    Recommendation,
    Sample,
    Source,
    Surrogate,
    ValuationRun,
)
from service.lifecycles import RecommendationStatus, RunStatus
from service.main import create_app
from service.samples import repository as samples
from service.settings import Settings
from service.valuations import repository as valuations
from service.vocabulary import Arm, Split

API = "/api/v1"
FEATURES = [
    {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
    {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
    {"name": "barrier", "kind": "categorical", "categories": ["rigid", "offset"]},
    {"name": "airbags", "kind": "integer", "minimum": 0, "maximum": 12, "required": False},
    {"name": "pretensioner", "kind": "boolean", "required": False},
]
SOURCES = [
    {"name": "full_vehicle", "kind": "physical_test", "acquisition_cost": "300000", "lead_time_hours": "336"},
    {"name": "simulation", "kind": "simulation", "acquisition_cost": "2000", "oracle": "occupant_model"},
]


def client_of(application: FastAPI) -> TestClient:
    return TestClient(application, base_url="http://localhost", raise_server_exceptions=False)


def change_settings(client: TestClient, settings: Settings) -> None:
    """Other settings for an application that runs already."""
    client.app.state.settings = settings
    client.app.state.authenticator = Authenticator(client.app.state.sessions, settings)


def open_client(settings: Settings) -> TestClient:
    """A client of an application of its own, for settings that are read when it is built."""
    return client_of(create_app(settings))


def post_json(client: TestClient, url: str, document: Any) -> httpx.Response:
    """POST with the plain JSON of the standard library, which also writes what a good client would not."""
    headers = {"content-type": "application/json"}
    return client.post(url, content=json.dumps(document), headers=headers)


def campaign_document(**changes: Any) -> dict[str, Any]:
    conditions = [{"feature": "test_mass_kg", "minimum": 2200}]
    return {
        "name": "Frontal",
        "feature_schema": FEATURES,
        "target_domain": {"conditions": conditions},
        "sources": SOURCES,
    } | changes


def sample_document(**changes: Any) -> dict[str, Any]:
    """A candidate; with `target` it is labelled. `features` changes single planned features."""
    features = {"impact_speed_kmh": 56.0, "test_mass_kg": 1810, "barrier": "rigid"}
    features |= changes.pop("features", {})
    return {"source": "full_vehicle", "planned_features": features} | changes


def sample_documents(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        sample_document(features={"test_mass_kg": 1000 + index % 3000}, **changes) for index in range(count)
    ]


def create_campaign(client: TestClient, **changes: Any) -> int:
    response = client.post(f"{API}/campaigns", json=campaign_document(**changes))
    assert response.status_code == 201, response.text
    return response.json()["id"]


def add_samples(client: TestClient, campaign_id: int, documents: Sequence[dict[str, Any]]) -> list[int]:
    response = client.post(f"{API}/campaigns/{campaign_id}/samples:bulk", json={"samples": documents})
    assert response.status_code == 201, response.text
    return [row["id"] for row in response.json()["results"]]


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is an RFC 9457 document with all documented fields; returned to look at its text."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {
        "type", "title", "status", "detail", "code", "hint", "instance", "request_id", "errors",
    }  # fmt: skip
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:crashscout:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


def pointers(problem: dict[str, Any]) -> dict[str, str]:
    return {error["pointer"]: error["message"] for error in problem["errors"]}


def queued_messages(broker_url: str, queue: str) -> list[tuple[str, list[Any]]]:
    """(task, arguments) of what waits in a queue of the broker, oldest first."""
    return [(body["headers"]["task"], _arguments(body)) for body in _bodies(broker_url, queue)]


def queued_fields(broker_url: str, queue: str) -> list[dict[str, Any]]:
    """The log fields that these messages carry."""
    return [body["headers"]["about"] for body in _bodies(broker_url, queue)]


def _bodies(broker_url: str, queue: str) -> list[dict[str, Any]]:
    url = broker_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
    with redis.Redis.from_url(url) as connection:
        return [json.loads(body) for body in reversed(connection.lrange(queue, 0, -1))]


def _arguments(message: dict[str, Any]) -> list[Any]:
    arguments, _options, _embedded = json.loads(base64.b64decode(message["body"]))
    return arguments


def psycopg_url(database_url: str) -> str:
    return make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def new_run(campaign_id: int, status: RunStatus = RunStatus.QUEUED, **columns: Any) -> ValuationRun:
    """A row that keeps to the constraints of its status."""
    ended = {
        RunStatus.SUCCEEDED: {"data_hash": "0" * 64, "progress": 1.0, "finished_at": datetime.now(UTC)},
        RunStatus.FAILED: {"error_message": "it failed", "finished_at": datetime.now(UTC)},
        RunStatus.CANCELLED: {"finished_at": datetime.now(UTC)},
    }
    defaults = {"configuration": {}, "seed": 0, "requested_by": "test", "attempt": 0}
    return ValuationRun(
        campaign_id=campaign_id, status=status, **(defaults | ended.get(status, {}) | columns)
    )


def add_run(
    sessions: sessionmaker[Session], campaign_id: int, status: RunStatus = RunStatus.QUEUED, **columns: Any
) -> int:
    with unit_of_work(sessions) as session:
        return valuations.add(session, new_run(campaign_id, status, **columns)).id


@dataclass(frozen=True)
class FinishedValuation:
    run_id: int
    surrogate_id: int
    sample_ids: list[int]  # from the most to the least valuable


def add_finished_valuation(sessions: sessionmaker[Session], campaign_id: int) -> FinishedValuation:
    """A succeeded run that values the labelled samples in the order of their ids, and its surrogate."""
    with unit_of_work(sessions) as session:
        run = valuations.add(session, new_run(campaign_id, RunStatus.SUCCEEDED))
        found = [sample.id for sample in samples.labelled(session, campaign_id, splits=[Split.TRAIN])]
        if found:
            valuations.insert_values(
                session, [_value(run.id, key, rank) for rank, key in enumerate(found, 1)]
            )
        surrogate = Surrogate(
            campaign_id=campaign_id,
            valuation_run_id=run.id,
            artefact=b"weights",
            artefact_sha256="0" * 64,
            metrics={"rmse": 2.0},
        )
        valuations.add_surrogate(session, surrogate)
        session.flush()
        return FinishedValuation(run.id, surrogate.id, found)


def _value(run_id: int, sample_id: int, rank: int) -> dict[str, Any]:
    numbers = {
        "value": -float(rank),
        "weight": 1.0,
        "spread": 0.1,
        "value_target_loss": -0.2,
        "value_transport": -0.3,
    }
    return {"valuation_run_id": run_id, "sample_id": sample_id, "rank": rank, **numbers}


def add_round(
    sessions: sessionmaker[Session], campaign_id: int, surrogate_id: int, sample_ids: Sequence[int]
) -> list[int]:
    """A succeeded round that proposes the samples in this order; ids of its recommendations."""
    with unit_of_work(sessions) as session:
        round_ = AcquisitionRound(
            campaign_id=campaign_id,
            surrogate_id=surrogate_id,
            status=RunStatus.SUCCEEDED,
            configuration={},
            seed=0,
            data_hash="0" * 64,
            requested_by="test",
        )
        acquisitions.add_round(session, round_)
        rows = [recommendation_columns(session, round_, key, rank) for rank, key in enumerate(sample_ids, 1)]
        return acquisitions.insert_recommendations(session, rows, actor="test")


def backtest_report(*, auto: str = "The strategy auto takes lcmd.") -> dict[str, Any]:
    """The report of a backtest in which variance reduction was worse than random picks, and LCMD about the same."""

    def entry(strategy: str, verdict: str, sentence: str, interval: tuple[float, float]) -> dict[str, Any]:
        return {
            "strategy": strategy, "verdict": verdict, "sentence": sentence, "log_ratio": sum(interval) / 2,
            "interval": list(interval), "curve": [],
        }  # fmt: skip

    lcmd = "Not better than random picks. With lcmd: RMSE −5 % against random (95 % interval −18 % to +11 %)."
    return {
        "version": 1,
        "verdict": "not_better",
        "strategies": [
            entry("variance_reduction", "worse", "Worse than random picks.", (0.1, 0.3)),
            entry("lcmd", "not_better", lcmd, (-0.2, 0.1)),
        ],
        "auto": entry("lcmd", "better", auto, (-0.3, -0.1)),
        "reason": "",
    }


def add_backtest(
    sessions: sessionmaker[Session], campaign_id: int, status: RunStatus = RunStatus.SUCCEEDED, **report: Any
) -> int:
    """A backtest that has ended; a succeeded one with a report."""
    with unit_of_work(sessions) as session:
        backtest = Backtest(
            campaign_id=campaign_id,
            status=status,
            configuration={},
            seed=0,
            data_hash="0" * 64,
            requested_by="test",
            metrics=backtest_report(**report) if status is RunStatus.SUCCEEDED else None,
            error_message="it failed" if status is RunStatus.FAILED else None,
        )
        return backtests.add(session, backtest).id


def recommendation_columns(
    session: Session, round_: AcquisitionRound, sample_id: int, rank: int
) -> dict[str, Any]:
    sample = session.get_one(Sample, sample_id)
    source = session.get_one(Source, sample.source_id)
    return {
        "campaign_id": round_.campaign_id,
        "round_id": round_.id,
        "sample_id": sample_id,
        "rank": rank,
        "score": 1.0 / rank,
        "components": {"information": 1.0},
        "reason": "it is far from every test",
        "arm": Arm.CHOSEN,
        "acquisition_cost": source.acquisition_cost,
        "currency": source.currency,
    }


@dataclass(frozen=True)
class Proposal:
    """A campaign whose candidates are all proposed."""

    campaign_id: int
    surrogate_id: int
    sample_ids: list[int]
    recommendation_ids: list[int]


def propose(
    client: TestClient, candidates: Sequence[dict[str, Any]] | None = None, **campaign: Any
) -> Proposal:
    """A new campaign with one round that proposes the candidates, two full-vehicle tests unless given."""
    sessions: sessionmaker[Session] = client.app.state.sessions
    campaign_id = create_campaign(client, **campaign)
    sample_ids = add_samples(client, campaign_id, candidates or sample_documents(2))
    surrogate_id = add_finished_valuation(sessions, campaign_id).surrogate_id
    ids = add_round(sessions, campaign_id, surrogate_id, sample_ids)
    return Proposal(campaign_id, surrogate_id, sample_ids, ids)


def act(client: TestClient, recommendation_id: int, action: str, **document: Any) -> httpx.Response:
    """POST an action such as `approve` on a recommendation."""
    return client.post(f"{API}/recommendations/{recommendation_id}:{action}", json=document or None)


def move(client: TestClient, recommendation_id: int, *actions: str) -> None:
    """Take a recommendation through several actions, each of which must succeed."""
    for action in actions:
        response = act(
            client, recommendation_id, action, **({"target": 26.0} if action == "complete" else {})
        )
        assert response.status_code == 200, response.text


def status_of(sessions: sessionmaker[Session], recommendation_id: int) -> RecommendationStatus:
    with sessions() as session:
        return session.get_one(Recommendation, recommendation_id).status
