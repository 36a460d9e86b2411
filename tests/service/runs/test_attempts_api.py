"""What a client sees of a run's attempts."""

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, ImportRun, ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository, service
from tests.support import API, add_finished_valuation, add_run, assert_problem, create_campaign

Sessions = sessionmaker[Session]


def test_each_attempt_with_its_outcome_oldest_first(client: TestClient, sessions: Sessions) -> None:
    run_id = add_run(sessions, create_campaign(client))
    for worker in ("one", "two"):
        with unit_of_work(sessions) as session:
            claimed = repository.claim(session, ValuationRun, run_id, worker=worker, lease_s=60)
            if worker == "one":
                service.lose(session, claimed, attempts=3, reason="no sign of life")
            else:
                repository.finish(session, ValuationRun, claimed, RunStatus.SUCCEEDED, data_hash="0" * 64)
    found = client.get(f"{API}/valuation-runs/{run_id}/attempts").json()
    assert [(line["attempt"], line["worker"], line["outcome"], line["message"]) for line in found] == [
        (1, "one", "lost", "no sign of life"),
        (2, "two", "succeeded", "succeeded"),
    ]
    assert all(line["started_at"] <= line["ended_at"] for line in found)
    assert all(line["metrics"] is line["artefact_sha256"] is None for line in found)


@pytest.mark.parametrize("noun", ["valuation-runs", "acquisition-rounds", "imports"])
def test_a_run_that_is_not_there(client: TestClient, noun: str) -> None:
    assert_problem(client.get(f"{API}/{noun}/999/attempts"), 404, "not_found")


@pytest.mark.parametrize(("noun", "kind"), [("acquisition-rounds", AcquisitionRound), ("imports", ImportRun)])
def test_a_run_that_nobody_has_taken_yet_has_none(
    client: TestClient, sessions: Sessions, noun: str, kind: type[AcquisitionRound | ImportRun]
) -> None:
    campaign_id = create_campaign(client)
    columns = {"campaign_id": campaign_id, "configuration": {}, "seed": 0, "requested_by": "test"}
    if kind is AcquisitionRound:
        columns["surrogate_id"] = add_finished_valuation(sessions, campaign_id).surrogate_id
    with unit_of_work(sessions) as session:
        row = kind(**columns)
        session.add(row)
        session.flush()
        key = row.id
    assert client.get(f"{API}/{noun}/{key}/attempts").json() == []
