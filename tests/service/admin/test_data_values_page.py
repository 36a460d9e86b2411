import json
import math
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.pages.charts import thin
from service.admin.pages.data_values import POINTS_SHOWN, charts
from service.admin.pages.value_lines import why
from service.database.engine import unit_of_work
from service.database.models import DataValue, Sample, ValuationRun
from service.valuations.schemas import ValuedSample
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
    assert lines[1][6].startswith("far It lies far from the target domain")
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
    assert [[*point[:3], *point[4:]] for point in data["values"]] == [
        [1, 0.99, 0.125, "sound", "T-0"], [2, 0.75, 0.125, "sound", "T-1"],
        [3, 0.125, 0.125, "far_from_target", "T-2"], [4, 0.02, 0.125, "wrong_label", "T-3"],
    ]  # fmt: skip
    assert [*data["sides"][3][:2], *data["sides"][3][3:]] == [0.9, 0.02, "wrong_label", "T-3"]
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
    assert data["values"][3][5] == hostile


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


def valued(key: int, name: str | None, *numbers: float) -> ValuedSample:
    return ValuedSample(key, name, "full_vehicle", None, 26.0, key, *numbers)


def test_numbers_that_json_cannot_hold_are_left_out() -> None:
    rows = [valued(1, "a", 0.5, 0.1, 0.5, 0.7), valued(2, None, -1.0, 0.1, math.nan, 0.2)]
    rows.append(valued(3, None, -2.0, 0.1, -2.0, -1.0))
    data = charts([(row, "sound") for row in rows], "/samples/", is_probability=True)
    assert [point[5] for point in data["values"]] == ["a", "sample 3"]
    assert (data["shown"], data["total"]) == (2, 3)
    json.dumps(data, allow_nan=False)


def names(dashboard: TestClient, url: str) -> list[str]:
    return [text_of(link) for link in soup_of(dashboard, url).select("td.name a")]


def test_filters_by_source_group_and_diagnosis(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        for name, group in (("T-0", "platform-A"), ("T-3", "platform-A"), ("T-1", "platform-B")):
            session.query(Sample).filter_by(external_id=name).one().group = group
    url = page_of(rows)
    assert names(dashboard, f"{url}?group=platform-A") == ["T-3", "T-0"]
    assert names(dashboard, f"{url}?group=platform-A&kind=wrong_label") == ["T-3"]
    assert names(dashboard, f"{url}?kind=sound") == ["T-1", "T-0"]
    assert names(dashboard, f"{url}?source=occupant_model") == []
    soup = soup_of(dashboard, f"{url}?group=platform-A&kind=sound")
    filters = {text_of(link): link["href"] for link in soup.select(".filters a")}
    assert filters["wrong label 1"].endswith("?group=platform-A&kind=wrong_label")
    assert soup.select_one("select[name=group] option[selected]")["value"] == "platform-A"
    assert soup.select_one("input[name=kind]")["value"] == "sound"


def test_each_sample_has_its_page_and_the_queue_is_announced(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, page_of(rows))
    assert dashboard.get(str(soup.select_one("td.name a")["href"])).status_code == 200
    assert text_of(soup.select_one(".call")).startswith("1 suspicious test waits")


def test_values_of_mode_published_are_not_read_as_probabilities(
    dashboard: TestClient, store: sessionmaker[Session], rows: Rows
) -> None:
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, rows.run_id).configuration = {"mode": "published"}
    soup = soup_of(dashboard, page_of(rows))
    assert [text_of(link) for link in soup.select(".filters a")] == ["all 4", "unjudged 4"]
    assert json.loads(soup.select_one("#chart-data").string)["is_probability"] is False
