"""No REST route changes a row without saying so, and none of them tells a secret."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.audit import repository as audit
from service.database.engine import unit_of_work
from service.database.models import AuditEvent, Campaign
from service.settings import Settings
from tests.service.audit.calls import SECRET
from tests.service.audit.more_calls import CALLS, PASSWORD
from tests.service.audit.watching import Watch, watching
from tests.support import API, create_campaign

READS = {"get", "head"}
# They answer about designs that are posted, and store nothing.
CHANGE_NOTHING = {"score_designs", "predict_designs"}
# Only a user has a password and sessions of their own.
BY_SESSION = {"change_my_password", "end_my_sessions"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allowed_networks": ["127.0.0.0/8"]})


@pytest.fixture
def watch(database_url: str) -> Iterator[Watch]:
    with watching(database_url) as running:
        yield running


def test_every_unsafe_route_has_a_call(application: FastAPI) -> None:
    paths = application.openapi()["paths"].values()
    unsafe = {
        operation["operationId"]
        for path in paths
        for method, operation in path.items()
        if method not in READS
    }
    assert unsafe - CHANGE_NOTHING == CALLS.keys(), (
        "tests/service/audit/calls.py needs a call for each, and for no other"
    )


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_change_writes_an_audit_event_in_its_own_transaction(
    client: TestClient, watch: Watch, name: str
) -> None:
    client.headers["authorization"] = f"Bearer {_key(client)}"  # `local` ends with the first user
    client.get(f"{API}/me")  # its use is noted once a minute: not in the call below
    request = CALLS[name](client)
    watch.begin()
    response = client.request(**request)
    assert response.is_success, response.text
    assert watch.touched(), "the call changed nothing: it shows nothing"
    assert watch.silent() == set()
    with client.app.state.sessions() as session:
        last = session.query(AuditEvent).order_by(AuditEvent.id.desc()).first()
        told = [(event.before, event.after) for event in session.query(AuditEvent)]
    assert last.request_id == response.headers["x-request-id"]
    assert last.principal_id == ("user:1" if name in BY_SESSION else "key:1")
    assert not [secret for secret in (SECRET, PASSWORD, "crs_") if secret in str(told)]


def _key(client: TestClient) -> str:
    document = {"name": "of the test", "scopes": ["read", "write", "approve", "admin"]}
    key: str = client.post(f"{API}/api-keys", json=document).json()["key"]
    return key


def test_a_change_without_an_event_is_seen(
    sessions: sessionmaker[Session], client: TestClient, watch: Watch
) -> None:
    """The watch itself: it would see a service that forgets."""
    campaign_id = create_campaign(client)
    watch.begin()
    with unit_of_work(sessions) as session:
        session.get_one(Campaign, campaign_id).description = "changed"
    assert watch.silent() == {"campaigns"}
    watch.begin()
    with unit_of_work(sessions) as session:
        session.get_one(Campaign, campaign_id).description = "changed again"
        audit.record(session, "test", "update", "campaign", campaign_id, campaign_id=campaign_id)
    assert watch.silent() == set()
