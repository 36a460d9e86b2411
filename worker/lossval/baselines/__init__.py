"""Valuation methods to compare LossVal with. Whatever claims to find corrupt rows has to beat these.

Each is a `ValuationMethod` whose values are higher for more useful samples, and whose utility, where it has
one, is a validation error: negative squared error for a real-valued target, accuracy or a proper score for
classes. The accuracy of a real-valued target is a constant, and values made from it are no evidence.
"""

from __future__ import annotations

from worker.lossval.baselines.data_oob import DataOob
from worker.lossval.baselines.knn_distance import KnnDistance
from worker.lossval.baselines.knn_shapley import KnnShapley
from worker.lossval.baselines.lava import Lava
from worker.lossval.baselines.loo import LeaveOneOut
from worker.lossval.baselines.out_of_fold_loss import OutOfFoldLoss
from worker.lossval.baselines.trivial import RandomValues, mean_predictor_rmse

__all__ = [
    "DataOob",
    "KnnDistance",
    "KnnShapley",
    "Lava",
    "LeaveOneOut",
    "OutOfFoldLoss",
    "RandomValues",
    "mean_predictor_rmse",
]
