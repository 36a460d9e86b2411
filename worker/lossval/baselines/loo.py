"""Leave-one-out values: what the validation error loses when one sample is missing.

Cook, *Detection of influential observation in linear regression*, Technometrics 19(1), 1977; as a data value
in Ghorbani and Zou, *Data Shapley*, ICML 2019. Retraining a network n times is out of the question and differs
more by its seed than by one sample, so the model is a ridge regression on random features, of which every
leave-one-out fit is known exactly (Sherman-Morrison). Width and penalty stay those of the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worker.lossval.baselines.ridge import Ridge, solve_ridge
from worker.lossval.config import Progress, no_progress
from worker.lossval.problem import ValuationProblem, as_columns, check_problem
from worker.lossval.result import DataValues


@dataclass(frozen=True)
class LeaveOneOut:
    """Value = U(all) - U(all but the sample), U = negative squared error on the validation rows.

    For classes U is the negative Brier score, a proper score: the accuracy on m rows moves in steps of 1/m and
    would leave nearly all values at a tie.

    O((n + m) p^2 + p^3) time, O((n + m) p) memory, p = 201 + d features: no retraining, linear in n.
    """

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        check_problem(problem, validation=True)
        assert problem.y_validation is not None
        X, targets = torch.from_numpy(problem.X), torch.from_numpy(problem.targets)
        progress(0.0, "choosing the ridge penalty")
        ridge = Ridge.select(X, targets, torch.Generator().manual_seed(seed))
        progress(0.7, "leave-one-out errors")
        Phi_validation = ridge.features(torch.from_numpy(problem.X_validation))
        truth = torch.from_numpy(as_columns(problem.y_validation, problem.classes))
        values = leave_one_out(ridge.features(X), targets, Phi_validation, truth, ridge.penalty)
        return DataValues(values=values.numpy(), spread=np.zeros(len(values)))


def leave_one_out(
    Phi: Tensor, targets: Tensor, Phi_validation: Tensor, truth: Tensor, penalty: float
) -> Tensor:
    """Exact rise of the validation error of ridge regression when each row is left out.

    With G = Phi' Phi + penalty I, the coefficients without row i are B - G^-1 phi_i r_i' where
    r_i = e_i / (1 - h_i), e_i the residual and h_i = phi_i' G^-1 phi_i the leverage. The validation residuals
    E then grow by the vector a_i r_i', a_i = Phi_v G^-1 phi_i, and their squared error by
    2 r_i' E' a_i + |r_i|^2 |a_i|^2.

    Args:
        Phi: (n, p) training features.
        targets: (n, c).
        Phi_validation: (m, p).
        truth: (m, c).
        penalty: above 0.

    Returns:
        (n,) mean squared error without the row minus with all, summed over the c columns; higher = the row
        is more useful.
    """
    projected = solve_ridge(Phi.T @ Phi, Phi.T, penalty).T
    coefficients = projected.T @ targets
    leverage = (projected * Phi).sum(dim=1)
    rises = (targets - Phi @ coefficients) / (1.0 - leverage)[:, None]
    residuals = truth - Phi_validation @ coefficients
    linear = (rises * (projected @ (Phi_validation.T @ residuals))).sum(dim=1)
    squares = ((projected @ (Phi_validation.T @ Phi_validation)) * projected).sum(dim=1)
    return (2.0 * linear + rises.square().sum(dim=1) * squares) / len(truth)
