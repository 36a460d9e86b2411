"""Crash-test files over HTTP: received, read, accepted."""

import io
import json
import zipfile
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.ev5_writer import ev5_files, usual_curves, zipped
from tests.service.uploads.uploading import (
    accept,
    assert_nothing_stored,
    campaign,
    parsed,
    read,
    samples,
    stored_files,
    upload,
)
from tests.support import API, assert_problem, open_client, pointers, queued_messages

CRUSH = {"name": "crush_space_mm", "unit": "mm"}


def test_a_file_is_received_and_waits_for_a_worker(client: TestClient, broker_url: str) -> None:
    content = zipped(ev5_files())
    response = upload(client, campaign(client), content)
    assert response.status_code == 202, response.text
    row = response.json()
    assert response.headers["location"] == f"{API}/uploads/{row['id']}"
    assert int(response.headers["retry-after"]) > 0
    assert (row["status"], row["report"], row["size_bytes"]) == ("queued", None, len(content))
    assert queued_messages(broker_url, "io") == [("upload.read", [row["id"]])]


def test_a_read_file_shows_channels_labels_and_what_it_would_become(client: TestClient) -> None:
    campaign_id = campaign(client)
    row = read(client, upload(client, campaign_id, zipped(ev5_files())).json()["id"])
    assert row["status"] == "parsed"
    driver, passenger = row["report"]["occupants"]
    assert (driver["occupant"], passenger["occupant"]) == ("driver", "passenger")
    assert driver["channels"] == ["010 FLLR NA X", "011 FLRR NA X", "001 CHST 01 X"]
    (proposal,) = row["proposals"]
    assert (proposal["occupant"], proposal["external_id"]) == ("driver", "ev5-4711-driver")
    assert proposal["target"] == pytest.approx(26.17, abs=0.01)
    assert proposal["drift"] == proposal["notes"] == []
    assert samples(client, campaign_id) == []


def test_what_was_quarantined_is_shown_with_its_reason(client: TestClient) -> None:
    curves = usual_curves()
    curves[3].fields["DASTAT"] = "QD"
    row = read(client, upload(client, campaign(client), zipped(ev5_files(curves))).json()["id"])
    (left_out,) = row["report"]["quarantined"]
    assert left_out["part"] == "010 FLLR NA X"
    assert "questionable" in left_out["reason"]


def test_an_accepted_test_becomes_a_labelled_sample(client: TestClient) -> None:
    campaign_id = campaign(client)
    response = accept(client, parsed(client, campaign_id, zipped(ev5_files(), folder="v04711")))
    assert response.status_code == 200, response.text
    (sample,) = response.json()["samples"]
    assert sample["status"] == "labelled"
    assert sample["target"] == pytest.approx(26.17, abs=0.01)
    assert sample["label_definition"] == "rolc/1"
    assert set(sample["label_details"]) >= {"t1_ms", "t2_ms", "olc_g", "channels", "flags"}
    assert sample["external_id"] == "ev5-4711-driver"
    assert sample["group"] == "16-03"
    assert sample["provenance"] == {"file": "v04711.zip", "format": "ev5", "test_number": "4711"}
    assert sample["planned_features"] == {
        "impact_speed_kmh": 56.3, "test_mass_kg": 1700.0, "has_frontal_airbag": True, "belt_type": "3PT",
    }  # fmt: skip
    assert sample["executed_features"] is None
    assert samples(client, campaign_id) == [sample]
    assert response.json()["sample_ids"] == {"driver": sample["id"]}


def test_uploads_are_listed(client: TestClient) -> None:
    campaign_id = campaign(client)
    ids = [parsed(client, campaign_id, zipped(ev5_files(number=number))) for number in (1, 2)]
    listed = client.get(f"{API}/campaigns/{campaign_id}/uploads").json()["items"]
    assert [row["id"] for row in listed] == ids


def test_accept_true_makes_the_sample_without_a_second_call(client: TestClient) -> None:
    campaign_id = campaign(client)
    row = read(client, upload(client, campaign_id, zipped(ev5_files()), accept="true").json()["id"])
    assert row["status"] == "accepted"
    assert [sample["id"] for sample in samples(client, campaign_id)] == list(row["sample_ids"].values())


def test_accept_true_leaves_to_people_what_speaks_against_it(client: TestClient) -> None:
    campaign_id = campaign(client, {"name": "seat_stiffness_n_per_mm", "unit": "N/mm"})
    row = read(client, upload(client, campaign_id, zipped(ev5_files()), accept="true").json()["id"])
    assert (row["status"], row["error_code"]) == ("parsed", "invalid_input")
    assert "give it in N/mm" in row["error_message"]
    assert samples(client, campaign_id) == []


def test_all_occupants_become_samples_when_asked_for(client: TestClient) -> None:
    upload_id = parsed(client, campaign(client), zipped(ev5_files()), occupants="all")
    names = [sample["external_id"] for sample in accept(client, upload_id).json()["samples"]]
    assert names == ["ev5-4711-driver", "ev5-4711-passenger"]


def test_what_was_said_at_the_upload_may_be_changed_at_acceptance(client: TestClient) -> None:
    upload_id = parsed(client, campaign(client), zipped(ev5_files()))
    response = accept(client, upload_id, occupants="all", split="validation", source="simulation")
    assert {(row["split"], row["source"]) for row in response.json()["samples"]} == {
        ("validation", "simulation")
    }
    assert len(response.json()["samples"]) == 2


def test_the_same_file_twice_is_a_conflict_that_names_the_first(client: TestClient) -> None:
    campaign_id = campaign(client)
    first = parsed(client, campaign_id, zipped(ev5_files()))
    problem = assert_problem(upload(client, campaign_id, zipped(ev5_files()), "again.zip"), 409, "conflict")
    assert f"upload {first}" in problem["detail"]
    assert len(stored_files(client)) == 1


def test_the_same_test_in_another_zip_is_refused_at_acceptance(client: TestClient) -> None:
    campaign_id = campaign(client)
    accept(client, parsed(client, campaign_id, zipped(ev5_files())))
    second = parsed(client, campaign_id, zipped(ev5_files(), folder="v04711"))
    assert_problem(accept(client, second), 409, "conflict")
    assert client.get(f"{API}/uploads/{second}").json()["status"] == "parsed"
    assert len(samples(client, campaign_id)) == 1


def test_a_feature_that_the_file_does_not_hold_is_named(client: TestClient) -> None:
    campaign_id = campaign(client, {"name": "seat_stiffness_n_per_mm", "unit": "N/mm"})
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    found = pointers(assert_problem(accept(client, upload_id), 422, "invalid_input"))
    assert list(found) == ["/planned_features/seat_stiffness_n_per_mm"]
    response = accept(client, upload_id, features={"seat_stiffness_n_per_mm": 550})
    assert response.json()["samples"][0]["planned_features"]["seat_stiffness_n_per_mm"] == 550.0


def test_a_feature_can_be_given_beside_the_file(client: TestClient) -> None:
    given = '{"temperature_degc": {"value": 21, "unit": "degC"}, "seat_mm": 40}'
    campaign_id = campaign(
        client, {"name": "temperature_degc", "unit": "degC"}, {"name": "seat_mm", "unit": "mm"}
    )
    upload_id = parsed(client, campaign_id, zipped(ev5_files()), features=given)
    (sample,) = accept(client, upload_id).json()["samples"]
    assert (sample["planned_features"]["temperature_degc"], sample["planned_features"]["seat_mm"]) == (
        21.0,
        40.0,
    )


def test_derived_features_come_with_the_file(client: TestClient) -> None:
    files = ev5_files(vehicle={"BX21": "500"})
    (sample,) = accept(client, parsed(client, campaign(client, CRUSH), zipped(files))).json()["samples"]
    assert sample["planned_features"]["crush_space_mm"] == 4900 - 3550 - 500


@pytest.mark.parametrize("required", [True, False])
def test_an_unknown_code_in_the_file_costs_the_value_and_not_the_test(
    client: TestClient, required: bool
) -> None:
    body = {"name": "body_type", "kind": "categorical", "categories": ["UV"], "required": required}
    campaign_id = campaign(client, body)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    if required:
        assert "/planned_features/body_type" in pointers(
            assert_problem(accept(client, upload_id), 422, "invalid_input")
        )
        return
    (proposal,) = client.get(f"{API}/uploads/{upload_id}").json()["proposals"]
    assert proposal["notes"] == [
        "body_type '4S' of the file is left out: unknown category '4S': use one of UV"
    ]
    (sample,) = accept(client, upload_id).json()["samples"]
    assert "body_type" not in sample["planned_features"]


@pytest.mark.parametrize(
    ("features", "pointer"),
    [
        ("{", "/features"),
        ("[1]", "/features"),
        ("[" * 100_000, "/features"),
        ('{"a": ' + "1" * 5000 + "}", "/features"),
        ('{"test_mass_kg": [1]}', "/features/test_mass_kg"),
        ('{"test_mass_kg": NaN}', "/features/test_mass_kg"),
        ('{"test_mass_kg": {"value": 3300, "unit": "lb"}}', "/features/test_mass_kg"),
        ('{"mass": 1}', "/features/mass"),
    ],
)
def test_given_features_are_checked_at_once(client: TestClient, features: str, pointer: str) -> None:
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
    ],
    ids=["empty", "no-zip", "cut-zip", "no-test", "escaping", "bomb"],
)
def test_what_is_no_crash_test_is_refused_at_the_door(
    client: TestClient, content: bytes, status: int, code: str, complaint: str
) -> None:
    campaign_id = campaign(client)
    problem = assert_problem(upload(client, campaign_id, content), status, code)
    assert complaint in problem["detail"]
    assert problem["hint"] or status == 413
    assert_nothing_stored(client, campaign_id)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(truncated_ev5(), "is truncated"), (zipped({"v04711.EV5": b""}), "is empty")],
    ids=["cut-ev5", "empty-ev5"],
)
def test_a_file_that_cannot_be_read_says_why_and_may_be_sent_again(
    client: TestClient, content: bytes, complaint: str
) -> None:
    campaign_id = campaign(client)
    row = read(client, upload(client, campaign_id, content).json()["id"])
    assert (row["status"], row["error_code"]) == ("failed", "invalid_file")
    assert complaint in row["error_message"]
    assert upload(client, campaign_id, content).status_code == 202
    assert_problem(accept(client, row["id"]), 409, "illegal_transition")


def test_an_upload_larger_than_allowed_is_refused(settings, client: TestClient) -> None:
    campaign_id = campaign(client)
    noise = zipped({f"{n}.txt": bytes(n % 251 for _ in range(9)) for n in range(4)}) + bytes(2**20)
    with open_client(settings.model_copy(update={"max_upload_mib": 1})) as small:
        problem = assert_problem(upload(small, campaign_id, noise), 413, "too_large")
        assert "larger than 1 MiB" in problem["detail"]
        assert stored_files(client) == []


def test_the_file_may_be_larger_than_other_bodies(settings) -> None:
    with open_client(settings.model_copy(update={"max_body_mib": 1})) as client:
        padding = {f"{n}.bin": bytes(1) for n in range(1)}
        large = zipped(ev5_files() | padding) + b""
        stream = io.BytesIO(large)
        with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr("movie.bin", bytes(range(256)) * 8192)
        response = upload(client, campaign(client), stream.getvalue())
        assert response.status_code == 202, response.text
        assert response.json()["size_bytes"] > 2 * 2**20


def test_a_driver_without_chest_signal_has_no_label(client: TestClient) -> None:
    curves = [curve for curve in usual_curves() if (curve.place, curve.seat) != ("CHST", "01")]
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files(curves)))
    problem = assert_problem(accept(client, upload_id), 422, "invalid_input")
    assert list(pointers(problem)) == ["/occupants/driver"]
    assert "crashscout rolc" in problem["hint"]
    assert samples(client, campaign_id) == []


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
    assert response.status_code == 202, response.text
    if shown is not None:
        assert response.json()["filename"] == shown
    assert "\x00" not in response.json()["filename"]
    assert read(client, response.json()["id"])["status"] == "parsed"
    (stored,) = stored_files(client)
    assert len(stored) == 32


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


def test_the_format_may_be_named(client: TestClient) -> None:
    campaign_id = campaign(client)
    problem = assert_problem(
        upload(client, campaign_id, zipped(ev5_files()), file_format="fax"), 422, "invalid_file"
    )
    assert "'fax' is not a format" in problem["detail"]
    assert_nothing_stored(client, campaign_id)
    assert parsed(client, campaign_id, zipped(ev5_files()), file_format="ev5")


def test_a_campaign_with_other_labels_takes_no_files(client: TestClient) -> None:
    campaign_id = campaign(client, target={"name": "clip_g", "label_definition": "ncap chest clip"})
    problem = assert_problem(upload(client, campaign_id, zipped(ev5_files())), 422, "invalid_input")
    assert "which no file gives" in problem["detail"]
    assert "rolc/1" in problem["hint"]


def test_a_platform_in_the_holdout_stays_there(client: TestClient) -> None:
    campaign_id = campaign(client)
    assert (
        accept(client, parsed(client, campaign_id, zipped(ev5_files()), split="holdout")).status_code == 200
    )
    second = parsed(client, campaign_id, zipped(ev5_files(number=4712)))
    assert "keep groups whole" in json.dumps(assert_problem(accept(client, second), 422, "invalid_input"))


def test_a_rejected_upload_is_decided_and_the_file_may_come_again(client: TestClient) -> None:
    campaign_id = campaign(client)
    upload_id = parsed(client, campaign_id, zipped(ev5_files()))
    rejected = client.post(f"{API}/uploads/{upload_id}:reject", json={"reason": "wrong car"}).json()
    assert (rejected["status"], rejected["error_message"]) == ("rejected", "wrong car")
    problem = assert_problem(accept(client, upload_id), 409, "illegal_transition")
    assert "nothing" in problem["hint"]
    assert upload(client, campaign_id, zipped(ev5_files())).status_code == 202


@pytest.mark.parametrize("action", ["accept", "reject"])
def test_what_is_not_read_yet_is_not_decided_about(client: TestClient, action: str) -> None:
    upload_id = upload(client, campaign(client), zipped(ev5_files())).json()["id"]
    assert_problem(client.post(f"{API}/uploads/{upload_id}:{action}"), 409, "illegal_transition")
    assert_problem(client.post(f"{API}/uploads/77:{action}"), 404, "not_found")


def test_an_upload_to_an_unknown_campaign_is_404(client: TestClient) -> None:
    assert_problem(upload(client, 77, zipped(ev5_files())), 404, "not_found")


def test_an_unknown_upload_is_404(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/uploads/77"), 404, "not_found")


def test_text_that_no_column_holds_comes_through(client: TestClient) -> None:
    files: dict[str, Any] = ev5_files(test={"TITLE": "NUL \x00 here"})
    row = read(client, upload(client, campaign(client), zipped(files)).json()["id"])
    assert row["status"] == "parsed"
    assert "\x00" not in row["report"]["title"]
