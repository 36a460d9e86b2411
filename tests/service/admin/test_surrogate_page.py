"""Whether to believe the surrogate: parity, coverage, residuals, versions, and the gate on the page."""

import json
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.pages.assessments import POINTS_SHOWN, coverage_lines, parity, round_range, set_note
from service.admin.pages.charts import evenly
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Surrogate, SurrogatePromotion, ValuationRun
from service.lifecycles import RunStatus
from service.valuations import promotions
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import METRICS, Rows, new_run


def part(count: int, error: float, **changes: Any) -> dict[str, Any]:
    """What the worker stores of `count` rows that are all missed by the error."""
    labels = [20 + index / 10 for index in range(count)]
    document = {
        "total": count,
        "sample_ids": list(range(1, count + 1)),
        "label": labels,
        "predicted": [label + error for label in labels],
        "half_width": [1.5] * count,
        "load_case": ["driver"] * count,
        "residuals": {
            "driver": {"rows": count, "mean": error, "quantiles": [error - 1, error - 0.5, error, 0.5, 1]}
        },
        "coverage": [
            {"level": 0.5, "observed": 0.52, "width": 1.0},
            {"level": 0.9, "observed": 0.6, "width": 3.0},
        ],
    }
    return document | changes


def assessment(error: float) -> dict[str, Any]:
    out_of_fold = part(30, error, half_width=None, coverage=None)
    return {"holdout": part(20, error), "validation": None, "out_of_fold": out_of_fold}


def train(store: sessionmaker[Session], rows: Rows, error: float) -> int:
    """Another version, which goes through the gate."""
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.SUCCEEDED, metrics=METRICS)
        session.add(run)
        session.flush()
        surrogate = Surrogate(
            campaign_id=rows.campaign_id, valuation_run_id=run.id, artefact=b"weights", artefact_sha256="1" * 64,
            metrics=METRICS | {"train_rows": 4}, assessment=assessment(error),
        )  # fmt: skip
        session.add(surrogate)
        session.flush()
        promotions.promote_automatically(session, campaigns.get(session, rows.campaign_id), surrogate)
        return surrogate.id


def page_of(found: Rows, **query: Any) -> str:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/campaigns/{found.campaign_id}/surrogate" + (f"?{text}" if text else "")


def data_of(soup: Any) -> dict[str, Any]:
    return json.loads(soup.select_one("#chart-data").string)


def test_the_one_that_serves_is_shown_with_its_plots(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    good = train(store, rows, 0.5)
    train(store, rows, 2.0)
    soup = soup_of(dashboard, page_of(rows))
    assert f"Shown: surrogate {good}" in text_of(soup.main)
    data = data_of(soup)
    assert data["parity"]["points"][0] == [20.0, 20.5, 1.5, 1, "driver"]
    assert data["coverage"] == [[0.5, 0.52], [0.9, 0.6]]
    assert len(data["learning"]) == 2  # the first one of the fixture did not count its labels
    covered = [text_of(row) for row in soup.select("[aria-label='Coverage of the intervals'] tbody tr")]
    assert covered[0].startswith("50 % 52 % 1.00 g as promised")
    assert covered[1] == "90 % 60 % 3.00 g too narrow"
    assert "Holdout samples: never trained on, never used to choose. All 20 are drawn." in text_of(soup.main)


def test_rows_and_version_may_be_chosen(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    train(store, rows, 0.5)
    worse = train(store, rows, 2.0)
    soup = soup_of(dashboard, page_of(rows, version=worse, rows="out_of_fold"))
    assert f"Shown: surrogate {worse}" in text_of(soup.main)
    assert "does not serve" in text_of(soup.hgroup)
    assert data_of(soup)["parity"]["points"][0] == [20.0, 22.0, None, 1, "driver"]
    assert "their coverage here would be no evidence" in text_of(soup.main)
    choices = [text_of(link) for link in soup.select("#parity a")]
    assert choices == ["holdout 20", "out of fold 30"]


def test_versions_stand_side_by_side_with_the_judgement_of_the_gate(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    good, worse = train(store, rows, 0.5), train(store, rows, 2.0)
    lines = soup_of(dashboard, page_of(rows)).select(".versions tbody")
    assert len(lines) == 3
    text = text_of(lines[0])
    assert "Worse: RMSE 2.000 g against 0.500 g" in text
    assert "4 labels, seed 0" in text
    assert text_of(lines[1]).startswith(f"{good} serves")
    assert f"Let surrogate {worse} serve" in text
    assert "serves valuation" not in text


def test_a_worse_one_serves_only_with_a_reason(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    train(store, rows, 0.5)
    worse = train(store, rows, 2.0)
    form = soup_of(dashboard, page_of(rows)).select_one(".versions form")
    assert form is not None
    url = str(form["action"])
    assert form.select_one("textarea[required]") is not None
    address, kind, text = flash_after(dashboard, url, {"override": "yes"})
    assert (address, kind) == (page_of(rows), "error")
    assert "give a reason" in text
    assert flash_after(dashboard, url, {"reason": "no override"})[1] == "error"
    kind, text = flash_after(dashboard, url, {"override": "yes", "reason": "Another fleet."})[1:]
    assert (kind, text) == ("ok", f"Surrogate {worse} serves predictions and rankings from now on.")
    with store() as session:
        assert session.query(SurrogatePromotion).order_by(SurrogatePromotion.id.desc()).first().reason == (
            "Another fleet."
        )
    history = soup_of(dashboard, page_of(rows)).select_one("[aria-label='Promotions'] tbody tr")
    assert "overridden" in text_of(history)
    assert "Another fleet." in text_of(history)


def test_an_old_version_without_an_assessment_says_so(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, page_of(rows))
    assert "stored no predictions beside labels" in text_of(soup.main)
    assert soup.select("[data-chart=parity]") == []


def test_without_a_surrogate_it_says_where_to_ask(
    dashboard: TestClient, store: sessionmaker[Session]
) -> None:
    from tests.service.admin.rows import new_campaign

    with unit_of_work(store) as session:
        campaign = new_campaign(name="empty")
        session.add(campaign)
        session.flush()
        campaign_id = campaign.id
    soup = soup_of(dashboard, f"/campaigns/{campaign_id}/surrogate")
    assert "No surrogate yet" in text_of(soup.main)


def test_a_version_of_another_campaign_is_not_there(dashboard: TestClient, rows: Rows) -> None:
    assert dashboard.get(page_of(rows, version=10**6)).status_code == 404


def test_many_points_are_thinned_and_the_page_says_so() -> None:
    found = parity(part(4000, 0.5))
    assert len(found["points"]) == POINTS_SHOWN
    assert "1,000 of 4,000 are drawn, evenly spread" in set_note("holdout", part(4000, 0.5))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (17.1, 33.2, [15.0, 35.0]),
        (0.21, 0.84, [0.2, 0.85]),
        (5.0, 5.0, [5.0, 6.0]),
        (-3.0, 12.0, [-5.0, 15.0]),
    ],
)
def test_axes_end_at_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert round_range(low, high) == pytest.approx(expected)


def test_few_rows_do_not_make_a_verdict() -> None:
    few = part(20, 0, total=6, coverage=[{"level": 0.9, "observed": 0.67, "width": 1.0}])
    assert coverage_lines(few, "g")[0].verdict.startswith("as promised")


def test_even_thinning_keeps_both_ends() -> None:
    kept = evenly(range(10_000), 100)
    assert (kept[0], kept[-1], len(kept)) == (0, 9999, 100)
