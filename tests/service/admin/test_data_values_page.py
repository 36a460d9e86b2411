import json
import math
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.pages.data_values import POINTS_SHOWN, charts, thin
from service.admin.pages.value_lines import why
from service.database.engine import unit_of_work
from service.database.models import DataValue, Sample, ValuationRun
from tests.service.admin.html import soup_of, text_of
from tests.service.admin.rows import Rows


def page_of(rows: Rows) -> str:
    return f"/campaigns/{rows.campaign_id}/data-values"


def test_least_valuable_come_first_with_the_side_that_is_bad(dashboard: TestClient, rows: Rows) -> None:
    lines = [
        [text_of(cell) for cell in row.select("td")]
        for row in soup_of(dashboard, page_of(rows)).select("[aria-label='Samples of lowest value'] tbody tr")
    ]
    assert [line[1] for line in lines] == [f"T-{index} full vehicle" for index in (3, 2, 1, 0)]
    assert lines[0] == [
        "4", "T-3 full vehicle", "27.00", "0.02 ± 0.12", "0.02", "0.90",
        "label Its label does not fit the others: wrong with probability 98 %.",
    ]  # fmt: skip
    assert lines[1][6].startswith("features Its features lie off the others")
    assert lines[2][6] == "Nothing stands out: an ordinary sample."


@pytest.mark.parametrize(
    ("label", "features", "side"),
    [
        (0.4, 0.45, "label"),
        (0.45, 0.4, "features"),
        (0.0, 0.0, "label"),
        (0.5, 0.5, "none"),
        (1.0, 1.0, "none"),
    ],
)
def test_side(label: float, features: float, side: str) -> None:
    assert why(label, features)[0] == side


def test_the_choice_of_the_network_stands_there_with_its_figures(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, page_of(rows))
    stability = text_of(soup.select_one("[aria-labelledby=stability]"))
    assert "0.93 rank correlation of two half ensembles" in stability
    assert "About 7 % of the labels look wrong" in stability
    choice = [text_of(line) for line in soup.select("[aria-labelledby=serving] dl > div")]
    assert choice == ["weighted in use 2.401 g", "plain 2.715 g", "in run 2.900 g"]
    assert "90 % intervals cover 94 %" in text_of(soup.select_one("[aria-labelledby=errors]"))
    assert (
        text_of(soup.select_one("[aria-label='Errors by load case'] tbody"))
        == "driver 1 1.50 4.43 5.21 100 %"
    )


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            {"serving": "plain", "trusted_rmse": {"plain": 2.0, "in_run": 3.0}, "validation": {}},
            "trusted training",
        ),
        (
            {"rmse": 2.0, "validation_rmse": {"plain": 2.0}},
            "Not measured by this run.",
        ),  # of an older version
        (None, "Not measured by this run."),
    ],
)
def test_runs_without_some_figures_are_shown(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows, metrics: dict[str, Any], expected: str
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).metrics = metrics
    assert expected in text_of(soup_of(dashboard, page_of(rows)).main)
    assert dashboard.get(f"/campaigns/{rows.campaign_id}").status_code == 200


def test_chart_data_is_whole_and_in_order(dashboard: TestClient, rows: Rows) -> None:
    data = json.loads(soup_of(dashboard, page_of(rows)).select_one("#chart-data").string)
    assert data["values"] == [[1, 0.99, "T-0"], [2, 0.75, "T-1"], [3, 0.125, "T-2"], [4, 0.02, "T-3"]]
    assert data["sides"][3] == [0.9, 0.02, "T-3"]
    assert data["total"] == 4


def test_names_cannot_end_the_data_block(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    hostile = "</script><script>alert(1)</script>"
    with unit_of_work(store) as session:
        value = session.query(DataValue).filter_by(valuation_run_id=rows.run_id, rank=4).one()
        session.get_one(Sample, value.sample_id).external_id = hostile
    response = dashboard.get(page_of(rows))
    assert hostile not in response.text
    data = json.loads(soup_of(dashboard, page_of(rows)).select_one("#chart-data").string)
    assert data["values"][3][2] == hostile


def test_without_a_success_it_says_where_to_ask(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).status = "cancelled"
    soup = soup_of(dashboard, page_of(rows))
    assert "No valuation run has succeeded yet" in text_of(soup.main)
    assert soup.select("[data-chart]") == []


def test_thinning_keeps_the_suspicious_tail_and_the_order() -> None:
    kept = thin(range(100_000), POINTS_SHOWN)
    assert len(kept) == POINTS_SHOWN
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-100:] == list(range(99_900, 100_000))


@pytest.mark.parametrize("count", [0, 1, 799, 800])
def test_few_rows_are_all_kept(count: int) -> None:
    assert thin(range(count), POINTS_SHOWN) == list(range(count))


def test_numbers_that_json_cannot_hold_are_left_out() -> None:
    data = charts([(1, "a", 0.5, 0.5, 0.7), (2, None, -1.0, math.nan, 0.2), (3, None, -2.0, -2.0, -1.0)])
    assert data["values"] == [[1, 0.5, "a"], [3, -2.0, "sample 3"]]
    json.dumps(data, allow_nan=False)
