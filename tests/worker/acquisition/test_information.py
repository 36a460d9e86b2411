from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.acquisition.information import TargetPosterior


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def rows(generator: torch.Generator, count: int, columns: int = 12) -> Tensor:
    return torch.randn(count, columns, generator=generator, dtype=torch.float64)


def random_parts(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "candidates": rows(generator, 15),
        "observed": rows(generator, 8),
        "precision": torch.rand(8, generator=generator, dtype=torch.float64) * 2,
        "target": rows(generator, 5),
    }


def mean_variance_by_definition(observed: Tensor, precision: Tensor, target: Tensor, noise: float) -> float:
    A = (
        torch.eye(observed.shape[1], dtype=torch.float64)
        + observed.T @ torch.diag(precision) @ observed / noise
    )
    return float(torch.trace(target @ torch.linalg.inv(A) @ target.T) / len(target))


def test_bayesian_regression_on_a_line_by_hand() -> None:
    # prior precision 1, one label at x = 2 with sigma^2 = 0.5: posterior precision 1 + 4 / 0.5 = 9;
    # the target at x = 3 has variance 9 / 9 = 1; a test at x = 1 makes the precision 11, the variance 9 / 11
    posterior = TargetPosterior(
        candidates=column(1.0, 0.0, -4.0),
        observed=column(2.0),
        precision=torch.ones(1),
        target=column(3.0),
        noise_variance=0.5,
    )
    assert posterior.mean_variance == pytest.approx(1.0)
    assert posterior.gains() == pytest.approx([1 - 9 / 11, 0.0, 1 - 9 / 41])
    posterior.add(0)
    assert posterior.mean_variance == pytest.approx(9 / 11)
    assert posterior.gains()[2] == pytest.approx(9 / 11 - 9 / 43)


def test_every_gain_is_the_fall_of_the_variance_after_a_refit() -> None:
    parts, noise = random_parts(), 0.3
    posterior = TargetPosterior(**parts, noise_variance=noise)
    before = mean_variance_by_definition(parts["observed"], parts["precision"], parts["target"], noise)
    assert posterior.mean_variance == pytest.approx(before)
    one = torch.ones(1, dtype=torch.float64)
    for index, gain in enumerate(posterior.gains()):
        observed = torch.cat([parts["observed"], parts["candidates"][index : index + 1]])
        after = mean_variance_by_definition(
            observed, torch.cat([parts["precision"], one]), parts["target"], noise
        )
        assert gain == pytest.approx(before - after, rel=1e-9)


def test_rank_one_updates_equal_a_refit() -> None:
    parts = random_parts()
    posterior = TargetPosterior(**parts, noise_variance=0.3)
    picks = [3, 11, 3, 0, 7]
    for index in picks:
        posterior.add(index)
    refit = TargetPosterior(
        candidates=parts["candidates"],
        observed=torch.cat([parts["observed"], parts["candidates"][picks]]),
        precision=torch.cat([parts["precision"], torch.ones(len(picks), dtype=torch.float64)]),
        target=parts["target"],
        noise_variance=0.3,
    )
    np.testing.assert_allclose(posterior.gains(), refit.gains(), rtol=1e-9, atol=1e-13)
    assert posterior.mean_variance == pytest.approx(refit.mean_variance, rel=1e-10)


def test_a_copy_is_a_fork() -> None:
    posterior = TargetPosterior(**random_parts(), noise_variance=0.3)
    before, variance = posterior.gains().copy(), posterior.mean_variance
    copy.copy(posterior).add(4)
    np.testing.assert_array_equal(posterior.gains(), before)
    assert posterior.mean_variance == variance


def test_half_precision_counts_as_twice_the_noise() -> None:
    parts = random_parts()
    eight = torch.ones(8, dtype=torch.float64)
    halved = TargetPosterior(**{**parts, "precision": eight / 2}, noise_variance=0.3)
    by_noise = mean_variance_by_definition(parts["observed"], eight, parts["target"], 0.6)
    assert halved.mean_variance == pytest.approx(by_noise)
    without = TargetPosterior(**{**parts, "precision": eight * 0}, noise_variance=0.3)
    assert without.mean_variance == pytest.approx(float(parts["target"].square().sum(1).mean()))


def test_blocks_and_float32_change_little() -> None:
    parts = random_parts()
    exact = TargetPosterior(**parts, noise_variance=0.3)
    blocks = TargetPosterior(**parts, noise_variance=0.3, block_rows=4)
    np.testing.assert_allclose(blocks.gains(), exact.gains(), rtol=1e-12)
    single = TargetPosterior(**{name: part.float() for name, part in parts.items()}, noise_variance=0.3)
    for index in (2, 9):
        exact.add(index)
        single.add(index)
    np.testing.assert_allclose(single.gains(), exact.gains(), rtol=1e-4, atol=1e-6)


def dense_forms(parts: dict[str, Tensor], noise: float) -> tuple[Tensor, Tensor]:
    """v_c and u_c by their definition in float64."""
    observed, target, candidates = (parts[name].double() for name in ("observed", "target", "candidates"))
    weights = torch.diag(parts["precision"].double()) / noise
    identity = torch.eye(observed.shape[1], dtype=torch.float64)
    covariance = torch.linalg.inv(identity + observed.T @ weights @ observed)
    moment = target.T @ target / len(target)
    ahead = covariance @ moment @ covariance
    return ((candidates @ covariance) * candidates).sum(1), ((candidates @ ahead) * candidates).sum(1)


@pytest.mark.parametrize(("observed", "target"), [(0, 4), (20, 4), (20, 300), (300, 300)])
def test_single_precision_forms_are_those_of_the_definition(observed: int, target: int) -> None:
    """More and fewer observed rows and target points than the 96 columns of the features."""
    generator = torch.Generator().manual_seed(5)
    parts = {
        "candidates": rows(generator, 500, 96).float() / 96**0.5,
        "observed": rows(generator, observed, 96).float() / 96**0.5,
        "precision": torch.rand(observed, generator=generator, dtype=torch.float64) * 2,
        "target": rows(generator, target, 96).float() / 96**0.5,
    }
    variance, ahead = dense_forms(parts, 0.05)
    posterior = TargetPosterior(**parts, noise_variance=0.05)
    np.testing.assert_allclose(posterior.gains(), (ahead / (0.05 + variance)).numpy(), rtol=1e-5)
    again = TargetPosterior(**parts, noise_variance=0.05)
    assert again.gains().tobytes() == posterior.gains().tobytes()
