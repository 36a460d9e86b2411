"""Bulk exports: the same rows in three formats, safe in spreadsheets, and taken in again."""

import csv
import io
import json
from typing import Any

import httpx
import pyarrow.parquet
import pytest
from starlette.testclient import TestClient

from service.exports import repository
from service.exports.formats import CsvWriter, NdjsonWriter, ParquetWriter
from service.exports.schemas import Column, ColumnKind
from tests.support import (
    API,
    add_finished_valuation,
    add_samples,
    assert_problem,
    create_campaign,
    propose,
    sample_document,
    sample_documents,
)

FORMATS = ["csv", "ndjson", "parquet"]
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
DOCUMENTS = [
    sample_document(external_id="plain", group="A", split="validation", provenance={"lab": "süd"}),
    sample_document(
        external_id='run, "quoted"\nline',
        source="simulation",
        features={"airbags": 4, "pretensioner": True},
        executed_features={"impact_speed_kmh": 56.25},
        target=25.123456789012345,
        label_details={"t1_ms": 31.5},
    ),
    sample_document(target=31.0, split="holdout", group="B"),
]


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "BLOCK_ROWS", 2)


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, DOCUMENTS)
    return campaign_id


def export(client: TestClient, path: str, export_format: str, **parameters: Any) -> httpx.Response:
    response = client.get(f"{API}/{path}", params={"format": export_format, **parameters})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == TYPES[export_format]
    assert response.headers["content-disposition"].endswith(f'.{export_format}"')
    return response


def table(client: TestClient, path: str, export_format: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows as a reader of the format sees them."""
    response = export(client, path, export_format, **parameters)
    if export_format == "csv":
        return list(csv.DictReader(io.StringIO(response.text, newline="")))
    if export_format == "ndjson":
        return [json.loads(line) for line in response.text.splitlines()]
    return pyarrow.parquet.read_table(io.BytesIO(response.content)).to_pylist()


def listed(client: TestClient, campaign_id: int) -> list[dict[str, Any]]:
    return client.get(f"{API}/campaigns/{campaign_id}/samples").json()["items"]


@pytest.mark.parametrize("export_format", FORMATS)
def test_every_sample_is_there_once_with_its_features(
    client: TestClient, campaign_id: int, export_format: str
) -> None:
    rows = table(client, f"campaigns/{campaign_id}/samples:export", export_format)
    found = listed(client, campaign_id)
    assert [str(row["id"]) for row in rows] == [str(sample["id"]) for sample in found]
    assert [row["external_id"] or None for row in rows] == [sample["external_id"] for sample in found]
    if export_format == "ndjson":
        assert [row["planned_features"] for row in rows] == [sample["planned_features"] for sample in found]
        assert [row["created_at"] for row in rows] == [sample["created_at"] for sample in found]
        assert rows[0]["provenance"] == {"lab": "süd"}
    else:
        assert [float(row["planned.test_mass_kg"]) for row in rows] == [1810] * 3
        assert [float(row["executed.impact_speed_kmh"] or 0) for row in rows] == [0, 56.25, 0]
        assert [row["planned.pretensioner"] in {"true", True} for row in rows] == [False, True, False]
        assert float(rows[1]["target"]) == 25.123456789012345
        assert json.loads(rows[1]["label_details"]) == {"t1_ms": 31.5}


def test_filters_are_those_of_the_list(client: TestClient, campaign_id: int) -> None:
    path = f"campaigns/{campaign_id}/samples:export"
    for wanted, count in (
        ({"source": "simulation"}, 1), ({"status": "candidate"}, 1), ({"split": "holdout", "group": "B"}, 1),
        ({"external_id": "plain", "split": "holdout"}, 0), ({}, 3),
    ):  # fmt: skip
        assert len(table(client, path, "csv", **wanted)) == count
        assert len(table(client, path, "parquet", **wanted)) == count


@pytest.mark.parametrize(("export_format", "kind"), [("csv", "text/csv"), ("ndjson", "application/x-ndjson")])
def test_what_bulk_gives_bulk_takes(
    client: TestClient, campaign_id: int, export_format: str, kind: str
) -> None:
    body = export(client, f"campaigns/{campaign_id}/samples:export", export_format, shape="bulk").content
    other = create_campaign(client, name="Other")
    answer = client.post(
        f"{API}/campaigns/{other}/samples:bulk", content=body, headers={"content-type": kind}
    )
    assert answer.status_code == 201, answer.text
    kept = ["external_id", "source", "split", "group", "target", "label_definition", "planned_features",
            "executed_features", "status"]  # fmt: skip
    kept += ["provenance", "label_details"] if export_format == "ndjson" else []
    copies = [{name: sample[name] for name in kept} for sample in listed(client, other)]
    assert copies == [{name: sample[name] for name in kept} for sample in listed(client, campaign_id)]
    again = export(client, f"campaigns/{other}/samples:export", export_format, shape="bulk").content
    assert again == body


@pytest.mark.parametrize("export_format", FORMATS)
def test_values_and_rankings(client: TestClient, export_format: str) -> None:
    proposal = propose(client, sample_documents(2))
    add_samples(client, proposal.campaign_id, sample_documents(5, target=20.0))
    run = add_finished_valuation(client.app.state.sessions, proposal.campaign_id)
    rows = table(client, f"valuation-runs/{run.run_id}/values:export", export_format)
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4, 5]
    assert [int(row["sample_id"]) for row in rows] == run.sample_ids
    assert [float(row["value"]) for row in rows] == [-1, -2, -3, -4, -5]
    rounds = client.get(f"{API}/campaigns/{proposal.campaign_id}/acquisition-rounds").json()["items"]
    assert table(client, f"acquisition-rounds/{rounds[0]['id']}/ranking:export", export_format) == []


def test_what_is_not_there_is_said_before_anything_is_sent(client: TestClient, campaign_id: int) -> None:
    for path in ("campaigns/99/samples:export", "valuation-runs/99/values:export",
                 "acquisition-rounds/99/ranking:export", "campaigns/99/predictions:export"):  # fmt: skip
        assert_problem(client.get(f"{API}/{path}"), 404, "not_found")
    assert_problem(client.get(f"{API}/campaigns/{campaign_id}/predictions:export"), 409, "conflict")
    answer = client.get(f"{API}/campaigns/{campaign_id}/samples:export", params={"format": "xlsx"})
    assert_problem(answer, 422, "invalid_input")


TEXTS = ["=1+1", "+1", "-1", "@a", "\tx", "a=b", "1", "", None]
COLUMNS = [Column("text", ColumnKind.TEXT), Column("number", ColumnKind.NUMBER)]
ROWS = [[text, -1.5] for text in TEXTS]


def test_a_spreadsheet_runs_no_formula_from_outside() -> None:
    cells = list(csv.reader(io.StringIO(CsvWriter(COLUMNS, spreadsheet_safe=True).block(ROWS).decode())))[1:]
    assert [text for text, _ in cells] == ["'=1+1", "'+1", "'-1", "'@a", "'\tx", "a=b", "1", "", ""]
    assert {number for _, number in cells} == {"-1.5"}  # a number is no text


def test_without_the_guard_texts_come_back_as_they_were() -> None:
    written = CsvWriter(COLUMNS, spreadsheet_safe=False).block(ROWS).decode()
    assert [text for text, _ in csv.reader(io.StringIO(written))][1:] == [text or "" for text in TEXTS]
    lines = NdjsonWriter(COLUMNS, omit_missing=True).block(ROWS).decode().splitlines()
    assert [json.loads(line).get("text") for line in lines] == TEXTS
    writer = ParquetWriter(COLUMNS)
    found = pyarrow.parquet.read_table(io.BytesIO(writer.block(ROWS) + writer.block(ROWS) + writer.end()))
    assert found.column("text").to_pylist() == TEXTS * 2
