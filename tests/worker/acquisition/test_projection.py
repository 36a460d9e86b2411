"""Closed forms and invariants of the map, by known geometry and numpy's own SVD."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.projection import drivers, project, thinned


def test_points_on_a_line_have_one_axis() -> None:
    along = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    found = project(along[:, None] * np.array([0.6, 0.8]))
    assert found.explained == pytest.approx((1.0, 0.0), abs=1e-12)
    assert np.abs(found.points[:, 0]) == pytest.approx(np.abs(along))
    assert (found.points[:, 1] == 0).all()


def test_a_rectangle_lies_flat_with_the_shares_of_its_sides() -> None:
    """Sides of 4 and 2 at right angles in three dimensions: variances 4 and 1."""
    u, v = np.array([2.0, 1.0, 2.0]) / 3, np.array([-2.0, 2.0, 1.0]) / 3
    corners = np.array([2 * a * u + b * v for a in (-1, 1) for b in (-1, 1)]) + 7.0
    found = project(corners)
    assert found.explained == pytest.approx((0.8, 0.2))
    assert np.abs(found.points) == pytest.approx(np.tile([2.0, 1.0], (4, 1)))


def test_same_as_the_singular_value_decomposition(rng: np.random.Generator) -> None:
    F = rng.normal(size=(60, 7)) * [5, 3, 1, 1, 1, 0.5, 0.1]
    centred = F - F.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    found = project(F)
    assert np.abs(found.points) == pytest.approx(np.abs(left[:, :2] * values[:2]))
    assert found.explained == pytest.approx(tuple(values[:2] ** 2 / (values**2).sum()))


def test_shift_and_rotation_change_nothing_but_signs(rng: np.random.Generator) -> None:
    F = rng.normal(size=(40, 5)) * [4, 2, 1, 0.5, 0.2]
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    before, after = project(F), project(F @ turn + 11.0)
    assert after.points == pytest.approx(before.points, abs=1e-9)
    assert after.explained == pytest.approx(before.explained)


def test_order_of_the_rows_changes_nothing(rng: np.random.Generator) -> None:
    F = rng.normal(size=(30, 4)) * [4, 2, 1, 0.5]
    order = rng.permutation(30)
    assert project(F[order]).points == pytest.approx(project(F).points[order], abs=1e-9)


def test_the_farthest_point_of_each_axis_is_on_its_positive_side(rng: np.random.Generator) -> None:
    points = project(rng.normal(size=(50, 6))).points
    farthest = np.abs(points).argmax(axis=0)
    assert (points[farthest, [0, 1]] > 0).all()


def test_the_same_features_give_the_same_bytes(rng: np.random.Generator) -> None:
    F = rng.normal(size=(50, 6)).astype(np.float32)
    assert project(F).points.tobytes() == project(F.copy()).points.tobytes()


@pytest.mark.parametrize("F", [np.full((5, 3), 2.5), np.ones((1, 4)), np.zeros((3, 1))])
def test_without_spread_all_lie_in_the_middle(F: np.ndarray) -> None:
    found = project(F)
    assert (found.points == 0).all()
    assert found.explained == (0.0, 0.0)


def test_one_column_is_one_axis() -> None:
    found = project(np.array([[1.0], [2.0], [6.0]]))
    assert found.points == pytest.approx(np.array([[-2.0, 0], [-1.0, 0], [3.0, 0]]))
    assert found.explained == (1.0, 0.0)


@pytest.mark.parametrize(
    ("F", "words"),
    [
        (np.empty((0, 3)), "shape (0, 3)"),
        (np.empty((3, 0)), "shape (3, 0)"),
        (np.array([[1.0], [np.nan]]), "not finite in row 1"),
    ],
)
def test_what_cannot_be_drawn_is_named(F: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        project(F)
    assert words in str(caught.value)


def test_an_axis_is_named_by_what_goes_along_with_it(rng: np.random.Generator) -> None:
    speed, mass = rng.normal(size=500), rng.normal(size=500)
    X = np.stack([np.ones(500), mass, speed], axis=1)
    first, second = drivers(0.8 * speed - 0.6 * mass, X, ["constant", "mass", "speed"])
    assert (first.column, second.column) == ("speed", "mass")
    assert first.correlation == pytest.approx(0.8, abs=0.05)
    assert second.correlation == pytest.approx(-0.6, abs=0.05)


def test_an_exact_driver_correlates_with_one_and_not_more(rng: np.random.Generator) -> None:
    x = rng.normal(size=20)
    assert drivers(3 * x + 1, x[:, None], ["x"])[0].correlation == pytest.approx(1.0)
    assert drivers(-x, x[:, None], ["x"])[0].correlation >= -1.0


def test_what_has_no_spread_drives_nothing() -> None:
    assert drivers(np.zeros(3), np.arange(3.0)[:, None], ["x"]) == []
    assert drivers(np.arange(3.0), np.ones((3, 1)), ["x"]) == []


@given(
    rows=st.integers(0, 60),
    most=st.integers(0, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_thinning_keeps_what_it_must_and_fills_up(rows: int, most: int, share: float, seed: int) -> None:
    always = list(range(int(rows * share)))
    shown = thinned(rows, most, always, np.random.default_rng(seed))
    assert set(always) <= set(shown.tolist()) <= set(range(rows))
    assert len(shown) == (rows if rows <= most else max(most, len(always)))
    assert (np.diff(shown) > 0).all()


def test_every_other_row_has_the_same_chance() -> None:
    generator = np.random.default_rng(1)
    counts = np.zeros(20)
    for _ in range(4000):
        counts[thinned(20, 5, [3], generator)] += 1
    assert counts[3] == 4000
    assert np.delete(counts, 3) == pytest.approx(np.full(19, 4000 * 4 / 19), rel=0.12)
