"""The valuation pass: batching, cross-fitting, detection of planted corruption, determinism, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from worker.lossval import checkpoint
from worker.lossval.checkpoint import CheckpointError
from worker.lossval.config import LossValConfig
from worker.lossval.errors import LossValError
from worker.lossval.losses import squared_error, weighted_loss
from worker.lossval.network import EnsembleNetwork
from worker.lossval.result import spearman
from worker.lossval.training import ValuationRun, minibatches, split_members, train_lossval

SHORT = LossValConfig(epochs=10)


def make_data(n=240, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    signal = np.tanh(X[:, 0]) + 0.6 * X[:, 1] + 0.5 * X[:, 2] * X[:, 3]
    y = signal + 0.1 * rng.normal(size=n)
    return X, (y - y.mean()) / y.std(), rng.normal(size=(100, d)), rng


def auc(suspicion, corrupt):
    """Probability that a corrupt sample is more suspicious than a clean one; 0.5 = chance."""
    return float((suspicion[corrupt][:, None] > suspicion[~corrupt][None, :]).mean())


def test_a_batched_member_trains_like_that_member_alone():
    X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    y = X.sum(dim=1)
    weights = torch.rand(4, 20, generator=torch.Generator().manual_seed(1))
    batch = EnsembleNetwork(4, 3, (8, 8), 1, generator=torch.Generator().manual_seed(2))
    alone = EnsembleNetwork(1, 3, (8, 8), 1, generator=torch.Generator())
    alone.load_state_dict({name: tensor[2:3].clone() for name, tensor in batch.state_dict().items()})
    for network, weight in ((batch, weights), (alone, weights[2:3])):
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            weighted_loss(squared_error(network(X), y), weight).sum().backward()
            optimizer.step()
    torch.testing.assert_close(alone(X)[0], batch(X)[2], rtol=1e-4, atol=1e-5)


def test_each_sample_is_left_out_by_the_same_number_of_members():
    held_out = split_members(8, 500, 2, torch.Generator().manual_seed(0))
    assert held_out.sum(dim=0).unique().tolist() == [2]
    assert held_out.float().mean(dim=1).sub(0.25).abs().max() < 0.08


def test_minibatches_cover_every_row_once():
    batches = minibatches(25, 10, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == [9, 8, 8]
    assert torch.cat(batches).sort().values.tolist() == list(range(25))


def test_planted_label_noise_has_the_lowest_values_and_weights():
    X, y, target, rng = make_data()
    corrupt = np.zeros(len(y), dtype=bool)
    corrupt[rng.permutation(len(y))[:24]] = True
    y[corrupt] += rng.choice([-2.0, 2.0], size=24)
    result = train_lossval(X, y, target, seed=1).result
    assert auc(-result.values, corrupt) > 0.9
    assert auc(-result.value_target_loss, corrupt) > 0.9
    assert result.weights[corrupt].mean() < 0.3 * result.weights[~corrupt].mean()
    assert (result.value_transport[corrupt] > 0.5).mean() > 0.9  # not the features' fault


def test_planted_feature_noise_is_found_by_the_transport():
    X, y, target, rng = make_data(d=8)
    corrupt = np.zeros(len(y), dtype=bool)
    corrupt[rng.permutation(len(y))[:24]] = True
    X[corrupt] += 1.5 * rng.normal(size=(24, 8))
    result = train_lossval(X, y, target, seed=1).result
    assert auc(-result.value_transport, corrupt) > 0.85
    assert auc(-result.values, corrupt) > 0.8


def test_flipped_classes_have_the_lowest_values():
    X, y, target, rng = make_data()
    labels = (y > 0).astype(np.float64)
    corrupt = np.zeros(len(y), dtype=bool)
    corrupt[rng.permutation(len(y))[:24]] = True
    labels[corrupt] = 1.0 - labels[corrupt]
    result = train_lossval(X, labels, target, config=LossValConfig(task="classification"), seed=1).result
    assert auc(-result.values, corrupt) > 0.8


def test_a_sample_off_the_target_domain_weighs_less():
    X, y, target, _ = make_data(d=2 + 2)
    result = train_lossval(X, y, 0.3 * target + [2.0, 0, 0, 0], seed=1).result
    near, far = X[:, 0] > 1.0, X[:, 0] < -1.0
    assert result.weights[near].mean() > 1.2 * result.weights[far].mean()
    assert result.value_transport[near].mean() > result.value_transport[far].mean()


def test_without_a_shift_the_target_domain_changes_no_weight():
    X, y, target, _ = make_data()
    alike, ignored = (
        train_lossval(X, y, target, config=LossValConfig(epochs=20, shift_influence=influence)).result
        for influence in (1.0, 0.0)
    )
    np.testing.assert_array_equal(alike.weights, ignored.weights)


def test_values_are_probabilities_below_both_components_and_weights_have_mean_one():
    X, y, target, _ = make_data(n=60)
    result = train_lossval(X, y, target, config=SHORT).result
    for component in (result.value_target_loss, result.value_transport):
        assert ((result.values <= component) & (component <= 1.0)).all()
    assert (result.values >= 0).all()
    assert result.weights.mean() == pytest.approx(1.0)
    assert (result.weights >= 0).all()
    assert (result.spread >= 0).all()
    assert len(result.curve.train_loss) == 10
    assert result.curve.effective_samples[0] == pytest.approx(60)


def test_values_of_two_disjoint_half_ensembles_agree_and_small_ensembles_have_no_halves():
    X, y, target, _ = make_data()
    assert train_lossval(X, y, target).result.rank_stability > 0.7
    single = train_lossval(X, y, target, config=LossValConfig(epochs=10, members=3)).result
    assert single.rank_stability is None


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("size", [2048, 32])
def test_an_interrupted_run_continues_to_the_same_bytes(task, size):
    X, y, target, _ = make_data(n=80)
    y = y if task == "regression" else (y > 0).astype(np.float64)
    config = LossValConfig(task=task, epochs=20, minibatch_size=size)
    whole = train_lossval(X, y, target, config=config, seed=5)
    for epoch in (1, 9, 19):  # while warming up, with weights, among the late epochs
        run = ValuationRun(X, y, target, config, 5, "cpu")
        while run.epoch < epoch:
            run.train_epoch()
        resumed = train_lossval(X, y, target, config=config, seed=5, resume=run.state())
        for name, array in vars(whole.result).items():
            if isinstance(array, np.ndarray):
                assert array.tobytes() == getattr(resumed.result, name).tobytes(), name
        assert resumed.result.curve == whole.result.curve
        for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
            assert torch.equal(one, other)


def test_checkpoints_come_at_most_once_a_second_and_only_fit_their_own_run(monkeypatch):
    X, y, target, _ = make_data(n=40)
    monkeypatch.setattr(checkpoint, "_SAVE_SECONDS", 0.0)
    states = []
    train_lossval(X, y, target, config=SHORT, checkpoint=states.append)
    assert len(states) == 10
    with pytest.raises(CheckpointError, match="another run"):
        train_lossval(X, y, target, config=SHORT, seed=1, resume=states[0])
    with pytest.raises(CheckpointError, match="another run"):
        train_lossval(X[1:], y[1:], target, config=SHORT, resume=states[0])


@pytest.mark.parametrize("size", [2048, 32])
def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(size):
    X, y, target, _ = make_data(n=80)
    config = LossValConfig(epochs=10, minibatch_size=size)
    first, second, other = (train_lossval(X, y, target, config=config, seed=s).result for s in (3, 3, 4))
    for name in ("values", "spread", "weights", "value_target_loss", "value_transport"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert first.values.tobytes() != other.values.tobytes()


def test_the_global_generator_is_neither_used_nor_moved():
    X, y, target, _ = make_data(n=40)
    before = torch.get_rng_state()
    train_lossval(X, y, target, config=SHORT)
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_rises_and_what_it_raises_passes_through():
    class CancelledError(Exception):
        pass

    X, y, target, _ = make_data(n=40)
    seen = []
    train_lossval(X, y, target, config=SHORT, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert 0.0 <= seen[0] <= seen[-1] <= 1.0

    def cancel(fraction, message):
        raise CancelledError

    with pytest.raises(CancelledError):
        train_lossval(X, y, target, progress=cancel)


def test_constant_features_leave_the_values_to_the_target_loss():
    _, y, _, _ = make_data(n=40)
    result = train_lossval(np.zeros((40, 2)), y, np.zeros((5, 2)), config=SHORT).result
    assert result.transport_cost == 0.0
    assert result.value_transport.min() > 0.9
    assert spearman(result.values, result.value_target_loss) > 0.99


def test_duplicated_rows_and_few_members_are_valued():
    X, y, target, _ = make_data(n=20)
    config = LossValConfig(epochs=5, members=2)
    result = train_lossval(np.tile(X, (3, 1)), np.tile(y, 3), target, config=config).result
    assert np.isfinite(result.values).all()
    assert result.spread.tolist() == [0.0] * 60  # one member per sample was not trained on it


def _with(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, t: (X[:9], y[:9], t), "at least 10"),
        (lambda X, y, t: (X, y, t[:0]), "target domain"),
        (lambda X, y, t: (_with(X, math.nan), y, t), "features: row 0"),
        (lambda X, y, t: (X, _with(y, math.inf), t), "target: row 3"),
        (lambda X, y, t: (X, y, _with(t, math.nan)), "target-domain features: row 0"),
        (lambda X, y, t: (X, np.full_like(y, 26.4), t), "nothing to learn"),
        (lambda X, y, t: (X[:, :0], y, t[:, :0]), "no column"),
        (lambda X, y, t: (X, y[:-1], t), "shapes"),
    ],
)
def test_impossible_data_are_refused_with_a_remedy(change, message):
    X, y, target, _ = make_data(n=30)
    with pytest.raises(LossValError, match=message):
        train_lossval(*change(X, y, target), config=SHORT)


@pytest.mark.parametrize(("labels", "message"), [([0.0], "same class"), ([1.0, 2.0], "number the classes")])
def test_impossible_classes_are_refused(labels, message):
    X, _, target, _ = make_data(n=30)
    y = np.resize(np.array(labels), 30)
    with pytest.raises(LossValError, match=message):
        train_lossval(X, y, target, config=LossValConfig(task="classification"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "unknown"),
        ("task", "ranking"),
        ("members", 1),
        ("train_fraction", 1.0),
        ("hidden", ()),
        ("warmup", 1.0),
        ("learning_rate", 0.0),
        ("valuation_learning_rate", math.nan),
        ("shift_influence", -0.5),
        ("weight_decay", -0.1),
        ("epochs", 0),
    ],
)
def test_impossible_settings_are_refused_by_name(name, value):
    with pytest.raises(LossValError, match=name):
        LossValConfig(**{name: value})
