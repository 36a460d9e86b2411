"""Every format over HTTP, with what its files leave open said beside them."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.crash_files import FORMATS, MAPPING, binout_file, csv_files
from tests.ev5_writer import zipped
from tests.service.uploads.uploading import (
    accept,
    assert_nothing_stored,
    campaign,
    parsed,
    read,
    samples,
    upload,
)
from tests.support import API, assert_problem, pointers

SAID: dict[str, dict[str, Any]] = {"binout": {"units": "kg-mm-ms"}}
SPEED_ONLY = [{"name": "impact_speed_kmh", "unit": "km/h"}]
TABLE = csv_files()["run.csv"]


def speed_campaign(client: TestClient) -> int:
    return campaign(client, feature_schema=SPEED_ONLY)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_crash_gives_the_same_label_in_every_format(client: TestClient, name: str) -> None:
    campaign_id = speed_campaign(client)
    content = zipped(FORMATS[name]())
    upload_id = parsed(client, campaign_id, content, name="test.zip", **SAID.get(name, {}))
    response = accept(client, upload_id, features={"impact_speed_kmh": 56.3})
    assert response.status_code == 200, response.text
    (sample,) = response.json()["samples"]
    assert sample["provenance"]["format"] == name
    assert sample["target"] == pytest.approx(26.17, abs=0.05)
    assert sample["label_details"]["uncertainty_g"] > 0
    report = client.get(f"{API}/uploads/{upload_id}").json()["report"]
    assert {item["role"] for item in report["selection"]} >= {"vehicle", "chest of driver"}


def test_a_bare_table_is_read_by_the_mapping_of_the_form(client: TestClient) -> None:
    campaign_id = speed_campaign(client)
    upload_id = parsed(client, campaign_id, TABLE, name="run.csv", mapping=json.dumps(MAPPING))
    (sample,) = accept(client, upload_id).json()["samples"]
    assert (sample["external_id"], sample["planned_features"]["impact_speed_kmh"]) == (
        "csv-run-driver",
        pytest.approx(56.3),
    )
    assert client.get(f"{API}/uploads/{upload_id}").json()["request"]["mapping"]["time"]["unit"] == "ms"


@pytest.mark.parametrize(
    ("content", "name", "form", "complaint"),
    [
        (TABLE, "run.csv", {}, "mapping"),
        (TABLE, "run.csv", {"mapping": json.dumps(MAPPING | {"delimiter": ";"})}, "no column 'Time [ms]'"),
        (binout_file(), "binout0000", {}, "numbers without units"),
        (TABLE, "run.csv", {"file_format": "tdms"}, "no TDMS file"),
    ],
    ids=["no-mapping", "wrong-mapping", "no-units", "wrong-format"],
)
def test_what_is_missing_or_wrong_is_said_and_the_file_may_come_again(
    client: TestClient, content: bytes, name: str, form: dict[str, str], complaint: str
) -> None:
    campaign_id = speed_campaign(client)
    row = read(client, upload(client, campaign_id, content, name, **form).json()["id"])
    assert row["status"] == "failed"
    assert complaint in row["error_message"]
    right = {"mapping": json.dumps(MAPPING)} if name == "run.csv" else {"units": "kg-mm-ms"}
    assert parsed(client, campaign_id, content, name=name, **right)


def mapping(**changes: Any) -> str:
    return json.dumps(MAPPING | changes)


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({"units": "furlong"}, "/units"),
        ({"initial_speed_kmh": "-3"}, "/initial_speed_kmh"),
        ({"initial_speed_kmh": "nan"}, "/initial_speed_kmh"),
        ({"initial_speed_kmh": "fast"}, "/initial_speed_kmh"),
        ({"mapping": "{"}, "/mapping"),
        ({"mapping": "[" * 50_000}, "/mapping"),
        ({"mapping": mapping(time={"column": "t", "unit": "g"})}, "/mapping/time/unit"),
        ({"mapping": mapping(channels=[])}, "/mapping/channels"),
        ({"mapping": mapping(title="NUL \x00")}, "/mapping"),
        ({"mapping": mapping(features={"a": float("nan")})}, "/mapping/features/a/float"),
        ({"chest_channels": "[1]"}, "/chest_channels"),
        ({"chest_channels": '{"driver": 13}'}, "/chest_channels/driver"),
        ({"vehicle_channels": "a\x00"}, "/vehicle_channels/0"),
        ({"test_number": " "}, "/test_number"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_door(
    client: TestClient, form: dict[str, str], pointer: str
) -> None:
    campaign_id = speed_campaign(client)
    problem = assert_problem(upload(client, campaign_id, TABLE, "run.csv", **form), 422, "invalid_input")
    assert pointer in pointers(problem)
    assert_nothing_stored(client, campaign_id)


def test_channels_and_speed_may_be_chosen_by_hand(client: TestClient) -> None:
    campaign_id = speed_campaign(client)
    by_rules = parsed(client, campaign_id, zipped(FORMATS["ev5"]()))
    by_hand = {"vehicle_channels": ["010"], "chest_channels": '{"driver": "002"}', "initial_speed_kmh": "50"}
    chosen = parsed(client, campaign_id, zipped(FORMATS["ev5"](), folder="again"), **by_hand)
    first, second = (client.get(f"{API}/uploads/{key}").json()["report"] for key in (by_rules, chosen))
    assert (first["initial_speed_kmh"], second["initial_speed_kmh"]) == pytest.approx((56.3, 50.0))
    assert len(second["occupants"][0]["channels"]) == 2
    assert second["occupants"][0]["channels"][1].startswith("002")
    assert any("by hand" in item["reason"] for item in second["selection"])


def test_a_channel_that_is_not_there_is_named_with_those_that_are(client: TestClient) -> None:
    campaign_id = speed_campaign(client)
    content = zipped(FORMATS["ev5"]())
    row = read(client, upload(client, campaign_id, content, vehicle_channels=["77"]).json()["id"])
    assert (row["status"], row["error_code"]) == ("failed", "invalid_input")
    assert "no x accelerometer '77'" in row["error_message"]
    assert "010" in row["error_message"]


def test_simulations_whose_files_all_have_one_name_are_told_apart_by_their_number(
    client: TestClient,
) -> None:
    campaign_id = speed_campaign(client)
    said = {"units": "kg-mm-ms", "features": '{"impact_speed_kmh": 56.3}'}
    files = [zipped({"binout0000": binout_file()}, folder=folder) for folder in ("a", "b", "c")]
    first, second = (parsed(client, campaign_id, content, **said) for content in files[:2])
    assert accept(client, first).status_code == 200
    problem = assert_problem(accept(client, second), 409, "conflict")
    assert "test_number" in problem["hint"]
    assert accept(client, second, test_number="run 2").status_code == 200
    accept(client, parsed(client, campaign_id, files[2], **said, test_number="run 3"))
    assert [sample["external_id"] for sample in samples(client, campaign_id)] == [
        "binout-binout0000-driver", "binout-run 2-driver", "binout-run 3-driver",
    ]  # fmt: skip
