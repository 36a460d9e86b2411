"""What `crashscout rank` computes. torch is imported once options and tables are known to be good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from worker.commands.acquisition_tables import Records, Sources, costs_of
from worker.commands.machine import prepare_device
from worker.commands.rank_options import RankOptions
from worker.lossval.encoding import FeatureSpec
from worker.lossval.errors import LossValError
from worker.tables import (
    Table,
    check_ignored,
    check_same_features,
    feature_specifications,
    number_target,
    read_table,
    write_table,
)

if TYPE_CHECKING:
    from worker.acquisition.evidence import Evidence
    from worker.acquisition.ranking import Ranking, RankingConfig
    from worker.lossval.valuation import ValuationOutcome

Prediction = tuple[NDArray[np.float64], NDArray[np.float64]]  # mean and standard deviation
Report = Callable[[float, str], None]
# Share of the whole that training takes.
_TRAINING = 0.9


@dataclass(frozen=True)
class RankTables:
    """Tables with the same features.

    Attributes:
        labelled: n finished tests.
        pool: m candidates.
        features: in the order of LABELLED.
        y: (n,) target.
        target_rows: t rows that stand for the target domain.
        cost: (m,) of the candidates.
        sources: those of both tables.
    """

    labelled: Table
    pool: Table
    features: list[FeatureSpec]
    y: NDArray[np.float64]
    target_rows: Records
    cost: NDArray[np.float64]
    sources: Sources

    @classmethod
    def read(cls, options: RankOptions) -> RankTables:
        """Read all files.

        Raises:
            InputError: a file, column or cell that is not as it must be.
        """
        labelled, pool = read_table(options.labelled), read_table(options.pool)
        if labelled.rows == 1:
            hint = "A surrogate needs at least 10; choose the first ones by hand or at random."
            raise labelled.error("only one labelled row", hint)
        domain = pool if options.target_domain is None else read_table(options.target_domain)
        check_ignored(options.ignore, labelled, pool, domain)
        y = number_target(labelled, options.target)
        names = check_same_features(labelled, pool, besides=options.no_features)
        check_same_features(labelled, domain, besides=options.no_features)
        sources = Sources.of(options.source_column, [labelled, pool])
        if options.target_source is not None:
            sources.position(options.target_source, pool)
        return cls(
            labelled=labelled,
            pool=pool,
            features=feature_specifications(labelled, names),
            y=y,
            target_rows=sources.as_target(domain.records(names), options.target_source),
            cost=costs_of(pool, options.cost_column),
            sources=sources,
        )

    def records(self, table: Table) -> Records:
        return table.records([feature.name for feature in self.features])


def rank_table(options: RankOptions, progress: Report) -> dict[str, Any]:
    """Read, train, rank, write the output.

    Returns:
        The summary: JSON-able.

    Raises:
        InputError: whatever is wrong about options, tables or device; then nothing is written.
    """
    options.check()
    tables = RankTables.read(options)
    device = prepare_device(options.device, options.threads)
    from worker.acquisition.errors import AcquisitionError

    try:
        evidence = _evidence(options, tables)
        config = _config(options, tables, evidence.strategy)
        outcome = _train(options, tables, device, progress)
        predicted = outcome.surrogate.predict(tables.records(tables.pool))
        ranking = _rank(options, tables, outcome, predicted, config, device, progress)
    except (AcquisitionError, LossValError) as error:
        raise InputError(f"{str(error).rstrip('.')}.") from error
    write_table(options.output, _columns(ranking, *predicted))
    return _summary(options, tables, outcome, ranking, evidence, device)


def _evidence(options: RankOptions, tables: RankTables) -> Evidence:
    """The strategy to use, and what is known about it."""
    from worker.acquisition.evidence import choose_strategy, evidence_of
    from worker.acquisition.strategies import strategy_named

    report = options.read_evidence()
    if options.strategy == "auto":
        return choose_strategy(report, labelled=tables.labelled.rows)
    strategy_named(options.strategy)
    return evidence_of(report, options.strategy, labelled=tables.labelled.rows)


def _config(options: RankOptions, tables: RankTables, strategy: str) -> RankingConfig:
    from worker.acquisition.ranking import RankingConfig

    pots = {tables.sources.position(name, tables.pool): money for name, money in options.pots().items()}
    config = RankingConfig(
        strategy=strategy,
        batch_size=options.batch_size,
        budget=options.budget,
        source_budgets=pots,
        cost_exponent=options.cost_exponent,
        control_fraction=options.control_fraction,
        target_scale=float(tables.y.std()),
    )
    config.limits()  # refused before the training, not after it
    return config


def _train(options: RankOptions, tables: RankTables, device: str, progress: Report) -> ValuationOutcome:
    from worker.lossval.config import LossValConfig
    from worker.lossval.valuation import run_valuation

    given = {"members": options.ensemble, "epochs": options.epochs}
    return run_valuation(
        tables.features,
        tables.records(tables.labelled),
        tables.y,
        tables.target_rows,
        config=LossValConfig(**{name: value for name, value in given.items() if value is not None}),  # type: ignore[arg-type]
        seed=options.seed,
        device=device,
        progress=lambda share, text: progress(_TRAINING * share, text),
    )


def _rank(
    options: RankOptions,
    tables: RankTables,
    outcome: ValuationOutcome,
    predicted: Prediction,
    config: RankingConfig,
    device: str,
    progress: Report,
) -> Ranking:
    from worker.acquisition.ranking import rank_pool
    from worker.acquisition.reasons import Wording

    encode = outcome.surrogate.encoder.transform
    X_labelled = encode(tables.records(tables.labelled))
    return rank_pool(
        outcome.surrogate.network,
        X_labelled=X_labelled,
        label_precision=outcome.result.weights,
        X_pool=encode(tables.records(tables.pool)),
        X_pending=np.empty((0, X_labelled.shape[1])),
        X_target=encode(tables.target_rows),
        acquisition_cost=tables.cost,
        source=tables.sources.index(tables.pool),
        relevance=None,
        predicted=predicted[0],
        predicted_std=predicted[1],
        config=config,
        seed=options.seed,
        device=device,
        wording=Wording(
            currency=options.currency if options.cost_column else "label", sources=tables.sources.names
        ),
        progress=lambda share, text: progress(_TRAINING + (1.0 - _TRAINING) * share, text),
    )


def _columns(
    ranking: Ranking, predicted: NDArray[np.float64], predicted_std: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """The columns of the output, best row first."""
    order, selection = ranking.order, ranking.selection
    relevance = np.ones(len(order))
    arms = np.full(len(order), "", dtype=object)
    for recommendation in ranking.recommendations:
        relevance[recommendation.pick.index] = recommendation.pick.relevance
        arms[recommendation.pick.index] = recommendation.pick.arm.value
    return {
        "row": order,
        "rank": np.arange(1, len(order) + 1),
        "score": selection.scores[order],
        "information": selection.information[order],
        "relevance": relevance[order],
        "predicted": predicted[order],
        "predicted_std": predicted_std[order],
        "arm": arms[order],
    }


def _summary(
    options: RankOptions,
    tables: RankTables,
    outcome: ValuationOutcome,
    ranking: Ranking,
    evidence: Evidence,
    device: str,
) -> dict[str, Any]:
    selection = ranking.selection
    return {
        "strategy": ranking.strategy,
        "evidence": evidence.to_document(),
        "target": options.target,
        "seed": options.seed,
        "device": device,
        "labelled": str(options.labelled),
        "pool": str(options.pool),
        "target_domain": str(options.target_domain or options.pool),
        "output": str(options.output),
        "labelled_rows": tables.labelled.rows,
        "pool_rows": tables.pool.rows,
        "target_rows": len(tables.target_rows),
        "eligible_rows": int(selection.eligible.sum()),
        "affordable_rows": int(selection.affordable.sum()),
        "features": [feature.name for feature in tables.features],
        "out_of_fold_rmse": outcome.surrogate.out_of_fold_rmse,
        "target_sd_before": selection.sd_before,
        "target_sd_after": selection.sd_after,
        "spent": selection.spent,
        "batch": [
            {
                "row": one.pick.index,
                "rank": one.rank,
                "arm": one.pick.arm.value,
                "score": one.pick.score,
                "information": one.pick.information,
                "acquisition_cost": one.pick.acquisition_cost,
                "predicted": one.predicted,
                "predicted_std": one.predicted_std,
                "nearest_labelled": one.nearest_labelled,
                "reason": one.reason,
            }
            for one in ranking.recommendations
        ],
    }
