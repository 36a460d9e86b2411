"""Whoever follows a request in the logs finds the runs that its round asked for later."""

from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.models import AcquisitionRound, ValuationRun
from service.rounds import repository
from service.rounds.progress import advance_open
from service.settings import Settings
from tests.service.rounds.stepping import campaign_with_pool, end_valuation, read
from tests.support import API, queued_fields, queued_messages

Sessions = sessionmaker[Session]


def start(client: TestClient, campaign_id: int, request_id: str) -> int:
    url = f"{API}/campaigns/{campaign_id}/rounds"
    response = client.post(url, json={}, headers={"X-Request-ID": request_id})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def test_the_runs_of_a_round_carry_its_request(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), "who-asked-7")
    advance_open(sessions)
    end_valuation(sessions, round_id)
    advance_open(sessions)  # beat, long after the request
    row = read(sessions, round_id)
    with sessions() as session:
        valuation = session.get_one(ValuationRun, row.valuation_run_id)
        ranking = session.get_one(AcquisitionRound, row.acquisition_round_id)
        assert valuation.request_id == ranking.request_id == "who-asked-7"
        assert repository.id_behind(session, valuation) == round_id
        assert repository.id_behind(session, ranking) == round_id


def test_the_message_names_request_and_round(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    campaign_id = campaign_with_pool(client)
    round_id = start(client, campaign_id, "who-asked-8")
    advance_open(sessions)
    [(_, [run_id])] = queued_messages(settings.broker_url, "gpu")
    assert run_id == read(sessions, round_id).valuation_run_id
    about = {"request_id": "who-asked-8", "round_id": round_id, "campaign_id": campaign_id}
    [fields] = queued_fields(settings.broker_url, "gpu")
    assert about.items() <= fields.items()
