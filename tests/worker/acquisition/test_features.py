from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.features import draw_sketch, gradient_features, hidden_contributions
from worker.lossval.network import EnsembleNetwork


def tiny_network(members: int = 3, dtype: torch.dtype = torch.float64) -> EnsembleNetwork:
    generator = torch.Generator().manual_seed(5)
    network = EnsembleNetwork(members, 4, [6, 5], 1, generator=generator)
    with torch.no_grad():
        for bias in network.biases:
            bias.normal_(generator=generator)
    return network.to(dtype)


def exact_kernel(network: EnsembleNetwork, X: Tensor) -> Tensor:
    """Mean over members of the gradient kernel, weights of a layer divided by its inputs, by autograd."""
    total = torch.zeros(len(X), len(X), dtype=X.dtype)
    for member in range(network.members):
        rows = []
        for row in X:
            output = network(row.unsqueeze(0))[member, 0, 0]
            weights = torch.autograd.grad(output, list(network.weights), retain_graph=True)
            biases = torch.autograd.grad(output, list(network.biases))
            scaled = [grad[member] / grad.shape[1] ** 0.5 for grad in weights]
            rows.append(torch.cat([part.flatten() for part in [*scaled, *(grad[member] for grad in biases)]]))
        gradients = torch.stack(rows)
        total += gradients @ gradients.T
    return total / network.members


def random_rows(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_inner_products_estimate_the_gradient_kernel_of_autograd() -> None:
    network, X = tiny_network(), random_rows(6)
    sketch = draw_sketch(network, 120_000, torch.Generator().manual_seed(2))
    phi = gradient_features(network, X, sketch)
    exact = exact_kernel(network, X)
    scale = exact.diagonal().sqrt()
    error = (phi @ phi.T - exact) / torch.outer(scale, scale)
    assert error.abs().max() < 0.03  # 5 standard deviations of 2 / sqrt(120,000)


def test_the_estimate_is_unbiased_at_the_default_dimension() -> None:
    network, X = tiny_network(), random_rows(5)
    exact = exact_kernel(network, X)
    estimates = []
    for seed in range(200):
        phi = gradient_features(network, X, draw_sketch(network, 512, torch.Generator().manual_seed(seed)))
        estimates.append(phi @ phi.T)
    stacked = torch.stack(estimates)
    standard_error = stacked.std(0) / len(stacked) ** 0.5
    assert ((stacked.mean(0) - exact).abs() < 4.5 * standard_error).all()
    relative = stacked.std(0) / torch.outer(exact.diagonal().sqrt(), exact.diagonal().sqrt())
    assert relative.max() < 0.12


def test_blocks_do_not_change_the_features() -> None:
    network, X = tiny_network(), random_rows(23)
    sketch = draw_sketch(network, 64, torch.Generator().manual_seed(2))
    whole = gradient_features(network, X, sketch)
    blocks = gradient_features(network, X, sketch, block_rows=7)
    torch.testing.assert_close(whole, blocks, rtol=1e-12, atol=1e-12)


def test_float32_agrees_with_float64_of_the_same_projections() -> None:
    X = random_rows(10)
    double = gradient_features(
        tiny_network(), X, draw_sketch(tiny_network(), 64, torch.Generator().manual_seed(2))
    )
    single_network = tiny_network(dtype=torch.float32)
    # the initial weights are float32 draws, so both networks are the same one
    sketch = draw_sketch(single_network, 64, torch.Generator().manual_seed(2))
    single = gradient_features(single_network, X.float(), sketch)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


def test_the_dimension_is_rounded_up_to_whole_columns_for_each_member() -> None:
    network = tiny_network(members=3)
    sketch = draw_sketch(network, 512, torch.Generator().manual_seed(0))
    assert sketch.dimension == 513
    assert gradient_features(network, random_rows(2), sketch).shape == (2, 513)
    assert gradient_features(network, random_rows(0), sketch).shape == (0, 513)


def test_the_generator_rules_the_sketch() -> None:
    network, X = tiny_network(), random_rows(4)

    def features(seed: int) -> Tensor:
        return gradient_features(network, X, draw_sketch(network, 32, torch.Generator().manual_seed(seed)))

    assert torch.equal(features(3), features(3))
    assert not torch.equal(features(3), features(4))


def test_a_network_without_hidden_layer_is_linear_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    network = EnsembleNetwork(2, 4, [], 1, generator=generator).double()
    X = random_rows(5)
    phi = gradient_features(network, X, draw_sketch(network, 200_000, generator))
    torch.testing.assert_close(phi @ phi.T, X @ X.T / 4 + 1, rtol=0.0, atol=0.06)


def test_a_classifier_and_an_empty_sketch_are_refused() -> None:
    classifier = EnsembleNetwork(2, 4, [3], 5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidProblemError, match="5 outputs; use a regression surrogate"):
        draw_sketch(classifier, 16, torch.Generator())
    with pytest.raises(InvalidProblemError, match="sketch_dimension is 0; set it"):
        draw_sketch(tiny_network(), 0, torch.Generator())


def test_hidden_contributions_add_up_to_the_output_of_each_member() -> None:
    network, X = tiny_network(), random_rows(6)
    contributions = hidden_contributions(network, X).reshape(6, network.members, 5)
    with torch.no_grad():
        outputs = network(X).squeeze(-1).T
        sums = contributions.sum(2) + network.biases[-1].flatten()
    assert torch.allclose(sums, outputs)
