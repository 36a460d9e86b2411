"""A campaign with every kind of row that the pages show, small enough to check by eye."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import repository as acquisitions
from service.database.engine import unit_of_work
from service.database.models import (
    AcquisitionRound,
    Campaign,
    DataValue,
    Sample,
    Source,
    Surrogate,
    ValuationRun,
)
from service.lifecycles import RunStatus
from service.vocabulary import Arm, SampleStatus, SourceKind, Split

FEATURES = [
    {"name": "impact_speed_kmh", "unit": "km/h", "kind": "continuous"},
    {"name": "test_mass_kg", "unit": "kg", "kind": "continuous"},
    {"name": "model_year", "unit": "1", "kind": "integer"},
]
HOLDOUT = {
    "rows": 2,
    "rmse": 2.314,
    "mae": 1.9,
    "q95_error": 4.43,
    "max_error": 5.21,
    "baseline_rmse": 3.982,
    "r2": 0.662,
    "coverage_90": 0.94,
    "width_90": 7.75,
}
METRICS = {
    "measured_on": "holdout",
    "measured_samples": 2,
    "rmse": 2.314,
    "baseline_rmse": 3.982,
    "r2": 0.662,
    "serving": "weighted",
    "validation": {"plain": {"rmse": 2.7151}, "weighted": {"rmse": 2.4012}, "in_run": {"rmse": 2.9}},
    "out_of_fold": {"weighted": {"rmse": 2.6, "cop": 0.583}},
    "holdout": HOLDOUT | {"load_cases": {"driver": HOLDOUT | {"rows": 1, "rmse": 1.5, "coverage_90": 1.0}}},
    "wrong_label_share": 0.07,
    "rank_stability": 0.934,
}
ROUND_METRICS = {
    "evidence": "not_enough_data",
    "target_sd_before": 2.4,
    "target_sd_after": 1.8,
    "spent": 901_200.0,
    "pool": 6,
}


@dataclass(frozen=True)
class Rows:
    """Ids of what `add_campaign` stored."""

    campaign_id: int
    run_id: int
    round_id: int
    recommendation_ids: list[int]


def new_campaign(**changes: Any) -> Campaign:
    columns = {
        "name": "Frontal 2027",
        "feature_schema": FEATURES,
        "target": {"name": "rolc_g", "unit": "g", "minimum": 5, "maximum": 80, "label_definition": "rolc/1"},
        "target_domain": {"description": "", "conditions": [{"feature": "test_mass_kg", "minimum": 2200}]},
        "currency": "USD",
        "budget": Decimal(1_000_000),
        "sources": [
            Source(
                name="full_vehicle",
                kind=SourceKind.PHYSICAL_TEST,
                acquisition_cost=Decimal(300_000),
                currency="USD",
                lead_time_hours=Decimal(1008),
            ),
            Source(
                name="occupant_model",
                kind=SourceKind.SIMULATION,
                acquisition_cost=Decimal(1200),
                currency="USD",
                lead_time_hours=Decimal(6),
            ),
        ],
    }
    return Campaign(**(columns | changes))


def new_sample(campaign: Campaign, name: str, target: float | None = None, **changes: Any) -> Sample:
    labelled = target is not None
    columns = {
        "campaign_id": campaign.id,
        "source_id": campaign.sources[0].id,
        "external_id": name,
        "status": SampleStatus.LABELLED if labelled else SampleStatus.CANDIDATE,
        "split": Split.TRAIN,
        "planned_features": {"impact_speed_kmh": 56.3, "test_mass_kg": 2310.0, "model_year": 2026},
        "target": target,
        "label_definition": "rolc/1" if labelled else None,
        "provenance": {},
    }
    return Sample(**(columns | changes))


def new_run(
    kind: type[ValuationRun] | type[AcquisitionRound], campaign_id: int, status: RunStatus, **changes: Any
) -> Any:
    ended = {
        RunStatus.SUCCEEDED: {"data_hash": "0" * 64, "progress": 1.0, "progress_message": "done"},
        RunStatus.FAILED: {"error_code": "worker_lost", "error_message": "The worker was lost 3 times."},
        RunStatus.RUNNING: {
            "progress": 0.42,
            "progress_message": "epoch 210",
            "started_at": datetime.now(UTC),
        },
    }
    columns = {"configuration": {"ensemble": 8}, "seed": 0, "requested_by": "tester"}
    return kind(campaign_id=campaign_id, status=status, **(columns | ended.get(status, {}) | changes))


def add_campaign(sessions: sessionmaker[Session], *, candidates: int = 5, **changes: Any) -> Rows:
    """Labelled samples with values, a surrogate, and one round that proposes all candidates but one."""
    with unit_of_work(sessions) as session:
        campaign = new_campaign(**changes)
        session.add(campaign)
        session.flush()
        labelled = [new_sample(campaign, f"T-{index}", 24.0 + index) for index in range(4)]
        held_out = [new_sample(campaign, f"H-{index}", 25.0, split=Split.HOLDOUT) for index in range(2)]
        pool = [new_sample(campaign, f"D-{index}") for index in range(candidates + 1)]
        session.add_all([*labelled, *held_out, *pool])
        run = new_run(ValuationRun, campaign.id, RunStatus.SUCCEEDED, metrics=METRICS)
        session.add(run)
        session.flush()
        session.add_all(_values(run.id, labelled))
        surrogate = Surrogate(
            campaign_id=campaign.id,
            valuation_run_id=run.id,
            artefact=b"weights",
            artefact_sha256="0" * 64,
            metrics=METRICS,
        )
        session.add(surrogate)
        session.flush()
        round_ = new_run(
            AcquisitionRound,
            campaign.id,
            RunStatus.SUCCEEDED,
            surrogate_id=surrogate.id,
            configuration={
                "strategy": "variance_reduction",
                "budget": "1000000",
                "source_budgets": {"occupant_model": "60000"},
            },
            metrics=ROUND_METRICS,
        )
        session.add(round_)
        session.flush()
        proposals = [_recommendation(round_, sample, rank) for rank, sample in enumerate(pool[:-1], start=1)]
        ids = acquisitions.insert_recommendations(session, proposals, actor="round")
        return Rows(campaign.id, run.id, round_.id, ids)


def _values(run_id: int, samples: list[Sample]) -> list[DataValue]:
    """T-0 is ordinary, T-1 nearly so, T-2 lies far off, T-3 has a bad label."""
    sides = [(1.0, 0.99), (0.97, 0.75), (0.9, 0.125), (0.02, 0.9)]
    return [
        DataValue(
            valuation_run_id=run_id,
            sample_id=sample.id,
            value=min(label, features),
            weight=1.0,
            spread=0.125,
            rank=rank,
            value_target_loss=label,
            value_transport=features,
        )
        for rank, (sample, (label, features)) in enumerate(zip(samples, sides, strict=True), start=1)
    ]


def _recommendation(round_: AcquisitionRound, sample: Sample, rank: int) -> dict[str, Any]:
    is_control = rank == 2
    return {
        "campaign_id": round_.campaign_id,
        "round_id": round_.id,
        "sample_id": sample.id,
        "rank": rank,
        "score": 1 / rank,
        "components": {
            "information": 0.21 / rank,
            "predicted": 26.34,
            "predicted_std": 1.22,
            "relevance": 1.0,
            "price_share": 0.3,
            "gain_share": 0.25,
            "neighbours": [
                {"sample_id": 1, "name": "T-0", "distance": 0.42, "target": 24.0, "data_weight": 1.0},
                {"sample_id": 4, "name": "T-3", "distance": 1.2, "target": 27.0, "data_weight": 0.2},
            ],
        },
        "reason": f"Reason number {rank}.",
        "arm": Arm.CONTROL if is_control else Arm.CHOSEN,
        "selection_probability": 0.2 if is_control else None,
        "acquisition_cost": Decimal(300_000),
        "currency": "USD",
    }
