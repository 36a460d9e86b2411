"""Data weights under Adam against PyTorch's Adam on the whole vector."""

from __future__ import annotations

import pytest
import torch

from worker.lossval.data_weights import DataWeights

CPU = torch.device("cpu")


def gradients(*shape, generator):
    """As large as the published loss has them: idle steps leave out Adam's epsilon of 1e-8."""
    return 1e6 * torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_it_is_adam_on_all_weights_with_zero_gradients_outside_the_minibatch(checkpointed):
    generator = torch.Generator().manual_seed(0)
    K, n, b, steps = 3, 40, 5, 250
    lazy = DataWeights(K, n, steps, 0.01, CPU)
    dense = torch.nn.Parameter(torch.ones(K, n, dtype=torch.float64))
    optimizer = torch.optim.Adam([dense], lr=0.01)
    for step in range(steps):
        rows = torch.stack([torch.randperm(n, generator=generator)[:b] for _ in range(K)])
        torch.testing.assert_close(lazy.begin_step(rows), dense.detach().gather(1, rows), rtol=0, atol=1e-9)
        target, transport = (gradients(K, b, generator=generator) for _ in range(2))
        dense.grad = torch.zeros_like(dense).scatter_(1, rows, target + transport)
        optimizer.step()
        lazy.end_step(target, transport)
        if checkpointed and step == 100:
            state, lazy = lazy.state().clone(), DataWeights(K, n, steps, 0.01, CPU)
            lazy.restore(state, step + 1)
    target, transport = lazy.moved()
    torch.testing.assert_close(1 + target + transport, dense.detach(), rtol=0, atol=1e-9)


def test_a_weight_whose_loss_has_one_half_only_is_moved_by_that_half():
    weights = DataWeights(1, 6, 10, 0.01, CPU)
    generator = torch.Generator().manual_seed(0)
    rows, other = torch.tensor([[0, 1, 2]]), torch.tensor([[3, 4, 5]])
    nothing = torch.zeros(1, 3, dtype=torch.float64)
    for step in range(10):
        here = (step % 2) == 0
        weights.begin_step(rows if here else other)
        moving = gradients(1, 3, generator=generator)
        weights.end_step(*((moving, nothing) if here else (nothing, moving)))
    target, transport = weights.moved()
    assert bool((target[0, :3] != 0).all())
    assert bool((transport[0, 3:] != 0).all())
    assert target[0, 3:].tolist() == transport[0, :3].tolist() == [0.0] * 3


def test_a_sample_without_any_gradient_stays_at_one():
    weights = DataWeights(2, 3, 4, 0.01, CPU)
    rows = torch.tensor([[0], [1]])
    for _ in range(4):
        weights.begin_step(rows)
        weights.end_step(torch.ones(2, 1).double(), torch.ones(2, 1).double())
    target, transport = weights.moved()
    assert target[0, 1:].tolist() == transport[0, 1:].tolist() == [0.0, 0.0]
    assert target[0, 0] < 0
