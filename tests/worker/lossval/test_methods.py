"""What holds for every valuation method of the registry."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.lossval.config import LossValConfig
from worker.lossval.errors import LossValError
from worker.lossval.methods import METHODS, NEED_VALIDATION_LABELS, make_method
from worker.lossval.problem import ValuationProblem

CONFIG = LossValConfig(epochs=10, members=4, hidden=(16,))
TASKS = ["regression", "classification"]
LOOK_AT_LABELS = sorted(set(METHODS) - {"random", "knn_distance"})
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)


def make_problem(task="regression", n=60, m=20, seed=0):
    rng = np.random.default_rng(seed)
    X, X_validation = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    y, y_validation = X[:, 0] - X[:, 1], X_validation[:, 0] - X_validation[:, 1]
    if task == "classification":
        y, y_validation = (y > 0).astype(float), (y_validation > 0).astype(float)
    return ValuationProblem(X, y, X_validation, y_validation, task)


def value(name, problem, **arguments):
    return make_method(name, CONFIG)(problem, **arguments)


def finite_values(name, problem):
    result = value(name, problem)
    assert result.values.shape == result.spread.shape == (len(problem.X),)
    assert np.isfinite(result.values).all()
    assert (result.spread >= 0).all()
    assert sorted(result.rank) == list(range(1, len(problem.X) + 1))
    return result.values


@EVERY_METHOD
@pytest.mark.parametrize("task", TASKS)
def test_one_finite_value_per_sample_and_the_same_bytes_for_the_same_seed(name, task):
    problem = make_problem(task)
    values = finite_values(name, problem)
    assert value(name, problem).values.tobytes() == values.tobytes()


@EVERY_METHOD
def test_the_problem_is_left_as_it_was_and_no_global_generator_is_touched(name):
    problem, same = make_problem(), make_problem()
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    value(name, problem)
    for field in ("X", "y", "X_validation", "y_validation"):
        np.testing.assert_array_equal(getattr(problem, field), getattr(same, field))
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    torch.testing.assert_close(torch.get_rng_state(), before[1])


@EVERY_METHOD
def test_progress_never_falls_and_whatever_it_raises_ends_the_run(name):
    fractions = []
    value(name, make_problem(), progress=lambda fraction, _message: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1

    def cancel(_fraction, _message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        value(name, make_problem(), progress=cancel)


@EVERY_METHOD
@pytest.mark.parametrize("task", TASKS)
def test_constant_columns_give_finite_values(name, task):
    problem = make_problem(task)
    problem.X[:, 2] = problem.X_validation[:, 2] = 0.0
    finite_values(name, problem)
    problem.X[:], problem.X_validation[:] = 0.0, 0.0
    finite_values(name, problem)


@EVERY_METHOD
@pytest.mark.parametrize("task", TASKS)
def test_repeated_rows_give_finite_values(name, task):
    problem = make_problem(task)
    finite_values(name, replace(problem, X=np.repeat(problem.X, 3, axis=0), y=np.repeat(problem.y, 3)))


@EVERY_METHOD
@pytest.mark.parametrize("task", TASKS)
def test_one_sample_is_refused(name, task):
    problem = make_problem(task)
    with pytest.raises(LossValError, match="labelled training samples; at least"):
        value(name, replace(problem, X=problem.X[:1], y=problem.y[:1]))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"lossval"}))
@pytest.mark.parametrize("task", TASKS)
def test_two_samples_are_enough_for_a_baseline(name, task):
    problem = make_problem(task)
    X, y = problem.X[:2], np.array([0.0, 1.0])
    finite_values(name, replace(problem, X=X, y=y))


@EVERY_METHOD
@pytest.mark.parametrize("field", ["X", "y", "X_validation"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_row(name, field, number):
    problem = make_problem()
    getattr(problem, field)[4] = number
    with pytest.raises(LossValError, match="row 4 has NaN or infinity"):
        value(name, problem)


@pytest.mark.parametrize("name", LOOK_AT_LABELS)
def test_a_constant_target_and_a_single_class_are_refused(name):
    with pytest.raises(LossValError, match="nothing to learn; check the target column"):
        value(name, replace(make_problem(), y=np.full(60, 0.3)))
    with pytest.raises(LossValError, match="add samples of another class"):
        value(name, replace(make_problem("classification"), y=np.zeros(60)))
    with pytest.raises(LossValError, match="number the classes anew"):
        value(name, replace(make_problem("classification"), y=np.arange(60) % 2 + 1.0))


@pytest.mark.parametrize("name", sorted(NEED_VALIDATION_LABELS))
@pytest.mark.parametrize("task", TASKS)
def test_missing_validation_labels_are_refused_where_utility_is_measured_there(name, task):
    problem = make_problem(task)
    for missing in (
        replace(problem, y_validation=None),
        replace(problem, X_validation=np.empty((0, 3)), y_validation=np.empty(0)),
    ):
        with pytest.raises(LossValError, match="on labelled validation rows and there are none; give some"):
            value(name, missing)
    with pytest.raises(LossValError, match="20 validation rows, but labels of shape"):
        value(name, replace(problem, y_validation=problem.y_validation[:5]))
    with pytest.raises(LossValError, match="validation target: row 0 has NaN"):
        value(name, replace(problem, y_validation=np.full(20, np.nan)))


@pytest.mark.parametrize("name", sorted(NEED_VALIDATION_LABELS))
def test_a_class_that_no_training_sample_has_is_refused(name):
    problem = make_problem("classification")
    problem.y_validation[3] = 7.0
    with pytest.raises(LossValError, match="class 7 is among the validation rows but not among the training"):
        value(name, problem)


@pytest.mark.parametrize("name", sorted(set(METHODS) - NEED_VALIDATION_LABELS))
@pytest.mark.parametrize("task", TASKS)
def test_validation_labels_play_no_part_elsewhere(name, task):
    problem = make_problem(task)
    without = value(name, replace(problem, y_validation=None)).values
    np.testing.assert_array_equal(without, value(name, problem).values)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"lossval"}))
def test_features_that_were_never_standardised_beyond_reason_are_refused(name):
    problem = make_problem()
    problem.X[4, 1] = 1e200
    with pytest.raises(LossValError, match=r"features: row 4 has 1e\+200; standardise"):
        value(name, problem)


@EVERY_METHOD
def test_columns_that_do_not_fit_and_no_columns_are_refused(name):
    problem = make_problem()
    with pytest.raises(LossValError, match="shapes do not fit"):
        value(name, replace(problem, X_validation=problem.X_validation[:, :2]))
    with pytest.raises(LossValError, match="no column left"):
        value(name, replace(problem, X=problem.X[:, :0], X_validation=problem.X_validation[:, :0]))


@pytest.mark.parametrize("name", ["knn_shapley", "data_oob", "loo", "lava", "lossval", "out_of_fold_loss"])
@pytest.mark.parametrize("task", TASKS)
def test_wrong_labels_have_lower_values_than_right_ones(name, task):
    problem = make_problem(task, n=200, m=100)
    wrong = np.flatnonzero(np.abs(problem.X[:, 0] - problem.X[:, 1]) > 1.0)[:20]
    problem.y[wrong] = 1 - problem.y[wrong] if task == "classification" else -problem.y[wrong]
    rank = make_method(name)(problem).rank
    assert np.median(rank[wrong]) > 150


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(LossValError, match="no valuation method 'shapley'; use one of lossval, knn_shapley"):
        make_method("shapley")
