"""What the pages say is what the API says: each page's figures against the REST answer of the same moment."""

from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.demo import Demo

pytestmark = pytest.mark.browser


def texts(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


def tiles(page: Page) -> dict[str, str]:
    """The figures at the top of a page by their labels."""
    return dict(zip(texts(page, ".figures dt"), texts(page, ".figures dt + dd"), strict=True))


def whole(value: object) -> str:
    return f"{float(str(value)):,.0f}"


def plain(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}".replace("-", "−")


def holds(text: str, facts: Sequence[str]) -> None:
    missing = [fact for fact in facts if fact not in text]
    assert not missing, f"{missing} in: {text}"


def summary_of(demo: Demo) -> dict[str, Any]:
    return demo.api.get(f"{demo.path}/summary")


def runs_of(demo: Demo, kind: str) -> list[dict[str, Any]]:
    return demo.api.all_items(f"{demo.path}/{kind}")


def test_campaigns(desk: Watched, demo: Demo) -> None:
    page, summary = desk.open("/campaigns"), summary_of(demo)
    (row,) = texts(page, "main tbody tr")
    counts = [summary["samples"]["labelled"], summary["samples"]["candidate"], len(demo.proposed())]
    holds(row, [*map(str, counts), f"{whole(summary['budget'])} {summary['currency']}"])


def test_overview(desk: Watched, demo: Demo) -> None:
    page, summary = desk.open(demo.path), summary_of(demo)
    money = " ".join(texts(page, "[aria-labelledby=budget]"))
    holds(money, [f"{whole(summary[name])} USD" for name in ("budget", "spent", "committed", "remaining")])
    samples, splits = summary["samples"], summary["splits"]
    assert tiles(page) == {
        "Labelled": whole(samples["labelled"]), "Candidates": whole(samples["candidate"]),
        "Validation": whole(splits["validation"]), "Holdout": whole(splits["holdout"]),
    }  # fmt: skip
    waiting = demo.api.get(f"{demo.path}/review-queue")["total"]
    tasks = " ".join(texts(page, ".tasks li"))
    holds(tasks, [f"{len(demo.proposed())} proposed", f"{waiting} suspicious tests"])
    metrics = demo.api.get(f"/valuation-runs/{demo.valuation_run_id}")["metrics"]
    surrogate = " ".join(texts(page, "#surrogate-card"))
    holds(surrogate, [f"RMSE {plain(metrics['rmse'])} g", f"{plain(metrics['baseline_rmse'])} g"])
    benefit = demo.api.get(f"{demo.path}/stop-rule")
    holds(
        " ".join(texts(page, "[aria-labelledby=gauge]")), [check["sentence"] for check in benefit["checks"]]
    )


def test_recommendations(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/recommendations?status=proposed")
    shown = texts(page, ".recommendations tbody")
    rows = demo.proposed()
    assert len(shown) == len(rows)
    for text, row in zip(shown, rows, strict=True):
        parts = row["components"]
        figures = [
            plain(parts["predicted"]),
            whole(row["acquisition_cost"]),
            row["external_id"],
            row["reason"],
        ]
        holds(text, [str(row["rank"]), *figures, row["source"].replace("_", " "), row["status"]])
        assert ("control" in text) == (row["arm"] == "control")


def test_one_recommendation(desk: Watched, demo: Demo) -> None:
    row = demo.proposed()[-1]
    text = " ".join(texts(desk.open(f"/recommendations/{row['id']}"), "main"))
    left = float(summary_of(demo)["remaining"])
    cost = float(row["acquisition_cost"])
    holds(text, [row["reason"], f"{plain(row['components']['predicted'])} g", f"{whole(cost)} USD"])
    holds(text, [f"{whole(left)} USD are left; after an approval {whole(left - cost)} USD."])
    speed = row["planned_features"]["impact_speed_kmh"]
    holds(text, [f"impact speed {speed:,.6g} km/h"])


def test_map(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/recommendations/map")
    page.locator("#map[data-ready]").wait_for(timeout=60_000)
    found = demo.api.get(f"/acquisition-rounds/{demo.round_id}/map")
    expect(page.locator("hgroup")).to_contain_text(f"all {found['candidates']} candidates shown")
    drawn = page.evaluate(
        """() => echarts.getInstanceByDom(document.getElementById("map")).getOption()
            .series.map((one) => one.data?.length ?? 0).reduce((sum, count) => sum + count, 0)"""
    )
    assert drawn >= found["candidates_shown"]
    points = found["points"]
    at = next(index for index, key in enumerate(points["recommendation_id"]) if key is not None)
    name = points["name"][at]
    page.get_by_label("Find by name").fill(name)
    page.get_by_role("link", name=name, exact=True).press("Enter")
    expect(page.locator("#point")).to_contain_text(f"{points['predicted'][at]:.2f} g")


def test_what_if_begins_with_the_settings_of_the_newest_round(desk: Watched, demo: Demo) -> None:
    *_, newest = demo.api.get(f"{demo.path}/acquisition-rounds")["items"]
    page = desk.open(f"{demo.path}/recommendations/what-if")
    budget = page.get_by_label("Budget").input_value()
    assert float(budget) == float(newest["configuration"]["budget"])


def test_injections_stand_on_their_page_until_they_are_withdrawn(desk: Watched, demo: Demo) -> None:
    wanted = demo.api.get(f"{demo.path}/samples", status="candidate", limit=1)["items"][0]
    document = {"sample_ids": [wanted["id"]], "reason": "the customer asks"}
    (injection,) = demo.api.post(f"{demo.path}/injections", document)
    page = desk.open(f"{demo.path}/recommendations/wishes")
    expect(
        page.get_by_role("button", name=f"Withdraw the injection of {wanted['external_id']}")
    ).to_have_count(1)
    demo.api.post(f"/injections/{injection['id']}:withdraw", {})
    page.reload()
    expect(page.get_by_role("button", name="Withdraw")).to_have_count(0)


def test_data_values(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/data-values")
    values = demo.api.all_items(
        f"/valuation-runs/{demo.valuation_run_id}/data-values", order="least_valuable"
    )
    expect(page.locator(".filters [aria-current]")).to_contain_text(f"all {len(values)}")
    shown = texts(page, "td.name")
    rows = texts(page, "main tbody tr:has(td.name)")
    assert len(shown) >= 20
    for text, value in zip(rows, values, strict=False):
        holds(text, [str(value["rank"]), value["external_id"], plain(value["value"]), plain(value["spread"])])


def test_reviews_and_a_sample(desk: Watched, demo: Demo) -> None:
    queue = demo.api.get(f"{demo.path}/review-queue")
    page = desk.open(f"{demo.path}/reviews")
    expect(page.locator("hgroup")).to_contain_text(f"{queue['total']} wait for a decision")
    text = " ".join(texts(page, "main"))
    first = queue["items"][0]
    holds(text, [first["external_id"], f"{plain(first['target'])} g"])
    sample = demo.api.get(f"/samples/{first['sample_id']}")
    page = desk.open(f"{demo.path}/samples/{first['sample_id']}")
    holds(" ".join(texts(page, "main")), [f"{plain(sample['target'])} g", sample["label_definition"]])
    mass = sample["planned_features"]["test_mass_kg"]
    expect(page.get_by_role("row").filter(has_text="test mass")).to_contain_text(f"{mass:,.6g} kg")


def test_surrogate(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/surrogate")
    metrics = demo.api.get(f"{demo.path}/serving-surrogate")["metrics"]
    holds(tiles(page)["RMSE"], [plain(metrics["rmse"])])
    holds(tiles(page)["95 % of errors below"], [plain(metrics["holdout"]["q95_error"])])
    holds(tiles(page)["90 % intervals cover"], [f"{100 * metrics['holdout']['coverage_90']:.0f} %"])
    versions = demo.api.all_items(f"{demo.path}/surrogates")
    expect(page.locator(".versions tbody td.name")).to_have_count(len(versions))


def test_ledger(desk: Watched, demo: Demo) -> None:
    page = desk.open(f"{demo.path}/ledger")
    found = demo.api.get(f"{demo.path}/regret-ledger")["rounds"]
    expect(page.locator("tr[id^=round-]")).to_have_count(len(found))
    for entry in found:
        (text,) = texts(page, f"#round-{entry['round_id']}")
        balance, gain = entry["balance"], entry["realised"]["gain"]
        facts = [f"{balance['results']} of {balance['proposed']}", whole(balance["spent"])]
        facts += [whole(entry["cumulative"]["spent"])] + ([] if gain is None else [plain(gain)])
        holds(text, facts)


def test_backtests(desk: Watched, demo: Demo) -> None:
    found = demo.api.get(f"/backtests/{demo.backtest_id}")
    (evidence,) = [item for item in found["evidence"] if item["strategy"] != "auto"]
    page = desk.open(f"{demo.path}/backtests/{demo.backtest_id}")
    text = " ".join(texts(page, "main"))
    holds(
        text.replace("−", "-"),
        [evidence["sentence"].replace("−", "-"), evidence["verdict"].replace("_", " ")],
    )
    page = desk.open(f"{demo.path}/backtests")
    expect(page.get_by_role("link", name=f"Backtest {demo.backtest_id}")).to_be_visible()


def test_runs(desk: Watched, demo: Demo) -> None:
    text = " ".join(texts(desk.open(f"{demo.path}/runs"), "main"))
    for run in runs_of(demo, "valuation-runs"):
        holds(text, [f"Valuation {run['id']} {run['status']} RMSE {plain(run['metrics']['rmse'])} g"])
    for run in runs_of(demo, "acquisition-rounds"):
        spent = whole(run["metrics"]["spent"])
        holds(
            text,
            [
                f"Round {run['id']} {run['status']}",
                f"batch {spent} USD, pool {whole(run['metrics']['pool'])}",
            ],
        )
