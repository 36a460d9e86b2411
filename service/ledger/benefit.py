"""The expected-benefit gauge: how much choosing can help, by the shape of the surrogate's errors."""

from __future__ import annotations

import math

from service.database.models import Surrogate
from service.ledger.curve import report_of
from service.ledger.schemas import Band, BenefitGauge

# log(RMSE / MAE) of errors that follow a normal and a Laplace distribution: sqrt(pi / 2) and sqrt(2).
NORMAL = 0.5 * math.log(math.pi / 2)
LAPLACE = 0.5 * math.log(2.0)
# With fewer errors one outlier decides.
LEAST_ERRORS = 20

_SENTENCES = {
    Band.LOW: "The errors are alike everywhere: choosing can gain little over random picks.",
    Band.MEDIUM: "Some errors are larger than the others: choosing can gain something over random picks.",
    Band.HIGH: "A few errors are far larger than the others: choosing can gain much over random picks.",
}


def benefit_of(surrogate: Surrogate | None) -> BenefitGauge:
    """The gauge of a surrogate by the samples that it was measured on."""
    if surrogate is None:
        return _unknown("There is no surrogate yet: request a valuation run.")
    report = report_of(surrogate.metrics)
    rmse, mae, rows = (report.get(name) for name in ("rmse", "mae", "rows"))
    if not rmse or not mae:
        return _unknown("The surrogate's mean absolute error was not measured.")
    value = math.log(rmse / mae)
    band = Band.LOW if value <= NORMAL else Band.HIGH if value > LAPLACE else Band.MEDIUM
    few = f" Judged by {rows} errors only." if rows is not None and rows < LEAST_ERRORS else ""
    return BenefitGauge(log_rmse_over_mae=value, band=band, sentence=_SENTENCES[band] + few)


def _unknown(sentence: str) -> BenefitGauge:
    return BenefitGauge(log_rmse_over_mae=None, band=Band.UNKNOWN, sentence=sentence)
