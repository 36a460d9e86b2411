"""What the tests of uploads share: a campaign, a file on its way, and the worker's part in this process."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.testclient import TestClient

from service.uploads.processing import process
from tests.support import API, SOURCES, create_campaign

FEATURES = [
    {"name": "impact_speed_kmh", "unit": "km/h", "tolerance": 1.0},
    {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
    {"name": "has_frontal_airbag", "kind": "boolean"},
    {"name": "belt_type", "kind": "categorical", "categories": ["3PT", "LAP"]},
]


def campaign(client: TestClient, *more: dict[str, Any], **changes: Any) -> int:
    document = {"feature_schema": [*FEATURES, *more], "target_domain": {}, "sources": SOURCES}
    return create_campaign(client, **document | changes)


def upload(
    client: TestClient, campaign_id: int, content: bytes, name: str = "v04711.zip", **form: Any
) -> httpx.Response:
    data = {"campaign_id": campaign_id, "source": "full_vehicle"} | form
    return client.post(f"{API}/uploads", files={"file": (name, content)}, data=data)


def read(client: TestClient, upload_id: int) -> dict[str, Any]:
    """Do what the worker does with the message, then look."""
    process(client.app.state.sessions, upload_id, client.app.state.settings)
    return client.get(f"{API}/uploads/{upload_id}").json()


def parsed(client: TestClient, campaign_id: int, content: bytes, **form: Any) -> int:
    """An upload that waits for its decision."""
    response = upload(client, campaign_id, content, **form)
    assert response.status_code == 202, response.text
    found = read(client, response.json()["id"])
    assert found["status"] == "parsed", found["error_message"]
    return found["id"]


def accept(client: TestClient, upload_id: int, **changes: Any) -> httpx.Response:
    return client.post(f"{API}/uploads/{upload_id}:accept", json=changes or None)


def samples(client: TestClient, campaign_id: int) -> list[dict[str, Any]]:
    return client.get(f"{API}/campaigns/{campaign_id}/samples").json()["items"]


def stored_files(client: TestClient) -> list[str]:
    folder = client.app.state.settings.files_dir / "uploads"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def assert_nothing_stored(client: TestClient, campaign_id: int) -> None:
    assert samples(client, campaign_id) == []
    assert client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"] == []
    assert stored_files(client) == []
