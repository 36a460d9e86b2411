"""A campaign with rounds, results and surrogates, small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import repository as acquisitions
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Sample, Source, Surrogate
from service.lifecycles import RecommendationStatus, RunStatus
from service.samples import repository as samples
from service.valuations import repository as valuations
from service.vocabulary import Arm, SampleStatus, Split
from tests.support import new_run

Sessions = sessionmaker[Session]
STATUS = {SampleStatus.LABELLED: RecommendationStatus.COMPLETED}


@dataclass(frozen=True)
class Pick:
    """A recommendation; with a result it is completed and its sample labelled."""

    predicted: float
    result: float | None = None
    arm: Arm = Arm.CHOSEN
    status: RecommendationStatus = RecommendationStatus.PROPOSED
    probability: float | None = None
    components: dict[str, Any] = field(default_factory=dict)


def add_surrogate(
    sessions: Sessions, campaign_id: int, rmse: float | None, learned: Sequence[int] = (), **metrics: Any
) -> int:
    """A surrogate with its RMSE on the holdout, trained on the given samples."""
    with unit_of_work(sessions) as session:
        run = valuations.add(session, new_run(campaign_id, RunStatus.SUCCEEDED))
        numbers = {
            "value": 0.0,
            "weight": 1.0,
            "spread": 0.1,
            "value_target_loss": 0.0,
            "value_transport": 0.0,
        }
        rows = [
            {"valuation_run_id": run.id, "sample_id": key, "rank": rank, **numbers}
            for rank, key in enumerate(learned, 1)
        ]
        if rows:
            valuations.insert_values(session, rows)
        measured = {"rmse": rmse, "measured_on": "holdout", "measured_samples": 30}
        surrogate = Surrogate(
            campaign_id=campaign_id, valuation_run_id=run.id, artefact=b"weights", artefact_sha256="0" * 64,
            metrics=measured | metrics,
        )  # fmt: skip
        valuations.add_surrogate(session, surrogate)
        session.flush()
        return surrogate.id


def add_round(
    sessions: Sessions, campaign_id: int, surrogate_id: int, picks: Sequence[Pick], **metrics: Any
) -> list[int]:
    """A succeeded round with its picks; the ids of their samples."""
    with unit_of_work(sessions) as session:
        round_ = AcquisitionRound(
            campaign_id=campaign_id, surrogate_id=surrogate_id, status=RunStatus.SUCCEEDED, configuration={}, seed=0,
            data_hash="0" * 64, requested_by="test", metrics={"strategy": "variance_reduction"} | metrics,
        )  # fmt: skip
        acquisitions.add_round(session, round_)
        source = session.query(Source).filter_by(campaign_id=campaign_id, name="full_vehicle").one()
        ids = samples.insert_many(
            session, [_sample(campaign_id, source.id, number) for number in range(len(picks))]
        )
        rows = [
            _recommendation(round_, key, rank, pick)
            for rank, (key, pick) in enumerate(zip(ids, picks, strict=True), 1)
        ]
        acquisitions.insert_recommendations(session, rows, actor="test")
        for key, pick in zip(ids, picks, strict=True):
            if pick.result is not None:
                sample = session.get_one(Sample, key)
                sample.status, sample.target, sample.label_definition = (
                    SampleStatus.LABELLED,
                    pick.result,
                    "rolc/1",
                )
        return ids


def _sample(campaign_id: int, source_id: int, number: int) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id, "source_id": source_id, "status": SampleStatus.CANDIDATE, "split": Split.TRAIN,
        "planned_features": {"number": number}, "provenance": {},
    }  # fmt: skip


def _recommendation(round_: AcquisitionRound, sample_id: int, rank: int, pick: Pick) -> dict[str, Any]:
    done = pick.result is not None
    return {
        "campaign_id": round_.campaign_id, "round_id": round_.id, "sample_id": sample_id, "rank": rank, "score": 1.0,
        "components": {"predicted": pick.predicted, "predicted_std": 2.0, "information": 0.5} | pick.components,
        "reason": "far", "arm": pick.arm, "selection_probability": pick.probability,
        "acquisition_cost": Decimal(300_000), "currency": "USD",
        "status": RecommendationStatus.COMPLETED if done else pick.status,
    }  # fmt: skip
