"""Many samples in one request: JSON, NDJSON, CSV."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.models import Sample
from service.samples import repository
from service.settings import Settings
from tests.support import (
    API,
    add_samples,
    assert_problem,
    create_campaign,
    open_client,
    pointers,
    sample_document,
    sample_documents,
)

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
HEADER = "external_id,source,impact_speed_kmh,test_mass_kg,barrier,airbags,pretensioner,target"
GOOD_LINE = "T-1,full_vehicle,56.0,1810,rigid,6,true,25.8"


def send(
    client: TestClient,
    campaign_id: int,
    body: str | bytes,
    content_type: str = JSON,
    mode: str = "reject_all",
) -> httpx.Response:
    url = f"{API}/campaigns/{campaign_id}/samples:bulk?on_error={mode}"
    return client.post(url, content=body, headers={"content-type": content_type})


def send_rows(
    client: TestClient, campaign_id: int, rows: list[Any], mode: str = "reject_all"
) -> httpx.Response:
    return send(client, campaign_id, json.dumps({"samples": rows}), JSON, mode)


def refused(response: httpx.Response) -> dict[str, Any]:
    return assert_problem(response, 422, "invalid_input")


def stored(client: TestClient, campaign_id: int) -> list[dict[str, Any]]:
    return client.get(f"{API}/campaigns/{campaign_id}/samples?limit=1000").json()["items"]


def csv_of(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines])


def test_ten_thousand_rows_go_in_with_a_result_each(client: TestClient, campaign_id: int) -> None:
    rows = sample_documents(10_000, target=26.0)
    for number, row in enumerate(rows):
        row["external_id"] = f"T-{number}"
    response = send_rows(client, campaign_id, rows)
    assert response.status_code == 201
    result = response.json()
    assert (result["created"], result["rejected"]) == (10_000, 0)
    assert [row["row"] for row in result["results"]] == list(range(10_000))
    ids = [row["id"] for row in result["results"]]
    assert ids == sorted(set(ids))
    last = client.get(f"{API}/samples/{ids[-1]}").json()
    assert last["external_id"] == result["results"][-1]["external_id"] == "T-9999"


def test_json_may_be_a_bare_array(client: TestClient, campaign_id: int) -> None:
    response = send(client, campaign_id, json.dumps(sample_documents(2)))
    assert response.json()["created"] == 2


def test_ndjson_has_one_sample_a_line(client: TestClient, campaign_id: int) -> None:
    lines = [json.dumps(row) for row in sample_documents(2)]
    response = send(client, campaign_id, "\n".join([lines[0], "", lines[1], ""]), NDJSON)
    assert response.json()["created"] == 2


def test_ndjson_is_cut_at_line_feeds_only(client: TestClient, campaign_id: int) -> None:
    row = json.dumps(sample_document(group="A\u2028B\x85C"), ensure_ascii=False)
    assert send(client, campaign_id, row, NDJSON).status_code == 201
    assert stored(client, campaign_id)[0]["group"] == "A\u2028B\x85C"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_with_any_line_end_gives_typed_values(client: TestClient, campaign_id: int, end: str) -> None:
    body = "\ufeff" + csv_of(GOOD_LINE, "", "T-2,simulation,50,1500,offset,,no,").replace("\n", end)
    assert send(client, campaign_id, body, f"{CSV}; charset=utf-8").json()["created"] == 2
    first, second = stored(client, campaign_id)
    assert first["planned_features"] == {
        "impact_speed_kmh": 56.0, "test_mass_kg": 1810.0, "barrier": "rigid", "airbags": 6, "pretensioner": True,
    }  # fmt: skip
    assert (first["target"], first["status"]) == (25.8, "labelled")
    assert second["planned_features"]["pretensioner"] is False
    assert "airbags" not in second["planned_features"]
    assert second["status"] == "candidate"


def test_csv_has_columns_for_what_was_executed(client: TestClient, campaign_id: int) -> None:
    body = csv_of(f"{GOOD_LINE},56.4", header=f"{HEADER},executed.impact_speed_kmh")
    assert send(client, campaign_id, body, CSV).status_code == 201
    assert stored(client, campaign_id)[0]["executed_features"]["impact_speed_kmh"] == 56.4


def test_one_bad_row_rejects_all(client: TestClient, campaign_id: int) -> None:
    rows = [*sample_documents(2), sample_document(source="sled")]
    problem = refused(send_rows(client, campaign_id, rows))
    assert list(pointers(problem)) == ["/samples/2/source"]
    assert "1 of 3 rows are wrong; nothing was stored." in problem["detail"]
    assert "keep_good" in problem["hint"]
    assert stored(client, campaign_id) == []


def test_keep_good_stores_the_others(client: TestClient, campaign_id: int) -> None:
    rows = [sample_document(external_id="a"), sample_document(source="sled"), 7, sample_document()]
    response = send_rows(client, campaign_id, rows, "keep_good")
    assert response.status_code == 201
    result = response.json()
    assert (result["created"], result["rejected"]) == (2, 2)
    assert [row["status"] for row in result["results"]] == ["created", "rejected", "rejected", "created"]
    assert [row["errors"][0]["pointer"] for row in result["results"][1:3]] == ["/source", ""]
    assert [row["id"] for row in stored(client, campaign_id)] == [result["results"][i]["id"] for i in (0, 3)]


def test_a_summary_names_rejected_rows_only(client: TestClient, campaign_id: int) -> None:
    rows = [sample_document(external_id="a"), sample_document(source="sled", external_id="b")]
    url = f"{API}/campaigns/{campaign_id}/samples:bulk?on_error=keep_good&answer=summary"
    result = client.post(url, json={"samples": rows}).json()
    assert (result["created"], result["rejected"]) == (1, 1)
    assert [(row["row"], row["external_id"]) for row in result["results"]] == [(1, "b")]


def test_keep_good_with_no_good_row_stores_nothing(client: TestClient, campaign_id: int) -> None:
    response = send_rows(client, campaign_id, [{}, {"source": 1}], "keep_good")
    assert (response.json()["created"], response.json()["rejected"]) == (0, 2)


def test_every_wrong_row_and_field_is_named(client: TestClient, campaign_id: int) -> None:
    rows = [
        sample_document(features={"speed": 1}),
        sample_document(features={"test_mass_kg": {"value": 1, "unit": "t"}}),
        sample_document(target=1e9),
        {"planned_features": {}, "surprise": 1},
    ]
    found = pointers(refused(send_rows(client, campaign_id, rows)))
    assert list(found) == [
        "/samples/0/planned_features/speed",
        "/samples/1/planned_features/test_mass_kg",
        "/samples/2/target",
        "/samples/3/source",
        "/samples/3/surprise",
    ]


def test_nan_in_json_is_refused_by_row(client: TestClient, campaign_id: int) -> None:
    rows = [sample_document(), sample_document(features={"test_mass_kg": float("nan")})]
    found = pointers(refused(send_rows(client, campaign_id, rows)))
    assert "give a finite number" in found["/samples/1/planned_features/test_mass_kg"]


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "1e999"])
def test_nan_in_csv_is_refused_by_row(client: TestClient, campaign_id: int, cell: str) -> None:
    lines = [GOOD_LINE, f"T-2,full_vehicle,{cell},1810,rigid,,,"]
    found = pointers(refused(send(client, campaign_id, csv_of(*lines), CSV)))
    assert "give a finite number" in found["/samples/1/planned_features/impact_speed_kmh"]


def test_a_number_with_underscores_is_not_guessed_at(client: TestClient, campaign_id: int) -> None:
    lines = [GOOD_LINE, "T-2,full_vehicle,5_6,1810,rigid,,,"]
    found = pointers(refused(send(client, campaign_id, csv_of(*lines), CSV)))
    assert found["/samples/1/planned_features/impact_speed_kmh"] == "expects a number in km/h, got '5_6'"


def test_an_external_id_twice_in_the_request_is_refused(client: TestClient, campaign_id: int) -> None:
    rows = [sample_document(external_id="a"), sample_document(external_id="a")]
    found = pointers(refused(send_rows(client, campaign_id, rows)))
    assert found == {"/samples/1/external_id": "'a' stands twice in this request"}


def test_an_external_id_in_the_store_is_refused(client: TestClient, campaign_id: int) -> None:
    add_samples(client, campaign_id, [sample_document(external_id="a")])
    found = pointers(refused(send_rows(client, campaign_id, [sample_document(external_id="a")])))
    assert found == {"/samples/0/external_id": "'a' exists already in this campaign"}


def test_of_two_requests_at_once_with_one_external_id_one_wins(client: TestClient, campaign_id: int) -> None:
    rows = [sample_document(external_id=f"T-{number}") for number in range(300)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: send_rows(client, campaign_id, rows).status_code, range(2)))
    assert answers.count(201) == 1
    assert set(answers) <= {201, 409, 422}
    assert len(stored(client, campaign_id)) == 300


def test_of_two_requests_at_once_that_cut_a_group_one_wins(client: TestClient, campaign_id: int) -> None:
    def send_group(split: str) -> int:
        rows = [sample_document(group="A", split=split, target=26.0) for _ in range(300)]
        return send_rows(client, campaign_id, rows).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(send_group, ["train", "holdout"]))
    assert sorted(answers) == [201, 422]
    assert len({row["split"] for row in stored(client, campaign_id)}) == 1


def test_a_group_in_the_holdout_and_elsewhere_is_a_leak(client: TestClient, campaign_id: int) -> None:
    rows = [
        sample_document(group="A", target=26.0),
        sample_document(group="A", split="holdout", target=26.0),
        sample_document(group="B", split="holdout", target=26.0),
    ]
    found = pointers(refused(send_rows(client, campaign_id, rows)))
    assert list(found) == ["/samples/1/split"]


def test_more_names_than_a_statement_has_parameters_can_be_looked_up(
    client: TestClient, campaign_id: int
) -> None:
    add_samples(client, campaign_id, [sample_document(external_id="T-69999", group="T-3")])
    names = [f"T-{number}" for number in range(70_000)]
    with client.app.state.sessions() as session:
        assert repository.known_external_ids(session, campaign_id, names) == {"T-69999"}
        assert set(repository.splits_of_groups(session, campaign_id, names)) == {"T-3"}


@pytest.mark.parametrize(
    ("body", "content_type", "complaint"),
    [
        (b"", JSON, "No list of samples"),
        (b"{}", JSON, "No list of samples"),
        (b'{"samples": []}', JSON, "no rows"),
        (b'{"samples": [', JSON, "not JSON"),
        (b"[" * 100_000, JSON, "not JSON"),
        (b"[" + b"1" * 5000 + b"]", JSON, "not JSON"),
        (b"\xff\xfe\x00", JSON, "not UTF-8"),
        (b"", NDJSON, "no rows"),
        (b"", CSV, "no rows"),
        (HEADER.encode(), CSV, "no rows"),
        (b'a,"b', CSV, "header does not fit"),
        (b'"' + b"x" * 200_000 + b'"', CSV, "not CSV"),
        (b"a", "application/xml", "'application/xml' is not known here"),
    ],
)
def test_a_body_that_holds_no_rows_says_why(
    client: TestClient, campaign_id: int, body: bytes, content_type: str, complaint: str
) -> None:
    assert complaint in refused(send(client, campaign_id, body, content_type))["detail"]


def test_a_broken_line_of_ndjson_is_one_bad_row(client: TestClient, campaign_id: int) -> None:
    lines = [json.dumps(sample_document()), "{", "1" * 5000, json.dumps(sample_document())]
    result = send(client, campaign_id, "\n".join(lines), NDJSON, "keep_good").json()
    assert [row["status"] for row in result["results"]] == ["created", "rejected", "rejected", "created"]


def test_unknown_and_repeated_columns_are_named(client: TestClient, campaign_id: int) -> None:
    body = csv_of(f"{GOOD_LINE},1,2", header=f"{HEADER},speed,target")
    problem = refused(send(client, campaign_id, body, CSV))
    assert pointers(problem) == {"/columns/speed": "unknown column", "/columns/target": "stands twice"}
    assert "impact_speed_kmh" in problem["hint"]


def test_a_ragged_line_of_csv_is_one_bad_row(client: TestClient, campaign_id: int) -> None:
    body = csv_of(GOOD_LINE, "T-2,full_vehicle,56")
    found = pointers(refused(send(client, campaign_id, body, CSV)))
    assert found == {"/samples/1": "has 3 cells, the header has 8: check quotes and commas"}


def test_a_word_in_a_number_column_is_named(client: TestClient, campaign_id: int) -> None:
    found = pointers(refused(send(client, campaign_id, csv_of(GOOD_LINE.replace("1810", "heavy")), CSV)))
    assert "expects a number in kg, got 'heavy'" in found["/samples/0/planned_features/test_mass_kg"]


def test_too_many_rows_are_refused(settings: Settings) -> None:
    with open_client(settings.model_copy(update={"max_bulk_rows": 3})) as client:
        campaign_id = create_campaign(client)
        assert send_rows(client, campaign_id, sample_documents(3)).status_code == 201
        problem = assert_problem(send_rows(client, campaign_id, sample_documents(4)), 413, "too_large")
    assert "several requests" in problem["hint"]


def test_the_list_of_complaints_is_cut_but_the_count_is_full(client: TestClient, campaign_id: int) -> None:
    problem = refused(send_rows(client, campaign_id, [{}] * 2000))
    assert len(problem["errors"]) == 500
    assert problem["detail"].startswith("2,000 of 2,000 rows")


def test_what_is_missing_is_null_in_the_database_and_not_a_json_null(
    client: TestClient, sessions: sessionmaker[Session]
) -> None:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, [sample_document()])
    with sessions() as session:
        count = select(func.count()).where(Sample.executed_features.is_(None), Sample.label_details.is_(None))
        assert session.scalar(count) == 1


def test_numbers_and_texts_come_back_as_they_were_sent(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    sent = [
        sample_document(
            features={"impact_speed_kmh": 56.1 + 1e-13}, provenance={"note": "Σ 'quoted' \\ \n", "n": None}
        ),
        sample_document(features={"test_mass_kg": 1810.123456789012}, target=25.123456789012345, group="ß"),
    ]
    ids = add_samples(client, campaign_id, sent)
    for sample_id, document in zip(ids, sent, strict=True):
        stored = client.get(f"{API}/samples/{sample_id}").json()
        assert stored["planned_features"] == document["planned_features"]
        assert stored["provenance"] == document.get("provenance", {})
        assert (stored["target"], stored["group"]) == (document.get("target"), document.get("group"))
