"""Who works, on what, and what the doctor finds."""

import os
import socket

from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.processes import service as processes
from service.vocabulary import ProcessKind
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows, new_run


def test_nobody_works(dashboard: TestClient) -> None:
    text = text_of(soup_of(dashboard, "/workers").main)
    assert "Start a worker" in text
    assert "The clock of the service stands still" in text
    assert "Nobody serves it: start crashscout worker --queues gpu." in text


def test_a_worker_with_its_run_and_a_beat(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    name = f"{socket.gethostname()}:{os.getpid()}"
    with unit_of_work(store) as session:
        processes.say_alive(session, ProcessKind.WORKER, queues=["gpu", "cpu"], is_new=True)
        processes.say_alive(session, ProcessKind.BEAT, is_new=True)
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.RUNNING, worker=name, device="cpu")
        session.add(run)
        session.flush()
    soup = soup_of(dashboard, "/workers")
    assert "The clock of the service stands still" not in text_of(soup.main)
    row = next(row for row in soup.select("tbody tr") if "worker" in text_of(row.td))
    assert name in text_of(row)
    assert row.a["href"] == f"/valuation-runs/{run.id}"
    assert "42 %" in text_of(row)
    live = soup_of(dashboard, soup.select_one("#live")["hx-get"])
    assert live.select("html") == []
    assert name in text_of(live)


def test_the_doctor_speaks(dashboard: TestClient) -> None:
    address = soup_of(dashboard, "/workers").select_one("[hx-trigger=load]")["hx-get"]
    findings = soup_of(dashboard, address)
    assert {"database", "beat", "broker", "migrations"} <= {text_of(name) for name in findings.select("dt")}
    assert "Start `crashscout beat`" in text_of(findings)
