"""Calls of the routes of accounts, and of what people decide about single samples and surrogates."""

from __future__ import annotations

import re
from typing import Any

from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Surrogate
from service.lifecycles import RunStatus
from service.valuations import repository as valuations
from tests.service.audit.calls import CALLS, Call, Request, call, made, post
from tests.support import (
    add_finished_valuation,
    add_samples,
    create_campaign,
    new_run,
    sample_document,
    sample_documents,
)

PASSWORD = "chalk otter sleeps twice"


def _candidate(client: TestClient) -> int:
    return add_samples(client, create_campaign(client), [sample_document()])[0]


@call
def veto_sample(client: TestClient) -> Request:
    return post(f"/samples/{_candidate(client)}:veto", {"reason": "no vehicle left"})


@call
def unveto_sample(client: TestClient) -> Request:
    key = made(client, veto_sample(client))
    return post(f"/samples/{key}:unveto")


@call
def promote_valuation_run(client: TestClient) -> Request:
    surrogate_id = add_finished_valuation(client.app.state.sessions, create_campaign(client)).surrogate_id
    with unit_of_work(client.app.state.sessions) as session:
        run_id = session.get_one(Surrogate, surrogate_id).valuation_run_id
    return post(f"/valuation-runs/{run_id}:promote", {"override": True, "reason": "the only one"})


def _suspicious(client: TestClient) -> int:
    """A labelled sample whose label a finished valuation doubts."""
    campaign_id = create_campaign(client)
    (key,) = add_samples(client, campaign_id, sample_documents(1, target=26.0))
    with unit_of_work(client.app.state.sessions) as session:
        run = new_run(campaign_id, RunStatus.SUCCEEDED, configuration={"mode": "normalized"})
        run_id = valuations.add(session, run).id
        value = {
            "valuation_run_id": run_id, "sample_id": key, "rank": 1, "value": 0.05, "weight": 1.0, "spread": 0.1,
            "value_target_loss": 0.06, "value_transport": 0.99,
        }  # fmt: skip
        valuations.insert_values(session, [value])
    return key


def _on_suspect(action: str, **document: Any) -> Call:
    def request(client: TestClient) -> Request:
        return post(f"/samples/{_suspicious(client)}:{action}", {"reason": "looked at the film"} | document)

    return request


CALLS |= {
    "confirm_label": _on_suspect("confirm-label"),
    "dismiss_doubt": _on_suspect("dismiss-doubt"),
    "correct_label": _on_suspect("correct-label", target=27.0),
    "retest_sample": _on_suspect("retest"),
}


@call
def create_injections(client: TestClient) -> Request:
    campaign_id = create_campaign(client)
    ids = add_samples(client, campaign_id, [sample_document()])
    document = {"sample_ids": ids, "reason": "the customer asks"}
    return post(f"/campaigns/{campaign_id}/injections", document)


@call
def withdraw_injection(client: TestClient) -> Request:
    response = client.request(**create_injections(client))
    return post(f"/injections/{response.json()[0]['id']}:withdraw")


@call
def create_api_key(client: TestClient) -> Request:
    return post("/api-keys", {"name": "simulation farm", "scopes": ["read"]})


def _on_key(action: str) -> Call:
    def request(client: TestClient) -> Request:
        return post(f"/api-keys/{made(client, create_api_key(client))}:{action}", {})

    return request


CALLS |= {"rotate_api_key": _on_key("rotate"), "revoke_api_key": _on_key("revoke")}


@call
def create_user(client: TestClient) -> Request:
    return post("/users", {"name": "a.meier", "role": "engineer", "password": PASSWORD})


@call
def update_user(client: TestClient) -> Request:
    key = made(client, create_user(client))
    return post(f"/users/{key}", {"role": "viewer", "password": f"{PASSWORD} again"}) | {"method": "PATCH"}


@call
def end_user_sessions(client: TestClient) -> Request:
    key, with_key = made(client, create_user(client)), dict(client.headers)
    _sign_in(client)
    return post(f"/users/{key}/sessions:end") | {"headers": {"authorization": with_key["authorization"]}}


def _sign_in(client: TestClient) -> dict[str, str]:
    """A session in the client's cookies; the header that its changes need."""
    client.post("/login", data={"name": "a.meier", "password": PASSWORD}, headers={"accept": "text/html"})
    del client.headers["authorization"]
    page = client.get("/campaigns", headers={"accept": "text/html"}).text
    found = re.search(r"X-CSRF-Token.*?([0-9a-f]{64})", page)
    assert found, page
    return {"X-CSRF-Token": found[1]}


@call
def change_my_password(client: TestClient) -> Request:
    made(client, create_user(client))
    document = {"old_password": PASSWORD, "password": f"{PASSWORD} again"}
    return post("/me/password", document) | {"headers": _sign_in(client)}


@call
def end_my_sessions(client: TestClient) -> Request:
    made(client, create_user(client))
    return post("/me/sessions:end") | {"headers": _sign_in(client)}
