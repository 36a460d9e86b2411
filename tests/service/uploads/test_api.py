"""Crash-test files over HTTP."""

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.ev5_writer import ev5_files, usual_curves, zipped
from tests.support import API, SOURCES, assert_problem, create_campaign, pointers

FEATURES = [
    {"name": "impact_speed_kmh", "unit": "km/h"},
    {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
    {"name": "has_frontal_airbag", "kind": "boolean"},
    {"name": "belt_type", "kind": "categorical", "categories": ["3PT", "LAP"]},
]


def campaign(client: TestClient, *more: dict[str, Any]) -> int:
    schema = [*FEATURES, *more]
    return create_campaign(client, feature_schema=schema, target_domain={}, sources=SOURCES)


def upload(
    client: TestClient, campaign_id: int, content: bytes, name: str = "v04711.zip", **form: Any
) -> httpx.Response:
    data = {"campaign_id": campaign_id, "source": "full_vehicle"} | form
    return client.post(f"{API}/uploads", files={"file": (name, content)}, data=data)


def samples(client: TestClient, campaign_id: int) -> list[dict[str, Any]]:
    return client.get(f"{API}/campaigns/{campaign_id}/samples").json()["items"]


def assert_nothing_stored(client: TestClient, campaign_id: int) -> None:
    assert samples(client, campaign_id) == []
    assert client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"] == []


def test_a_zipped_test_becomes_a_labelled_sample(client: TestClient) -> None:
    campaign_id = campaign(client)
    response = upload(client, campaign_id, zipped(ev5_files(), folder="v04711"))
    assert response.status_code == 201, response.text
    (sample,) = response.json()["samples"]
    assert sample["status"] == "labelled"
    assert sample["target"] == pytest.approx(26.17, abs=0.01)
    assert sample["label_definition"] == "rolc/1"
    assert set(sample["label_details"]) == {"t1_ms", "t2_ms", "olc_g", "channels", "flags"}
    assert sample["external_id"] == "ev5-4711-driver"
    assert sample["group"] == "16-03"
    assert sample["provenance"] == {"file": "v04711.zip", "format": "ev5", "test_number": "4711"}
    assert sample["planned_features"] == {
        "impact_speed_kmh": 56.3, "test_mass_kg": 1700.0, "has_frontal_airbag": True, "belt_type": "3PT",
    }  # fmt: skip
    assert samples(client, campaign_id) == [sample]


def test_the_upload_is_read_at_its_location_with_its_report(client: TestClient) -> None:
    campaign_id = campaign(client)
    content = zipped(ev5_files())
    created = upload(client, campaign_id, content)
    read = client.get(created.headers["location"]).json()
    assert (read["size_bytes"], read["filename"]) == (len(content), "v04711.zip")
    assert {occupant["occupant"] for occupant in read["report"]["occupants"]} == {"driver", "passenger"}
    assert client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"] == [read]


def test_all_occupants_become_samples_when_asked_for(client: TestClient) -> None:
    response = upload(client, campaign(client), zipped(ev5_files()), occupants="all")
    assert [sample["external_id"] for sample in response.json()["samples"]] == [
        "ev5-4711-driver",
        "ev5-4711-passenger",
    ]


def test_the_same_test_twice_is_a_conflict_and_leaves_one(client: TestClient) -> None:
    campaign_id = campaign(client)
    upload(client, campaign_id, zipped(ev5_files()))
    assert_problem(upload(client, campaign_id, zipped(ev5_files()), "again.zip"), 409, "conflict")
    assert len(client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"]) == 1


def test_a_feature_that_the_file_does_not_hold_is_named(client: TestClient) -> None:
    campaign_id = campaign(client, {"name": "crush_space_mm", "unit": "mm"})
    found = pointers(assert_problem(upload(client, campaign_id, zipped(ev5_files())), 422, "invalid_input"))
    assert list(found) == ["/planned_features/crush_space_mm"]
    assert "give it in mm" in found["/planned_features/crush_space_mm"]
    assert_nothing_stored(client, campaign_id)


def test_a_feature_can_be_given_beside_the_file(client: TestClient) -> None:
    campaign_id = campaign(client, {"name": "crush_space_mm", "unit": "mm"})
    response = upload(client, campaign_id, zipped(ev5_files()), features='{"crush_space_mm": 550}')
    assert response.json()["samples"][0]["planned_features"]["crush_space_mm"] == 550.0


@pytest.mark.parametrize(
    ("features", "pointer"),
    [
        ("{", "/features"),
        ("[1]", "/features"),
        ("[" * 100_000, "/features"),
        ('{"a": ' + "1" * 5000 + "}", "/features"),
        ('{"test_mass_kg": [1]}', "/planned_features/test_mass_kg"),
        ('{"test_mass_kg": NaN}', "/planned_features/test_mass_kg"),
        ('{"mass": 1}', "/planned_features/mass"),
    ],
)
def test_given_features_are_checked(client: TestClient, features: str, pointer: str) -> None:
    campaign_id = campaign(client)
    response = upload(client, campaign_id, zipped(ev5_files()), features=features)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == [pointer]
    assert_nothing_stored(client, campaign_id)


def bomb() -> bytes:
    return zipped({"v00001.EV5": bytes(8 * 2**20)})


def with_name(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


def truncated_ev5() -> bytes:
    files = ev5_files()
    text = files["v04711.EV5"]
    return zipped(files | {"v04711.EV5": text[: text.index(b"----- INSTRUMENTATION")]})


@pytest.mark.parametrize(
    ("content", "status", "code", "complaint"),
    [
        (b"", 422, "invalid_file", "is empty"),
        (b"%PDF-1.7 nonsense", 422, "invalid_file", "not a readable zip"),
        (zipped(ev5_files())[:-200], 422, "invalid_file", "not a readable zip"),
        (zipped({"notes.txt": b"hello"}), 422, "invalid_file", "no crash test that can be recognised"),
        (with_name("../v04711.EV5"), 422, "invalid_file", "points outside the archive"),
        (bomb(), 413, "too_large", "times its size"),
        (truncated_ev5(), 422, "invalid_file", "is truncated"),
        (zipped({"v04711.EV5": b""}), 422, "invalid_file", "is empty"),
    ],
    ids=["empty", "no-zip", "cut-zip", "no-test", "escaping", "bomb", "cut-ev5", "empty-ev5"],
)
def test_a_file_that_cannot_be_read_says_why_and_leaves_nothing(
    client: TestClient, content: bytes, status: int, code: str, complaint: str
) -> None:
    campaign_id = campaign(client)
    problem = assert_problem(upload(client, campaign_id, content), status, code)
    assert complaint in problem["detail"]
    assert problem["hint"] or status == 413
    assert_nothing_stored(client, campaign_id)


def test_a_driver_without_chest_signal_has_no_label(client: TestClient) -> None:
    curves = [curve for curve in usual_curves() if (curve.place, curve.seat) != ("CHST", "01")]
    campaign_id = campaign(client)
    problem = assert_problem(upload(client, campaign_id, zipped(ev5_files(curves))), 422, "invalid_input")
    assert list(pointers(problem)) == ["/occupants/driver"]
    assert "crashscout rolc" in problem["hint"]
    assert_nothing_stored(client, campaign_id)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.zip", "passwd.zip"),
        ("C:\\tests\\a.zip", "a.zip"),
        ("Prüfung 4711.zip", "Prüfung 4711.zip"),
        ("x" * 400 + ".zip", "x" * 255),
        ("..", ".."),
        ("a\x00b.zip", None),
    ],
)
def test_a_hostile_file_name_harms_nobody(client: TestClient, name: str, shown: str | None) -> None:
    response = upload(client, campaign(client), zipped(ev5_files()), name)
    assert response.status_code == 201, response.text
    if shown is not None:
        assert response.json()["filename"] == shown
    assert "\x00" not in response.json()["filename"]


@pytest.mark.parametrize(
    ("form", "pointer"),
    [({"source": "sled"}, "/source"), ({"split": "test"}, "/split"), ({"occupants": "dog"}, "/occupants")],
)
def test_a_form_field_that_does_not_fit_is_named(
    client: TestClient, form: dict[str, str], pointer: str
) -> None:
    campaign_id = campaign(client)
    problem = assert_problem(upload(client, campaign_id, zipped(ev5_files()), **form), 422, "invalid_input")
    assert list(pointers(problem)) == [pointer]
    assert_nothing_stored(client, campaign_id)


def test_a_platform_in_the_holdout_stays_there(client: TestClient) -> None:
    campaign_id = campaign(client)
    assert upload(client, campaign_id, zipped(ev5_files()), split="holdout").status_code == 201
    response = upload(client, campaign_id, zipped(ev5_files(number=4712)), "b.zip", split="train")
    assert "keep groups whole" in json.dumps(assert_problem(response, 422, "invalid_input"))


def test_an_upload_to_an_unknown_campaign_is_404(client: TestClient) -> None:
    assert_problem(upload(client, 77, zipped(ev5_files())), 404, "not_found")


def test_an_unknown_upload_is_404(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/uploads/77"), 404, "not_found")
