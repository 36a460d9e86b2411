"""The draws of the interval benchmark: only the test rows are clean, and refusals are one line."""

from argparse import Namespace

import numpy as np
import pytest

from benchmarks import intervals
from benchmarks.protocol import load_dataset


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_share_of_wrong_labels_is_in_training_and_validation_and_none_in_the_test_rows(
    share: float,
) -> None:
    draw = intervals._table("friedman1", share, Namespace(rows=200, data=None), seed=1)
    whole = load_dataset("friedman1")
    truth = {tuple(row): y for row, y in zip(whole.X.tolist(), whole.y.tolist(), strict=True)}
    for (rows, y), expected in ((draw.train, share), (draw.validation, share), (draw.test, 0.0)):
        right = np.array([truth[tuple(row.values())] for row in rows])
        assert (y != right).mean() == pytest.approx(expected, abs=0.01)
    assert [len(rows) for rows, _ in (draw.train, draw.validation, draw.test)] == [200, 40, 2000]


def test_the_fleet_has_the_two_sources_and_a_holdout_of_its_own() -> None:
    draw = intervals._fleet(seed=0)
    assert {row["source"] for row in draw.train[0]} == {"full_vehicle_test", "simulation"}
    assert {row["source"] for row in draw.test[0]} == {"full_vehicle_test"}
    assert len(draw.test[0]) >= 400
    assert {feature.name for feature in draw.features} == set(draw.train[0][0])


def test_an_unknown_data_set_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["intervals", "--datasets", "nothing"])
    with pytest.raises(SystemExit, match="error: no data set 'nothing'"):
        intervals.main()
