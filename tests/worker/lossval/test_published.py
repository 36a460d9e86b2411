"""The published loop: against the authors' formulas on PyTorch's own modules, detection, checkpoints, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from worker.lossval import published
from worker.lossval.checkpoint import CheckpointError
from worker.lossval.config import LossValConfig
from worker.lossval.errors import LossValError
from worker.lossval.network import EnsembleNetwork
from worker.lossval.published import (
    PublishedRun,
    PublishedSettings,
    cross_entropies,
    objective,
    train_published,
)
from worker.lossval.sinkhorn_divergence import SinkhornDivergence

SHORT = PublishedSettings(epochs=3, members=2, hidden=(8, 8))


def make_data(n=70, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.tanh(X[:, 0]) + 0.6 * X[:, 1] + 0.1 * rng.normal(size=n)
    return X, (y - y.mean()) / y.std(), rng.normal(size=(20, d)), rng


def task_data(task, n=70):
    X, y, target, _ = make_data(n=n)
    return X, (y > 0).astype(np.float64) if task == "classification" else y, target


def same_bytes(first, second):
    for name in ("values", "spread", "value_target_loss", "value_transport"):
        assert getattr(first.result, name).tobytes() == getattr(second.result, name).tobytes()
    assert first.result.curve == second.result.curve
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


class OneNetwork(torch.nn.Module):
    """Member k of a run as plain PyTorch modules in float64, with the weights as a parameter."""

    def __init__(self, run, k):
        super().__init__()
        layers = []
        for weight, bias in zip(run.network.weights, run.network.biases, strict=True):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data, linear.bias.data = weight[k].T.clone(), bias[k, 0].clone()
            layers += [linear, torch.nn.Tanh() if run.network.activation == "tanh" else torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.data_weights = torch.nn.Parameter(torch.ones(len(run.X)))


def plain_loop(run, k, orders, task):
    """The authors' training loop for one member: autograd, one dense Adam, S by the tested divergence."""
    member = OneNetwork(run, k).double()
    optimizer = torch.optim.Adam(member.parameters(), lr=0.01)
    for order in orders:
        for rows in order.split(32):
            X, y, w = run.X[rows], run.y[rows], member.data_weights[rows]
            outputs = member.net(X)
            if task == "regression":
                losses = (y - outputs.squeeze(1)) ** 2
            else:
                losses = -(torch.nn.functional.one_hot(y) * (outputs.softmax(1) + 1e-8).log()).sum(1)
            diameter = 1.1 * torch.cdist(X, run.validation.Y).max()
            with torch.no_grad():
                found = run.validation.divergence(X[None], w[None], diameter[None])
            # S with its gradient: linear in w around the current weights.
            S = found.value[0] + (found.gradient[0] * (w - w.detach())).sum()
            optimizer.zero_grad()
            ((w @ losses) * S**2).backward()
            optimizer.step()
    return member


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_each_member_trains_like_the_authors_loop(task):
    X, y, target = task_data(task)
    settings = PublishedSettings(task=task, epochs=2, members=2)
    run = PublishedRun(X, y, target, settings, seed=5)
    generator = torch.Generator()
    generator.set_state(run.generator.get_state())
    orders = [[torch.randperm(len(X), generator=generator) for _ in range(2)] for _ in range(2)]
    members = [plain_loop(run, k, [epoch[k] for epoch in orders], task) for k in range(2)]
    while not run.done:
        run.train_epoch()
    outcome = run.finish()
    for k, member in enumerate(members):
        np.testing.assert_allclose(outcome.member_weights[k], member.data_weights.detach(), atol=2e-3)
        # float32 against float64: Adam turns rounding of near-zero gradients into steps of its own.
        with torch.no_grad():
            torch.testing.assert_close(
                outcome.network(run.X.float())[k].double(), member.net(run.X), rtol=0.02, atol=0.02
            )


def test_the_networks_are_those_of_the_paper():
    for task, widths, activation in (
        ("regression", [3, 90, 90, 1], "tanh"),
        ("classification", [3, 100, 100, 100, 100, 2], "relu"),
    ):
        run = PublishedRun(*task_data(task), PublishedSettings(task=task, members=1))
        assert (run.network.widths, run.network.activation) == (widths, activation)


def test_initial_weights_are_those_of_linear_layers():
    generator = torch.Generator().manual_seed(0)
    network = EnsembleNetwork(50, 16, (30,), 4, generator=generator, initialization="linear")
    for weight, bias, fan_in in zip(network.weights, network.biases, (16, 30), strict=True):
        for tensor in (weight.detach(), bias.detach()):
            bound = 1 / math.sqrt(fan_in)
            assert float(tensor.abs().max()) <= bound
            assert float(tensor.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_relu_and_tanh_differ_where_they_must():
    def outputs(activation):
        generator = torch.Generator().manual_seed(0)
        network = EnsembleNetwork(1, 2, (3,), 1, generator=generator, activation=activation)
        network.biases[1].data += 5.0
        return network(torch.tensor([[-100.0, 100.0], [100.0, -100.0]])).detach()

    assert float(outputs("tanh").abs().max()) < 5 + math.sqrt(3)
    assert float(outputs("relu").abs().max()) > 10


def test_the_gradient_of_the_objective_splits_into_its_two_halves():
    losses, weights = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[0.5, 1.5]]).double()
    divergence = SinkhornDivergence(torch.tensor([3.0]), torch.tensor([[0.1, -0.2]]), torch.tensor([0.0]))
    parts = objective(losses, weights, divergence)
    assert float(parts.value) == pytest.approx(3.5 * 9)
    np.testing.assert_allclose(parts.target_gradient, [[9.0, 18.0]])
    np.testing.assert_allclose(parts.transport_gradient, [[2.1, -4.2]])


def test_cross_entropy_of_an_impossible_class_is_finite():
    probabilities = torch.tensor([[[1.0, 0.0], [0.25, 0.75]]], dtype=torch.float64)
    found = cross_entropies(probabilities, torch.tensor([[1, 1]]))
    np.testing.assert_allclose(found, [[-math.log(1e-8), -math.log(0.75 + 1e-8)]])


def test_planted_label_noise_has_the_lowest_values_by_the_target_loss():
    X, y, _, rng = make_data(n=300)
    target = rng.normal(size=(100, 3))  # fewer rows than a minibatch, and every weight falls
    corrupt = np.zeros(len(y), dtype=bool)
    corrupt[rng.permutation(len(y))[:45]] = True
    y[corrupt] += rng.choice([-2.5, 2.5], size=45)
    result = train_published(X, y, target, settings=PublishedSettings(epochs=10, members=4), seed=1).result
    for values in (result.values, result.value_target_loss):
        lower = values[corrupt][:, None] < values[~corrupt][None, :]
        assert lower.mean() > 0.9


def test_the_components_add_up_and_spread_and_stability_are_the_members():
    X, y, target, _ = make_data()
    outcome = train_published(X, y, target, settings=SHORT)
    result = outcome.result
    np.testing.assert_allclose(1 + result.value_target_loss + result.value_transport, result.values)
    np.testing.assert_allclose(result.values, outcome.member_weights.mean(axis=0))
    np.testing.assert_allclose(
        result.spread, np.abs(np.subtract(*outcome.member_weights)) / math.sqrt(2), atol=1e-12
    )
    assert -1 <= result.rank_stability <= 1
    assert len(result.curve.train_loss) == 3
    alone = train_published(X, y, target, settings=PublishedSettings(epochs=1, members=1, hidden=(4,))).result
    assert alone.rank_stability is None
    assert alone.spread.tolist() == [0.0] * len(X)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    X, y, target, _ = make_data()
    first, second, other = (train_published(X, y, target, settings=SHORT, seed=s) for s in (3, 3, 4))
    same_bytes(first, second)
    assert first.result.values.tobytes() != other.result.values.tobytes()


def test_the_global_generator_is_neither_used_nor_moved():
    X, y, target, _ = make_data()
    before = torch.get_rng_state()
    train_published(X, y, target, settings=SHORT)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_run_that_stopped_after_an_epoch_goes_on_to_the_same_bytes(task, stop):
    data = task_data(task)
    settings = PublishedSettings(task=task, epochs=3, members=2, hidden=(8,))
    whole = train_published(*data, settings=settings, seed=7)
    run = PublishedRun(*data, settings, seed=7)
    for _ in range(stop):
        run.train_epoch()
    saved = run.state()
    # The rest of the interrupted run must not matter, nor the seed of the one that goes on.
    run.train_epoch()
    resumed = PublishedRun(*data, settings, seed=7)
    resumed.restore(saved)
    assert resumed.state() == saved
    while not resumed.done:
        resumed.train_epoch()
    same_bytes(resumed.finish(), whole)


def test_a_foreign_checkpoint_is_refused():
    X, y, target, _ = make_data()
    saved = PublishedRun(X, y, target, SHORT).state()
    with pytest.raises(CheckpointError, match="of another run"):
        PublishedRun(X[:-1], y[:-1], target, SHORT).restore(saved)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        PublishedRun(X, y, target, SHORT).restore(saved[: len(saved) // 2])


def test_progress_rises_and_what_it_raises_passes_through():
    class CancelledError(Exception):
        pass

    X, y, target, _ = make_data()
    seen = []
    train_published(X, y, target, settings=SHORT, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert 0.0 <= seen[0] <= seen[-1] < 1.0

    def cancel(fraction, message):
        raise CancelledError

    with pytest.raises(CancelledError):
        train_published(X, y, target, settings=SHORT, progress=cancel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, t: (X[:9], y[:9], t), "at least 10"),
        (lambda X, y, t: (X, y, t[:0]), "target domain"),
        (lambda X, y, t: (np.where(X > 1, np.nan, X), y, t), "features: row"),
        (lambda X, y, t: (X, np.zeros_like(y), t), "nothing to learn"),
    ],
)
def test_impossible_data_are_refused_with_a_remedy(change, message):
    X, y, target, _ = make_data()
    with pytest.raises(LossValError, match=message):
        train_published(*change(X, y, target), settings=SHORT)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"members": 0}, {"minibatch_size": 0}, {"learning_rate": 0.0}, {"hidden": ()}]
)
def test_impossible_settings_are_refused(setting):
    with pytest.raises(LossValError, match=next(iter(setting))):
        PublishedSettings(**setting)


def test_divergence_is_an_error_not_a_value():
    X, y, target, _ = make_data()
    settings = PublishedSettings(epochs=3, members=1, learning_rate=1e30)
    with pytest.raises(LossValError, match="diverged"):
        train_published(X, y, target, settings=settings)


def test_constant_features_and_duplicated_rows_are_valued():
    _, y, _, _ = make_data(n=40)
    constant = train_published(np.zeros((40, 2)), y, np.zeros((5, 2)), settings=SHORT).result
    assert np.isfinite(constant.values).all()
    X, y, target, _ = make_data(n=20)
    assert np.isfinite(
        train_published(np.tile(X, (3, 1)), np.tile(y, 3), target, settings=SHORT).result.values
    ).all()


def test_a_run_takes_task_epochs_and_members_from_the_configuration():
    config = LossValConfig(task="classification", epochs=5, members=3)
    assert PublishedSettings.of(config) == PublishedSettings(task="classification", epochs=5, members=3)
    assert PublishedSettings.of(LossValConfig()).epochs == 30


def test_weights_for_others_are_the_positive_part_and_equal_where_nothing_is_positive():
    assert published._positive_part(np.array([2.0, -1.0, 1.0])).tolist() == [2.0, 0.0, 1.0]
    assert published._positive_part(np.array([-2.0, -1.0])).tolist() == [1.0, 1.0]
