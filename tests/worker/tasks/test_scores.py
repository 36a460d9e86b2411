"""Scores of posted designs, from the request through the broker and the worker to the answer."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.base import Base
from service.database.engine import TRANSACTIONS
from service.database.models import RankedCandidate, Recommendation, Sample
from service.dependencies import PrincipalInfo, principal_of
from service.samples import repository as samples
from tests.support import API, assert_problem, pointers, queued_messages
from tests.worker.tasks.test_tasks import request_round, valued_campaign
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.scores import acquisition_score

Sessions = sessionmaker[Session]
DESIGN = {
    "source": "full_vehicle",
    "planned_features": {"impact_speed_kmh": 50.0, "test_mass_kg": 2500.0, "body": "suv"},
}


@pytest.fixture
def campaign_id(worker_sessions: Sessions) -> int:
    return valued_campaign(worker_sessions)


SOURCES = {1: "full_vehicle", 2: "simulation"}


def pool(sessions: Sessions, campaign_id: int) -> list[Sample]:
    with sessions() as session:
        ids = samples.candidates_among(session, campaign_id, range(1, 10_000))
        return list(session.scalars(select(Sample).where(Sample.id.in_(ids)).order_by(Sample.id)))


def posted(sample: Sample) -> dict[str, Any]:
    return {
        "source": SOURCES[sample.source_id],
        "planned_features": sample.planned_features,
        "external_id": sample.external_id,
    }


def work(broker_url: str) -> None:
    """What a worker does with what waits in its queue."""
    for task, (number,) in queued_messages(broker_url, "gpu"):
        if task == "acquisition.score":
            acquisition_score(number)


def ask(client: TestClient, campaign_id: int, **document: Any) -> str:
    response = client.post(
        f"{API}/campaigns/{campaign_id}/scores", params={"wait_s": 0}, json={"designs": [DESIGN]} | document
    )
    assert response.status_code == 202, response.text
    assert response.json() == {"location": response.headers["location"]}
    assert int(response.headers["retry-after"]) > 0
    return response.headers["location"]


def test_scores_are_those_of_a_round_with_the_same_pool_and_nothing_is_stored(
    worker_sessions: Sessions, client: TestClient, campaign_id: int, broker_url: str
) -> None:
    rules = {"batch_size": 5, "control_fraction": 0.2, "cost_exponent": 0.3, "retests": False}
    candidates = pool(worker_sessions, campaign_id)
    designs = [posted(sample) for sample in candidates]
    before = counts(worker_sessions)
    location = ask(client, campaign_id, designs=designs, configuration=rules)
    again = ask(client, campaign_id, designs=designs, configuration=rules)
    work(broker_url)
    answer = client.get(location)
    assert answer.status_code == 200, answer.text
    assert answer.content == client.get(again).content
    assert counts(worker_sessions) == before

    round_id = request_round(worker_sessions, campaign_id, **rules)
    acquisition_rank(round_id)
    with worker_sessions() as session:
        ranked = session.scalars(
            select(RankedCandidate).where(RankedCandidate.round_id == round_id).order_by(RankedCandidate.rank)
        ).all()
        batch = session.scalars(
            select(Recommendation).where(Recommendation.round_id == round_id).order_by(Recommendation.rank)
        ).all()
    scores = answer.json()["scores"]
    assert [candidates[line["index"]].id for line in scores] == [row.sample_id for row in ranked]
    for name in ("score", "information", "relevance", "predicted", "predicted_std"):
        assert [line[name] for line in scores] == [getattr(row, name) for row in ranked], name
    assert [line["feasible"] for line in scores] == [row.eligible and row.affordable for row in ranked]
    assert [(line["reason"], line["arm"]) for line in scores if line["in_batch"]] == [
        (row.reason, row.arm) for row in batch
    ]
    for line in scores:
        low, high = line["interval_90"]
        assert low < line["predicted"] < high


def counts(sessions: Sessions) -> dict[str, int]:
    with sessions() as session:
        return {
            name: session.scalars(select(func.count()).select_from(table)).one()
            for name, table in Base.metadata.tables.items()
        }


def test_what_cannot_be_proposed_says_why(
    worker_sessions: Sessions, client: TestClient, campaign_id: int, broker_url: str
) -> None:
    with worker_sessions() as session:
        known = session.scalars(
            select(Sample).where(Sample.target.is_not(None), Sample.split == "train")
        ).first()
        assert known is not None
        labelled = posted(known) | {"planned_features": known.executed_features or known.planned_features}
    simulation = DESIGN | {"source": "simulation"}
    configuration = {"batch_size": 1, "source_budgets": {"full_vehicle": "1"}}
    location = ask(client, campaign_id, designs=[labelled, DESIGN, simulation], configuration=configuration)
    work(broker_url)
    found = {line["index"]: line for line in client.get(location).json()["scores"]}
    assert not found[0]["feasible"]
    assert "known design" in found[0]["reason"] or "costs more" in found[0]["reason"]
    assert not found[1]["feasible"]
    assert "costs more" in found[1]["reason"]
    assert (found[2]["feasible"], found[2]["in_batch"], found[2]["rank"]) == (True, True, 1)
    assert found[2]["acquisition_cost"] == "3000.00"


def test_the_answer_is_waited_for(client: TestClient, campaign_id: int, broker_url: str) -> None:
    location = ask(client, campaign_id)
    assert client.get(location).status_code == 202
    work(broker_url)
    assert client.get(location, params={"wait_s": 20}).status_code == 200


def test_a_request_with_a_key_is_answered_at_once_and_its_answer_is_waited_for_elsewhere(
    client: TestClient, campaign_id: int, broker_url: str
) -> None:
    url, key = f"{API}/campaigns/{campaign_id}/scores", {"Idempotency-Key": '"scores-1"'}
    asked = [
        client.post(url, params={"wait_s": 20}, json={"designs": [DESIGN]}, headers=key) for _ in range(2)
    ]
    assert [answer.status_code for answer in asked] == [202, 202]
    assert len({answer.headers["location"] for answer in asked}) == 1
    work(broker_url)
    assert client.get(asked[0].headers["location"], params={"wait_s": 20}).status_code == 200


def test_requests_that_wait_for_scores_hold_up_nobody(
    client: TestClient, campaign_id: int, broker_url: str
) -> None:
    url, body = f"{API}/campaigns/{campaign_id}/scores", {"designs": [DESIGN]}
    with ThreadPoolExecutor(TRANSACTIONS) as threads:
        send = partial(client.post, url, params={"wait_s": 20}, json=body)
        waiting = [threads.submit(send) for _ in range(TRANSACTIONS)]
        while (
            sum(task == "acquisition.score" for task, _ in queued_messages(broker_url, "gpu")) < TRANSACTIONS
        ):
            assert not any(request.done() for request in waiting)
        assert client.get(f"{API}/campaigns/{campaign_id}").status_code == 200
        assert not any(request.done() for request in waiting)
        work(broker_url)
        answers = [request.result().status_code for request in waiting]
    assert set(answers) <= {200, 202}  # on a slow machine some have waited long enough


def test_csv_and_ndjson_are_read_like_samples(client: TestClient, campaign_id: int, broker_url: str) -> None:
    line = '{"source": "simulation", "planned_features": {"impact_speed_kmh": 50, "body": "suv"}}\n'
    table = "source,impact_speed_kmh,body\nsimulation,50,suv\nsimulation,55,sedan\n"
    found = []
    for kind, body in (("application/x-ndjson", line * 2), ("text/csv", table)):
        response = client.post(
            f"{API}/campaigns/{campaign_id}/scores",
            params={"wait_s": 0, "seed": 5},
            content=body,
            headers={"content-type": kind},
        )
        assert response.status_code == 202, response.text
        found.append(response.headers["location"])
    work(broker_url)
    assert [len(client.get(location).json()["scores"]) for location in found] == [2, 2]


def test_what_the_worker_cannot_rank_is_a_conflict(
    client: TestClient, campaign_id: int, broker_url: str
) -> None:
    location = ask(client, campaign_id, configuration={"budget": "1"})
    work(broker_url)
    assert "budget" in assert_problem(client.get(location), 409, "conflict")["detail"]


def test_scores_are_seen_by_who_asked_only(
    client: TestClient, campaign_id: int, broker_url: str, worker_sessions: Sessions
) -> None:
    location = ask(client, campaign_id)
    other = valued_campaign(worker_sessions, candidates=3)
    token = location.rpartition("/")[2]
    assert_problem(client.get(f"{API}/campaigns/{other}/scores/{token}"), 404, "not_found")
    assert_problem(client.get(f"{API}/campaigns/{campaign_id}/scores/{'0' * 16}"), 404, "not_found")
    client.app.dependency_overrides[principal_of] = lambda: PrincipalInfo("stranger", id="key:99")
    try:
        assert_problem(client.get(location), 404, "not_found")
    finally:
        client.app.dependency_overrides.clear()
    assert client.get(location).status_code == 202


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"designs": [DESIGN, DESIGN | {"source": "sled"}]}, ["/designs/1/source"]),
        ({"designs": [DESIGN | {"target": 20.0}]}, ["/designs/0/target"]),
        ({"designs": [7]}, ["/designs/0"]),
        ({"designs": [DESIGN], "configuration": {"batchsize": 1}}, ["/configuration/batchsize"]),
        ({"designs": [DESIGN], "configuration": {"vetoed_sample_ids": [1]}}, ["/configuration"]),
        ({"designs": []}, []),
        ([], []),
    ],
)
def test_bad_requests_name_what_is_wrong(
    client: TestClient, campaign_id: int, broker_url: str, document: Any, found: list[str]
) -> None:
    response = client.post(f"{API}/campaigns/{campaign_id}/scores", json=document)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == found
    assert all(task != "acquisition.score" for task, _ in queued_messages(broker_url, "gpu"))


def test_a_question_that_has_expired_is_left_alone(worker_sessions: Sessions) -> None:
    acquisition_score(4711)
