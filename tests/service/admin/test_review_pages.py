"""The queue of suspicious tests, one sample, and the decisions from the pages."""

import json

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.pages.sample import facts
from service.database.engine import unit_of_work
from service.database.models import Review, Sample, Upload, ValuationRun
from service.lifecycles import UploadStatus
from service.samples import service as samples
from service.vocabulary import ReviewDecision
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows

REASON = {"reason": "Film and log agree."}
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def wrong_id(store: sessionmaker[Session], rows: Rows) -> int:
    """T-3: its label does not fit the others."""
    with store() as session:
        return session.query(Sample).filter_by(external_id="T-3").one().id


def queue_of(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/reviews"


def sample_page(rows: Rows, sample_id: int) -> str:
    return f"/campaigns/{rows.campaign_id}/samples/{sample_id}"


def cards(dashboard: TestClient, rows: Rows) -> list[str]:
    return [
        text_of(card.select_one("h2 a")) for card in soup_of(dashboard, queue_of(rows)).select(".suspect")
    ]


def test_suspicious_tests_wait_with_what_speaks_against_them(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, queue_of(rows))
    first = soup.select_one(".suspect")
    text = text_of(first)
    assert "T-3" in text
    assert "27.00 g" in text
    assert "label is right 2 %" in text
    assert "wrong label Its label does not fit the others: wrong with probability 98 %." in text
    assert "No curves: this sample came as a row of a table." in text
    assert first is not None
    assert [text_of(button) for button in first.select("summary")] == [
        "Confirm",
        "Correct",
        "Re-test",
        "Dismiss",
    ]


@pytest.mark.parametrize(
    ("action", "form", "decision", "message"),
    [
        ("confirm", REASON, ReviewDecision.CONFIRMED, "T-3: label confirmed"),
        ("dismiss", REASON, ReviewDecision.DISMISSED, "T-3: doubt set aside"),
        ("correct", {**REASON, "target": "31.5"}, ReviewDecision.CORRECTED, "T-3: label is 31.50 now"),
        ("retest", REASON, ReviewDecision.RETESTED, "T-3: a repetition is a candidate now"),
    ],
)
def test_each_decision_is_taken_once_and_stands_below(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    wrong_id: int,
    action: str,
    form: dict[str, str],
    decision: ReviewDecision,
    message: str,
) -> None:
    assert "T-3" in cards(dashboard, rows)
    address, kind, text = flash_after(
        dashboard, f"/samples/{wrong_id}/review/{action}", {**form, "back": "queue"}
    )
    assert (address, kind) == (queue_of(rows), "ok")
    assert text.startswith(message)
    assert "T-3" not in cards(dashboard, rows)
    with store() as session:
        review = session.query(Review).one()
        assert (review.decision, review.reason, review.sample_id) == (decision, REASON["reason"], wrong_id)
    table = soup_of(dashboard, queue_of(rows)).select_one("[aria-label='Last decisions'] tbody")
    assert decision.value in text_of(table)
    if action in {"confirm", "dismiss"}:
        assert flash_after(dashboard, f"/samples/{wrong_id}/review/{action}", REASON)[1] == "error"


@pytest.mark.parametrize(
    ("action", "form", "message"),
    [
        ("confirm", {}, "give a reason"),
        ("correct", REASON, "target expects a number"),
        ("correct", {**REASON, "target": "twelve"}, "target expects a number"),
        ("correct", {**REASON, "target": "900"}, "target"),
        ("correct", {**REASON, "target": "nan"}, "target"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    wrong_id: int,
    action: str,
    form: dict[str, str],
    message: str,
) -> None:
    address, kind, text = flash_after(dashboard, f"/samples/{wrong_id}/review/{action}", form)
    assert (address, kind) == (sample_page(rows, wrong_id), "error")
    assert message in text
    with store() as session:
        assert session.query(Review).count() == 0
        assert session.get_one(Sample, wrong_id).target == 27.0


def test_without_a_valuation_it_says_where_to_ask(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).status = "cancelled"
    soup = soup_of(dashboard, queue_of(rows))
    assert "Nothing was valued yet" in text_of(soup.main)
    assert soup.select(".suspect") == []


def test_one_sample_shows_plan_execution_label_values_and_origin(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, wrong_id: int
) -> None:
    with unit_of_work(store) as session:
        sample = session.get_one(Sample, wrong_id)
        sample.executed_features = {**sample.planned_features, "impact_speed_kmh": 57.0}
        sample.label_details = {"t1_ms": 21.25, "flags": ["t1_ambiguous"]}
        sample.provenance = {"file": HOSTILE}
        samples.record_labels(session, [sample], actor="tester", reason="measured twice")
    response = dashboard.get(sample_page(rows, wrong_id))
    assert HOSTILE not in response.text
    soup = soup_of(dashboard, sample_page(rows, wrong_id))
    rows_ = [text_of(row) for row in soup.select("[aria-label='Features, planned and executed'] tbody tr")]
    assert rows_[0] == "impact speed 56.3 km/h 57 km/h 0.7 km/h"
    text = text_of(soup.main)
    assert "27.00 g by rolc/1" in text
    assert "t1 (ms) 21.25" in text
    assert "t1_ambiguous" in text
    assert "measured twice" in text_of(soup.select_one("[aria-label='History of labels']"))
    assert text_of(soup.select_one("[aria-label='Values by run'] tbody")) == (
        f"{rows.run_id} 4 0.02 ± 0.12 0.02 0.90"
    )
    assert json.loads(soup.select_one("#chart-data").string)["values"] == [
        [rows.run_id, 0.02, 0.125, 0.02, 0.9]
    ]
    assert "Waits for a decision" in text
    assert "It came without a file." in text


def test_a_candidate_has_nothing_to_decide(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with store() as session:
        candidate = session.query(Sample).filter_by(external_id="D-0").one().id
    soup = soup_of(dashboard, sample_page(rows, candidate))
    assert "No label yet." in text_of(soup.main)
    assert soup.select(".decisions") == []


def test_the_holdout_cannot_be_tested_again(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with store() as session:
        held_out = session.query(Sample).filter_by(external_id="H-0").one().id
    soup = soup_of(dashboard, sample_page(rows, held_out))
    assert [text_of(button) for button in soup.select(".decisions summary")] == ["Correct"]


def test_a_sample_of_another_campaign_is_not_there(dashboard: TestClient, rows: Rows, wrong_id: int) -> None:
    assert dashboard.get(f"/campaigns/{rows.campaign_id + 1}/samples/{wrong_id}").status_code == 404
    assert dashboard.get(sample_page(rows, 10**9)).status_code == 404


def test_curves_that_cannot_be_read_are_a_problem_for_the_script(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, wrong_id: int
) -> None:
    with unit_of_work(store) as session:
        upload = Upload(
            campaign_id=rows.campaign_id, status=UploadStatus.ACCEPTED, filename="a.zip", sha256="a" * 64,
            size_bytes=1, request={"source": "full_vehicle"}, label_definition="rolc/1", report={},
            sample_ids={"driver": wrong_id}, requested_by="tester",
        )  # fmt: skip
        session.add(upload)
        session.flush()
        session.get_one(Sample, wrong_id).upload_id = upload.id
    soup = soup_of(dashboard, sample_page(rows, wrong_id))
    curves = soup.select_one("[data-curves]")
    assert curves is not None
    answer = dashboard.get(str(curves["data-curves"]), headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert "was not kept" in answer.json()["detail"]


def test_any_details_are_readable() -> None:
    found = facts({"olc_g": 29.42331, "flags": [], "filters": {"chest": "CFC180"}, "ok": True, "n": None})
    assert [(fact.name, fact.value) for fact in found] == [
        ("olc (g)", "29.42"), ("flags", "–"), ("filters", "chest CFC180"), ("ok", "yes"), ("n", "–"),
    ]  # fmt: skip
