"""What is stored for people to look at: against figures computed by hand."""

import numpy as np
import pytest

from worker.lossval.assessment import (
    MOST_POINTS,
    QUANTILES,
    Assessed,
    assess_out_of_fold,
    document_of,
    spread_evenly,
)
from worker.lossval.intervals import Residuals


def assessed(count: int = 200, load_cases: list[str] | None = None) -> Assessed:
    generator = np.random.default_rng(3)
    y = generator.normal(25, 4, count)
    return Assessed(y, y + generator.normal(0.5, 1, count), np.full(count, 1.645), load_cases)


def test_residuals_are_predicted_minus_label_over_all_rows() -> None:
    rows = assessed(MOST_POINTS * 2)
    found = document_of(rows)
    residual = rows.predicted - rows.y
    assert found["total"] == 2 * MOST_POINTS
    assert len(found["rows"]) == len(found["label"]) == len(found["half_width"]) == MOST_POINTS
    summary = found["residuals"]["all"]
    assert summary["rows"] == 2 * MOST_POINTS
    assert summary["mean"] == pytest.approx(residual.mean())
    assert summary["quantiles"] == pytest.approx(np.quantile(residual, QUANTILES), rel=1e-6)


def test_kept_points_are_those_of_their_rows() -> None:
    rows = assessed(50)
    found = document_of(rows)
    assert found["rows"] == list(range(50))
    assert found["label"] == pytest.approx(rows.y, rel=1e-6)
    assert found["predicted"] == pytest.approx(rows.predicted, rel=1e-6)
    assert found["load_case"] is None


def test_each_load_case_has_residuals_of_its_own() -> None:
    names = ["rigid", "offset"] * 100
    rows = assessed(200, names)
    found = document_of(rows)
    assert found["load_case"] == names
    assert {name: item["rows"] for name, item in found["residuals"].items()} == {"offset": 100, "rigid": 100}
    rigid = (rows.predicted - rows.y)[::2]
    assert found["residuals"]["rigid"]["mean"] == pytest.approx(rigid.mean())


@pytest.mark.parametrize(("count", "most"), [(0, 5), (5, 5), (6, 5), (1000, 7)])
def test_spreading_keeps_both_ends(count: int, most: int) -> None:
    kept = spread_evenly(count, most).tolist()
    assert len(kept) == min(count, most)
    assert kept == sorted(set(kept))
    assert not kept or (kept[0], kept[-1]) == (0, count - 1)


def test_out_of_fold_has_no_coverage_to_show() -> None:
    rows = assessed()
    found = assess_out_of_fold(Residuals(rows.y, rows.predicted, np.ones(200)), None)
    assert found["coverage"] is None
    assert found["half_width"] is None
