"""Data hygiene: what is planted is found, what is clean is left alone, and every order of size works."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.samples.hygiene import RIDGE, _left_out_residuals, inspect, outliers
from service.samples.hygiene_report import HygieneRow
from tests.support import API, add_samples, assert_problem, sample_document

KINDS = {
    "speed": "continuous",
    "mass": "continuous",
    "bags": "integer",
    "barrier": "categorical",
    "knee": "boolean",
}


def row(key: int, **changes: Any) -> HygieneRow:
    """A sample of its own: no two of these share a design."""
    rng = np.random.default_rng(key)
    features = {
        "speed": float(rng.normal(56, 4)), "mass": float(rng.normal(1900, 300)), "bags": int(rng.integers(2, 9)),
        "barrier": str(rng.choice(["rigid", "offset"])), "knee": bool(rng.integers(2)),
    } | changes.pop("features", {})  # fmt: skip
    usual = {
        "id": key, "external_id": f"T-{key}", "split": "train", "status": "labelled", "source": "test",
        "group": None, "features": features, "label_definition": "rolc/1",
        "target": 0.4 * features["speed"] + 0.002 * (features["mass"] or 0) + float(rng.normal(0, 0.3)),
    }  # fmt: skip
    return HygieneRow(**usual | changes)


def clean(count: int = 300) -> list[HygieneRow]:
    return [row(key) for key in range(1, count + 1)]


def copy_of(original: HygieneRow, key: int, **changes: Any) -> HygieneRow:
    features = dict(original.features) | changes.pop("features", {})
    return row(key, features=features, **{"target": original.target} | changes)


def test_clean_data_give_no_finding() -> None:
    report = inspect(clean(), KINDS)
    assert report.samples == 300
    assert set(report.counts.values()) == {0}
    assert report.notes == []
    assert report.label_definitions == {"rolc/1": 300}


def test_a_test_that_is_repeated_on_purpose_is_no_duplicate() -> None:
    rows = clean()
    rows.append(copy_of(rows[3], 900, target=rows[3].target + 2.5, repeats_sample_id=4))
    rows.append(
        copy_of(rows[4], 901, features={"speed": rows[4].features["speed"] + 0.01}, repeats_sample_id=5)
    )
    report = inspect(rows, KINDS)
    assert (report.duplicates, report.near_duplicates) == ([], [])
    rows.append(copy_of(rows[3], 902))
    (found,) = inspect(rows, KINDS).duplicates
    assert found.sample_ids == [4, 902]


def test_the_same_design_twice_is_found_with_the_spread_of_its_labels() -> None:
    rows = clean()
    rows.append(copy_of(rows[3], 900, target=rows[3].target + 2.5))
    (found,) = inspect(rows, KINDS).duplicates
    assert (found.sample_ids, found.size, found.splits) == ([4, 900], 2, ["train"])
    assert found.target_spread == pytest.approx(2.5)


@pytest.mark.parametrize(
    "difference",
    [
        {"source": "simulation"},
        {"features": {"barrier": "none"}},
        {"features": {"mass": None}},
        {"features": {"bags": 99}},
    ],
    ids=["source", "category", "missing", "integer"],
)
def test_what_differs_in_one_thing_is_no_repetition(difference: dict[str, Any]) -> None:
    rows = clean()
    rows.append(copy_of(rows[3], 900, **difference))
    report = inspect(rows, KINDS)
    assert report.duplicates == report.near_duplicates == []


def test_nearly_the_same_design_is_found() -> None:
    rows = clean()
    rows.append(copy_of(rows[3], 900, features={"mass": rows[3].features["mass"] + 2.0}))  # spread is 300 kg
    rows.append(copy_of(rows[7], 901, features={"mass": rows[7].features["mass"] + 20.0}))
    report = inspect(rows, KINDS)
    assert report.duplicates == []
    assert [found.sample_ids for found in report.near_duplicates] == [[4, 900]]


def test_a_chain_of_near_repetitions_is_one_finding_with_all_its_copies() -> None:
    rows = clean()
    for step in (1, 2, 3):
        rows.append(copy_of(rows[0], 900 + step, features={"mass": rows[0].features["mass"] + 2.0 * step}))
    rows.append(copy_of(rows[0], 910))
    report = inspect(rows, KINDS)
    assert [found.sample_ids for found in report.near_duplicates] == [[1, 901, 902, 903, 910]]
    assert [found.sample_ids for found in report.duplicates] == [[1, 910]]


def test_a_twin_in_the_holdout_is_a_leak_and_comes_first() -> None:
    rows = [*clean(), row(800, split="holdout", group="a")]
    rows.append(copy_of(rows[5], 900, target=99.0))
    rows.append(copy_of(rows[9], 901, split="holdout", group="b"))
    rows.append(
        copy_of(rows[9], 902, split="holdout", group="b", features={"mass": rows[9].features["mass"] + 1.0})
    )
    report = inspect(rows, KINDS)
    assert report.duplicates[0].sample_ids == [10, 901]
    assert report.duplicates[0].in_holdout_and_elsewhere
    assert [leak.sample_ids for leak in report.holdout_leaks] == [[901, 10], [902, 10]]


@pytest.mark.parametrize("other", ["16-03", "16-3", "16_03", "16 03", "016-03"])
def test_a_group_on_both_sides_of_the_holdout_is_found_under_any_spelling(other: str) -> None:
    rows = [*clean(), row(900, split="holdout", group="16-03"), row(901, split="validation", group=other)]
    (leak,) = inspect(rows, KINDS).holdout_leaks
    assert leak.sample_ids == [900, 901]
    assert leak.groups == sorted({"16-03", other})


def test_groups_that_are_apart_are_no_leak() -> None:
    rows = [row(900, split="holdout", group="16-03"), row(901, group="16-30"), row(902, group="1603")]
    assert inspect([*clean(), *rows], KINDS).holdout_leaks == []


def test_a_holdout_without_groups_is_said() -> None:
    report = inspect([*clean(), row(900, split="holdout")], KINDS)
    assert "1 holdout samples name no group" in report.notes[0]


def test_a_mass_in_lb_is_an_outlier() -> None:
    rows = clean()
    rows.append(row(900, features={"mass": 1900.0 * 2.2046}, target=26.0))
    worst = inspect(rows, KINDS).feature_outliers[0]
    assert (worst.sample_id, worst.feature, worst.external_id) == (900, "mass", "T-900")
    assert worst.z == pytest.approx((worst.value - worst.median) / 300, rel=0.2)


def test_a_column_that_is_nearly_always_the_same_shows_the_few_that_are_not() -> None:
    rows = [row(key, features={"bags": 6}) for key in range(1, 200)] + [row(900, features={"bags": 60})]
    assert [(found.sample_id, found.feature) for found in inspect(rows, KINDS).feature_outliers] == [
        (900, "bags")
    ]


def test_a_label_that_no_other_is_like_is_found() -> None:
    rows = [*clean(), row(900, target=70.0)]
    worst = inspect(rows, KINDS).label_outliers[0]
    assert (worst.sample_id, worst.target) == (900, 70.0)


def test_an_ordinary_label_that_does_not_fit_its_design_is_found() -> None:
    """A slow test with the label of a fast one: nothing about the number itself is strange."""
    rows = clean()
    median = float(np.median([r.target for r in rows]))
    rows.append(row(900, features={"speed": 45.0}, target=median + 1.0))
    (found,) = inspect(rows, KINDS).label_outliers
    assert found.sample_id == 900
    assert found.reason == "far from what a linear fit of the others expects"
    assert found.expected == pytest.approx(0.4 * 45 + 0.002 * rows[-1].features["mass"], abs=0.3)


def test_outliers_alone_are_those_of_the_whole_report() -> None:
    rows = [*clean(), row(301, target=70.0)]
    report = inspect(rows, KINDS)
    assert report.label_outliers
    assert outliers(rows, KINDS) == (report.feature_outliers, report.label_outliers)


def test_the_left_out_residual_is_that_of_a_fit_without_the_sample() -> None:
    rng = np.random.default_rng(0)
    design, targets = rng.normal(size=(40, 4)), rng.normal(size=40)
    for left in (0, 17):
        others = np.delete(design, left, axis=0)
        gram = others.T @ others + RIDGE * np.eye(4)
        weights = np.linalg.solve(gram, others.T @ np.delete(targets, left))
        assert _left_out_residuals(design, targets)[left] == pytest.approx(
            targets[left] - design[left] @ weights
        )


def test_sources_are_judged_by_themselves() -> None:
    tests = clean(100)
    simulations = [row(500 + key, source="simulation", target=60.0 + 0.1 * (key % 7)) for key in range(100)]
    assert inspect([*tests, *simulations], {"speed": "continuous"}).label_outliers == []


def test_several_label_definitions_are_said() -> None:
    report = inspect([*clean(), row(900, label_definition="rolc/2")], KINDS)
    assert report.label_definitions == {"rolc/1": 300, "rolc/2": 1}
    assert "several definitions" in report.notes[0]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_samples_are_no_reason_to_fail(count: int) -> None:
    report = inspect(clean(count), KINDS)
    assert report.samples == count
    assert any("labels" in note for note in report.notes)


def test_nothing_but_missing_values_and_constants() -> None:
    empty = dict.fromkeys(KINDS)
    rows = [row(key, features=empty | {"speed": 56.0, "mass": None}, target=26.0) for key in range(1, 40)]
    report = inspect(rows, KINDS)
    assert report.counts["duplicates"] == 1
    assert report.duplicates[0].size == 39
    assert report.feature_outliers == report.label_outliers == []


def test_lists_are_cut_and_counts_are_not() -> None:
    rows = clean(100)
    rows += [copy_of(rows[index], 900 + index) for index in range(20)]
    report = inspect(rows, KINDS, limit=5)
    assert len(report.duplicates) == 5
    assert report.counts["duplicates"] == 20


def test_a_heap_of_copies_is_one_finding_of_bounded_length() -> None:
    rows = clean(50)
    rows += [copy_of(rows[0], 1000 + index) for index in range(3000)]
    (found,) = inspect(rows, KINDS).duplicates
    assert (found.size, len(found.sample_ids)) == (3001, 100)


def test_the_order_of_features_and_repeats_change_nothing() -> None:
    rows = [*clean(120), copy_of(clean(5)[4], 900)]
    assert inspect(rows, KINDS) == inspect(rows, KINDS)
    turned = inspect(rows, dict(reversed(KINDS.items())))
    assert turned.duplicates == inspect(rows, KINDS).duplicates


def test_the_report_over_http(client: TestClient, campaign_id: int) -> None:
    documents = [
        sample_document(
            features={"test_mass_kg": 1000 + 13 * index, "impact_speed_kmh": 50 + index % 11},
            target=20 + index % 11 + 0.01 * index,
        )
        for index in range(60)
    ]
    documents.append(documents[7] | {"target": 60.0, "external_id": "twin"})
    documents.append(sample_document(features={"test_mass_kg": 3990}))
    ids = add_samples(client, campaign_id, documents)
    report = client.get(f"{API}/campaigns/{campaign_id}/hygiene").json()
    assert report["samples"] == 62
    (duplicate,) = report["duplicates"]
    assert duplicate["sample_ids"] == [ids[7], ids[60]]
    assert duplicate["target_spread"] == pytest.approx(60.0 - documents[7]["target"])
    assert report["label_outliers"][0]["sample_id"] == ids[60]
    assert client.get(f"{API}/campaigns/{campaign_id}/hygiene?limit=1").json()["counts"] == report["counts"]


def test_executed_features_are_what_is_looked_at(client: TestClient, campaign_id: int) -> None:
    first = sample_document(target=26.0)
    second = sample_document(
        features={"test_mass_kg": 3000}, executed_features={"test_mass_kg": 1810}, target=26.0
    )
    ids = add_samples(client, campaign_id, [first, second])
    assert client.get(f"{API}/campaigns/{campaign_id}/hygiene").json()["duplicates"][0]["sample_ids"] == ids


def test_an_empty_campaign_has_an_empty_report_and_an_unknown_one_none(
    client: TestClient, campaign_id: int
) -> None:
    assert client.get(f"{API}/campaigns/{campaign_id}/hygiene").json()["samples"] == 0
    assert_problem(client.get(f"{API}/campaigns/77/hygiene"), 404, "not_found")
    assert_problem(client.get(f"{API}/campaigns/{campaign_id}/hygiene?limit=0"), 422, "invalid_input")
