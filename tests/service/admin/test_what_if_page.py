"""Two batches beside each other; asking for dry runs needs them in the API."""

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import repository as acquisitions
from service.acquisitions.schemas import AcquisitionRequest
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound
from service.lifecycles import RecommendationStatus, RunStatus
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign
from tests.support import recommendation_columns

needs_dry_runs = pytest.mark.skipif(
    "dry_run" not in AcquisitionRequest.model_fields, reason="the API of this branch has no dry runs yet"
)


@pytest.fixture
def url(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/recommendations/what-if"


def second_round(
    store: sessionmaker[Session], rows: Rows, status: RunStatus = RunStatus.SUCCEEDED, **columns: object
) -> int:
    """Another round of the same campaign that proposes D-2, and D-5, which the first one left out."""
    with unit_of_work(store) as session:
        first = session.get_one(AcquisitionRound, rows.round_id)
        ends = {"data_hash": "0" * 64, "progress": 1.0} if status is RunStatus.SUCCEEDED else {}
        round_ = AcquisitionRound(
            campaign_id=rows.campaign_id,
            surrogate_id=first.surrogate_id,
            status=status,
            configuration={
                "cost_exponent": 1.0,
                "budget": "600000",
                "control_fraction": 0.2,
                "batch_size": 2,
            },
            seed=0,
            requested_by="test",
            metrics={"spent": 600_000.0} if ends else None,
            **(ends | columns),
        )
        acquisitions.add_round(session, round_)
        if not ends:
            return round_.id
        proposed = acquisitions.get_recommendation(session, rows.recommendation_ids[2])
        last = acquisitions.get_recommendation(session, rows.recommendation_ids[4])
        proposed.status = RecommendationStatus.REJECTED
        session.flush()
        ids = [proposed.sample_id, last.sample_id + 1]
        picks = [recommendation_columns(session, round_, key, rank) for rank, key in enumerate(ids, 1)]
        acquisitions.insert_recommendations(session, picks, actor="test")
        return round_.id


def test_the_form_is_filled_in_with_the_present_settings(dashboard: TestClient, rows: Rows, url: str) -> None:
    soup = soup_of(dashboard, url)
    assert soup.select_one("option[selected]")["value"] == "variance_reduction"
    assert soup.select_one("input[name=budget]")["value"] == "1000000"
    assert f"filled in with those of round {rows.round_id}" in text_of(soup.main)


def test_what_enters_what_leaves_and_the_money(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    after = second_round(store, rows)
    soup = soup_of(dashboard, f"{url}?before={rows.round_id}&after={after}")
    assert text_of(soup.select_one("#changes")) == "1 enter, 4 leave 900,000 USD less"
    lines = [[text_of(cell) for cell in row.select("td")] for row in soup.select(".compare tbody tr")]
    assert lines[0][:4] == ["D-5 full vehicle", "entering", "–", "2"]
    assert [line[0].split()[0] for line in lines[1:5]] == ["D-0", "D-1", "D-3", "D-4"]
    assert lines[5][:4] == ["D-2 full vehicle", "stays", "3", "1"]
    cards = [text_of(card) for card in soup.select("#comparison .columns .card")]
    assert "1,500,000 USD 5 designs, the last result after 42 days" in cards[0]
    assert "600,000 USD 2 designs" in cards[1]
    assert "cost exponent 1.00" in cards[1]


@pytest.mark.parametrize(
    ("status", "columns", "words"),
    [
        (
            RunStatus.RUNNING,
            {"progress": 0.4, "progress_message": "batch selection"},
            "running batch selection",
        ),
        (
            RunStatus.FAILED,
            {"error_message": "The pool has no candidate."},
            "failed The pool has no candidate.",
        ),
    ],
)
def test_a_ranking_that_is_not_there_is_waited_for_or_explained(
    dashboard: TestClient,
    store: sessionmaker[Session],
    rows: Rows,
    url: str,
    status: RunStatus,
    columns: dict[str, object],
    words: str,
) -> None:
    after = second_round(store, rows, status, **columns)
    waiting = soup_of(dashboard, f"{url}?before={rows.round_id}&after={after}").select_one("#comparison")
    assert words in text_of(waiting)
    assert waiting.has_attr("hx-get") is (status is RunStatus.RUNNING)


def test_rounds_of_another_campaign_are_not_compared(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    other = add_campaign(store)
    assert dashboard.get(f"{url}?before={rows.round_id}&after={other.round_id}").status_code == 404


@needs_dry_runs
def test_comparing_asks_for_two_dry_runs(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str
) -> None:
    form = {"strategy": "lcmd", "budget": "250000", "cost_exponent": "1", "control_fraction": "0.2"}
    address, kind, _ = flash_after(dashboard, url, form)
    assert kind == "ok"
    with store() as session:
        before, after = (session.get_one(AcquisitionRound, rows.round_id + more) for more in (1, 2))
        assert address == f"{url}?before={before.id}&after={after.id}"
        assert (before.dry_run, after.dry_run) == (True, True)
        assert before.configuration["strategy"] == "variance_reduction"
        assert (after.configuration["strategy"], after.configuration["budget"]) == ("lcmd", "250000")
        assert (after.seed, after.surrogate_id) == (before.seed, before.surrogate_id)


@needs_dry_runs
@pytest.mark.parametrize(
    ("field", "value"), [("cost_exponent", "7"), ("budget", "a lot"), ("strategy", "luck")]
)
def test_settings_that_do_not_fit_are_named(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, url: str, field: str, value: str
) -> None:
    address, kind, text = flash_after(dashboard, url, {field: value})
    assert (address, kind) == (url, "error")
    assert f"{field.replace('_', ' ')}:" in text
    with store() as session:
        assert acquisitions.get_round(session, rows.round_id + 1) is None
