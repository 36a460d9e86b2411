"""A successful call of every unsafe REST route: what it needs is set up first, the request itself is returned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Webhook, WebhookDelivery
from tests.ev5_writer import ev5_files, zipped
from tests.service.rounds import stepping
from tests.service.uploads import uploading
from tests.support import (
    API,
    add_finished_valuation,
    add_samples,
    campaign_document,
    create_campaign,
    move,
    propose,
    sample_document,
    sample_documents,
)

# Keyword arguments of `client.request`.
Request = dict[str, Any]
Call = Callable[[TestClient], Request]
SECRET = "a-secret-of-some-length-that-nobody-may-read"
CALLS: dict[str, Call] = {}


def call(operation: Call) -> Call:
    """Its name is the operation id of the route."""
    CALLS[operation.__name__] = operation
    return operation


def post(url: str, document: Any = None) -> Request:
    return {"method": "POST", "url": f"{API}{url}"} | ({} if document is None else {"json": document})


def made(client: TestClient, request: Request) -> int:
    """Send a request that must succeed; the id of what it made."""
    response = client.request(**request)
    assert response.is_success, response.text
    return response.json()["id"]


@call
def create_campaign_(client: TestClient) -> Request:
    return post("/campaigns", campaign_document())


CALLS["create_campaign"] = CALLS.pop("create_campaign_")


@call
def create_sample(client: TestClient) -> Request:
    return post(f"/campaigns/{create_campaign(client)}/samples", sample_document(target=26.0))


@call
def create_samples(client: TestClient) -> Request:
    rows = sample_documents(2, target=26.0)
    return post(f"/campaigns/{create_campaign(client)}/samples:bulk", {"samples": rows})


@call
def create_upload(client: TestClient) -> Request:
    form = {"campaign_id": uploading.campaign(client), "source": "full_vehicle"}
    return post("/uploads") | {"data": form, "files": {"file": ("v04711.zip", zipped(ev5_files()))}}


def _parsed(client: TestClient) -> int:
    return uploading.parsed(client, uploading.campaign(client), zipped(ev5_files()))


@call
def accept_upload(client: TestClient) -> Request:
    return post(f"/uploads/{_parsed(client)}:accept")


@call
def reject_upload(client: TestClient) -> Request:
    return post(f"/uploads/{_parsed(client)}:reject", {"reason": "the sensor was loose"})


@call
def relabel_uploads(client: TestClient) -> Request:
    campaign_id = uploading.campaign(client)
    return post(f"/campaigns/{campaign_id}/uploads:relabel", {"label_definition": "rolc/1"})


@call
def request_import(client: TestClient) -> Request:
    return post(f"/campaigns/{uploading.campaign(client)}/imports", {"tests": "9000"})


@call
def cancel_import(client: TestClient) -> Request:
    return post(f"/imports/{made(client, request_import(client))}:cancel")


def _with_labels(client: TestClient) -> int:
    return stepping.campaign_with_pool(client)


@call
def request_valuation_run(client: TestClient) -> Request:
    campaign_id = _with_labels(client)
    add_samples(client, campaign_id, sample_documents(12, target=26.0, split="validation"))
    return post(f"/campaigns/{campaign_id}/valuation-runs", {})


@call
def cancel_valuation_run(client: TestClient) -> Request:
    return post(f"/valuation-runs/{made(client, request_valuation_run(client))}:cancel")


@call
def request_backtest(client: TestClient) -> Request:
    return post(f"/campaigns/{_with_labels(client)}/backtests", {})


@call
def cancel_backtest(client: TestClient) -> Request:
    return post(f"/backtests/{made(client, request_backtest(client))}:cancel")


@call
def request_acquisition_round(client: TestClient) -> Request:
    campaign_id = _with_labels(client)
    add_finished_valuation(client.app.state.sessions, campaign_id)
    return post(f"/campaigns/{campaign_id}/acquisition-rounds", {})


@call
def cancel_acquisition_round(client: TestClient) -> Request:
    return post(f"/acquisition-rounds/{made(client, request_acquisition_round(client))}:cancel")


def _proposed(client: TestClient, *actions: str, **changes: Any) -> int:
    key = propose(client, sample_documents(1, **changes)).recommendation_ids[0]
    move(client, key, *actions)
    return key


def _on_recommendation(action: str, *before: str, **document: Any) -> Call:
    def request(client: TestClient) -> Request:
        return post(f"/recommendations/{_proposed(client, *before)}:{action}", document)

    return request


CALLS |= {
    "approve_recommendation": _on_recommendation("approve"),
    "reject_recommendation": _on_recommendation("reject", reason="too dear"),
    "order_recommendation": _on_recommendation("order", "approve"),
    "start_recommendation": _on_recommendation("start", "approve", "order"),
    "complete_recommendation": _on_recommendation("complete", "approve", "order", target=26.0),
    "fail_recommendation": _on_recommendation("fail", "approve", "order", reason="the sled broke"),
    "abandon_recommendation": _on_recommendation("abandon", "approve", "order", reason="not built"),
}


@call
def simulate_recommendation(client: TestClient) -> Request:
    return post(f"/recommendations/{_proposed(client, 'approve', source='simulation')}:simulate")


@call
def cancel_simulation_run(client: TestClient) -> Request:
    asked = simulate_recommendation(client)
    key = made(client, asked)
    (run,) = client.get(f"{API}/recommendations/{key}/simulation-runs").json()
    return post(f"/simulation-runs/{run['id']}:cancel")


@call
def replay_acquisition_round(client: TestClient) -> Request:
    propose(client)
    with unit_of_work(client.app.state.sessions) as session:
        round_ = session.query(AcquisitionRound).one()
        round_.frozen_at = datetime.now(UTC)
        return post(f"/acquisition-rounds/{round_.id}:replay")


@call
def cancel_replay(client: TestClient) -> Request:
    return post(f"/replays/{made(client, replay_acquisition_round(client))}:cancel")


@call
def set_stop_rule(client: TestClient) -> Request:
    url = f"/campaigns/{create_campaign(client)}/stop-rule"
    return post(url, {"target_error": 2.0}) | {"method": "PUT"}


@call
def create_source(client: TestClient) -> Request:
    source = {"name": "sled", "kind": "physical_test", "acquisition_cost": "20000"}
    return post(f"/campaigns/{create_campaign(client)}/sources", source)


@call
def update_source(client: TestClient) -> Request:
    campaign_id = create_campaign(client)
    source_id = client.get(f"{API}/campaigns/{campaign_id}").json()["sources"][0]["id"]
    url = f"/campaigns/{campaign_id}/sources/{source_id}"
    return post(url, {"acquisition_cost": "320000", "capacity": 4}) | {"method": "PATCH"}


@call
def start_round(client: TestClient) -> Request:
    return post(f"/campaigns/{_with_labels(client)}/rounds", {})


@call
def cancel_round(client: TestClient) -> Request:
    return post(f"/rounds/{made(client, start_round(client))}:cancel")


@call
def close_round(client: TestClient) -> Request:
    round_id = stepping.start(client, _with_labels(client))
    stepping.propose(client, client.app.state.sessions, round_id)
    return post(f"/rounds/{round_id}:close")


@call
def create_schedule(client: TestClient) -> Request:
    trigger = {"kind": "cron", "expression": "0 2 * * *"}
    document = {"name": "nightly", "trigger": trigger, "time_zone": "Europe/Berlin"}
    return post(f"/campaigns/{_with_labels(client)}/schedules", document)


def _on_schedule(action: str, *before: str) -> Call:
    def request(client: TestClient) -> Request:
        key = made(client, create_schedule(client))
        for earlier in before:
            made(client, post(f"/schedules/{key}:{earlier}"))
        return post(f"/schedules/{key}:{action}")

    return request


CALLS |= {
    "pause_schedule": _on_schedule("pause"),
    "resume_schedule": _on_schedule("resume", "pause"),
    "fire_schedule": _on_schedule("fire"),
}


@call
def update_schedule(client: TestClient) -> Request:
    key = made(client, create_schedule(client))
    return post(f"/schedules/{key}", {"name": "every night"}) | {"method": "PATCH"}


@call
def delete_schedule(client: TestClient) -> Request:
    return post(f"/schedules/{made(client, create_schedule(client))}") | {"method": "DELETE"}


@call
def create_injections(client: TestClient) -> Request:
    campaign_id = create_campaign(client)
    sample_id = made(client, post(f"/campaigns/{campaign_id}/samples", sample_document()))
    document = {"sample_ids": [sample_id], "reason": "The board wants it."}
    return post(f"/campaigns/{campaign_id}/injections", document)


@call
def withdraw_injection(client: TestClient) -> Request:
    response = client.request(**create_injections(client))
    assert response.is_success, response.text
    return post(f"/injections/{response.json()[0]['id']}:withdraw")


@call
def create_webhook(client: TestClient) -> Request:
    document = {"url": "http://127.0.0.1:9/hook", "events": ["*"], "secret": SECRET}
    return post(f"/campaigns/{create_campaign(client)}/webhooks", document)


@call
def update_webhook(client: TestClient) -> Request:
    key = made(client, create_webhook(client))
    document = {"is_active": False, "secret": f"new-{SECRET}"}
    return post(f"/webhooks/{key}", document) | {"method": "PATCH"}


@call
def delete_webhook(client: TestClient) -> Request:
    return post(f"/webhooks/{made(client, create_webhook(client))}") | {"method": "DELETE"}


@call
def replay_webhook_delivery(client: TestClient) -> Request:
    webhook_id = made(client, create_webhook(client))
    with unit_of_work(client.app.state.sessions) as session:
        delivery = WebhookDelivery(
            webhook_id=session.get_one(Webhook, webhook_id).id, event_position=1, event_type="round.closed",
            body="{}", status="failed", attempt=3, finished_at=datetime.now(UTC),
        )  # fmt: skip
        session.add(delivery)
        session.flush()
        return post(f"/webhook-deliveries/{delivery.id}:replay")
