"""Curves behind a label, read again from the stored original."""

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Upload
from tests.ev5_writer import ev5_files, zipped
from tests.service.uploads.uploading import accept, campaign, parsed, stored_files
from tests.support import API, add_samples, assert_problem

GRAVITY = 9.80665


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return campaign(client)


@pytest.fixture
def sample_id(client: TestClient, campaign_id: int) -> int:
    response = accept(client, parsed(client, campaign_id, zipped(ev5_files())))
    return response.json()["samples"][0]["id"]


def test_the_slope_of_the_chest_speed_is_the_label(client: TestClient, sample_id: int) -> None:
    curves = client.get(f"{API}/samples/{sample_id}/curves").json()
    time, chest = np.array(curves["time_ms"]), np.array(curves["chest_mps"])
    t1, t2 = curves["t1_ms"], curves["t2_ms"]
    first, last = np.interp([t1, t2], time, chest)
    assert (first - last) / ((t2 - t1) / 1e3) / GRAVITY == pytest.approx(curves["rolc_g"], rel=0.002)
    label = client.get(f"{API}/samples/{sample_id}").json()
    assert curves["rolc_g"] == pytest.approx(label["target"])
    assert np.interp(t2, time, curves["vehicle_mps"]) == pytest.approx(last, abs=0.05)


def test_both_begin_at_the_same_speed_and_accelerations_are_its_slope(
    client: TestClient, sample_id: int
) -> None:
    curves = client.get(f"{API}/samples/{sample_id}/curves").json()
    assert curves["time_ms"][0] == pytest.approx(0, abs=0.1)
    assert curves["vehicle_mps"][0] == pytest.approx(56.3 / 3.6, abs=0.01)
    assert curves["chest_mps"][0] == pytest.approx(56.3 / 3.6, abs=0.01)
    assert curves["shown"] == len(curves["time_ms"]) <= 800 < curves["samples"]
    assert curves["time_ms"][-1] >= max(120, curves["t2_ms"] + 39)
    lost = np.trapezoid(curves["chest_g"], np.array(curves["time_ms"]) / 1e3) * GRAVITY
    assert lost == pytest.approx(curves["chest_mps"][-1] - curves["chest_mps"][0], rel=0.01)


def test_it_is_read_once(client: TestClient, sample_id: int) -> None:
    before = client.get(f"{API}/samples/{sample_id}/curves").json()
    for path in client.app.state.settings.files_dir.rglob("*"):
        if path.name in stored_files(client):
            path.unlink()
    assert client.get(f"{API}/samples/{sample_id}/curves").json() == before


def test_a_sample_without_a_file_says_so(client: TestClient, campaign_id: int) -> None:
    document = {
        "source": "full_vehicle",
        "target": 25.0,
        "planned_features": {
            "impact_speed_kmh": 56.0, "test_mass_kg": 1810, "has_frontal_airbag": True, "belt_type": "3PT",
        },
    }  # fmt: skip
    (sample_id,) = add_samples(client, campaign_id, [document])
    problem = assert_problem(client.get(f"{API}/samples/{sample_id}/curves"), 404, "not_found")
    assert "came without a file" in problem["detail"]


@pytest.mark.parametrize(
    ("column", "change", "status", "text"),
    [
        ("storage_key", None, 404, "was not kept"),
        ("storage_key", "f" * 32, 503, "is gone"),
        ("size_bytes", 2**30, 409, "larger than 64 MiB"),
        ("sample_ids", "rear_left", 409, "chest signal of the rear_left"),
    ],
)
def test_what_cannot_be_drawn_says_why(
    client: TestClient,
    sessions: sessionmaker[Session],
    sample_id: int,
    column: str,
    change: object,
    status: int,
    text: str,
) -> None:
    with unit_of_work(sessions) as session:
        upload = session.query(Upload).one()
        setattr(upload, column, {change: sample_id} if column == "sample_ids" else change)
    code = {404: "not_found", 409: "conflict", 503: "unavailable"}[status]
    problem = assert_problem(client.get(f"{API}/samples/{sample_id}/curves"), status, code)
    assert text in problem["detail"]
