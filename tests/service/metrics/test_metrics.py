"""`GET /metrics`, read as Prometheus reads it."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Process
from service.lifecycles import RunStatus
from service.metrics import rows
from service.queue.messages import Message, TaskName
from service.settings import Settings
from service.stack import free_port
from service.vocabulary import ProcessKind
from tests.support import (
    API,
    add_finished_valuation,
    add_round,
    add_run,
    add_samples,
    assert_problem,
    create_campaign,
    open_client,
    sample_documents,
)

Sessions = sessionmaker[Session]
KEY = "k" * 24


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "FRESH_S", 0.0)


def scrape(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(client: TestClient, name: str, **labels: str) -> float | None:
    return scrape(client).get((f"crashscout_{name}", frozenset(labels.items())))


def test_requests_are_counted_by_template_and_status(client: TestClient) -> None:
    labels = {"method": "GET", "route": f"{API}/campaigns/{{campaign_id}}", "status": "404"}
    before = value(client, "request_duration_seconds_count", **labels) or 0
    for campaign_id in (71, 72):
        client.get(f"{API}/campaigns/{campaign_id}")
    assert value(client, "request_duration_seconds_count", **labels) == before + 2
    assert value(client, "request_duration_seconds_bucket", **labels, le="+Inf") == before + 2


def test_what_strangers_make_up_makes_no_new_label(client: TestClient) -> None:
    client.get("/wp-login.php")
    client.request("BREW", "/coffee")
    labels = {label for _, label in scrape(client)}
    assert not any("wp-login" in text or "BREW" in text for label in labels for _, text in label)
    assert value(
        client, "request_duration_seconds_count", method="GET", route="unmatched", status="404"
    )  # fmt: skip


def test_runs_by_state_their_wait_and_duration(client: TestClient, sessions: Sessions) -> None:
    campaign, now = create_campaign(client), datetime.now(UTC)
    add_run(sessions, campaign, created_at=now - timedelta(seconds=100))
    for seconds in (2, 40):
        times = {"started_at": now - timedelta(seconds=seconds), "finished_at": now}
        add_run(sessions, campaign, RunStatus.FAILED, attempt=1, worker="w", **times)
    kind = {"kind": "valuation_runs"}
    assert value(client, "runs", **kind, status="queued") == 1
    assert value(client, "runs", **kind, status="failed") == 2
    assert value(client, "longest_wait_seconds", **kind) == pytest.approx(100, abs=60)
    assert value(client, "longest_wait_seconds", kind="uploads") == 0
    failed = kind | {"outcome": "failed"}
    assert value(client, "run_duration_seconds_bucket", **failed, le="1.0") == 0
    assert value(client, "run_duration_seconds_bucket", **failed, le="3.0") == 1
    assert value(client, "run_duration_seconds_bucket", **failed, le="60.0") == 2
    assert value(client, "run_duration_seconds_count", **failed) == 2
    assert value(client, "run_duration_seconds_sum", **failed) == pytest.approx(42)


def test_the_depth_of_queues_and_the_workers_that_serve_them(client: TestClient, sessions: Sessions) -> None:
    client.app.state.queue.send(Message(TaskName.VALUATION_RUN, 1))
    with unit_of_work(sessions) as session:
        session.add(Process(kind=ProcessKind.WORKER, host="a", pid=1, queues=["gpu", "cpu"]))
    assert [value(client, "queue_messages", queue=queue) for queue in ("gpu", "cpu", "io")] == [1, 0, 0]
    assert [value(client, "workers", queue=queue) for queue in ("gpu", "cpu", "io")] == [1, 1, 0]


def test_the_size_of_the_newest_ranking(client: TestClient, sessions: Sessions) -> None:
    campaign = create_campaign(client)
    surrogate = add_finished_valuation(sessions, campaign).surrogate_id
    samples = add_samples(client, campaign, sample_documents(2))
    for size, sample in zip((500, 700), samples, strict=True):
        add_round(sessions, campaign, surrogate, [sample])
        with unit_of_work(sessions) as session:
            newest = session.query(AcquisitionRound).order_by(AcquisitionRound.id.desc()).first()
            newest.pool_size = size
    assert value(client, "ranking_candidates", campaign=str(campaign)) == 700


def test_samples_that_came_in_are_counted(client: TestClient, sessions: Sessions) -> None:
    before = value(client, "samples_inserted_total")
    with unit_of_work(sessions) as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    add_samples(client, create_campaign(client), sample_documents(25))
    for _ in range(3):  # every connection of the pool tells its count when it next ends a transaction
        with unit_of_work(sessions) as session:
            session.execute(text("SELECT pg_stat_force_next_flush()"))
    assert value(client, "samples_inserted_total") == before + 25


def test_without_engines_requests_are_still_counted(settings: Settings) -> None:
    away = settings.model_copy(
        update={
            "database_url": f"postgresql+psycopg://u@127.0.0.1:{free_port()}/x",
            "broker_url": f"redis://127.0.0.1:{free_port()}/0",
            "api_key": SecretStr(KEY),  # the one key that needs no database
        }
    )
    with open_client(away) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        client.get("/health/live")
        assert value(client, "database_up") == value(client, "broker_up") == 0
        labels = {"method": "GET", "route": "/health/live", "status": "200"}
        assert value(client, "request_duration_seconds_count", **labels) == 1


def test_the_rows_are_read_once_in_a_while(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FRESH_S", 3600.0)
    campaign = create_campaign(client)
    scrape(client)
    add_run(sessions, campaign)
    assert value(client, "runs", kind="valuation_runs", status="queued") is None


def test_it_is_as_guarded_as_the_api(settings: Settings) -> None:
    with open_client(settings.model_copy(update={"api_key": SecretStr(KEY)})) as client:
        assert_problem(client.get("/metrics"), 401, "unauthenticated")
        assert client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
