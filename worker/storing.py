"""Results into rows; with `loading.py` the one place that knows both worlds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from service.acquisitions import repository as acquisitions
from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.database.models import AcquisitionRound, Campaign, Source, ValuationRun
from service.database.models import PoolMap as PoolMapRow
from service.database.models import Surrogate as SurrogateRow
from service.errors import ConflictError
from service.lifecycles import RunStatus
from service.maps import repository as maps
from service.runs import repository as runs
from service.samples import repository as samples_repository
from service.samples import service as samples
from service.valuations import promotions
from service.valuations import repository as valuations
from service.vocabulary import Arm
from worker.acquisition.explanations import Recommendation
from worker.acquisition.feasibility import RETEST_PRECISION
from worker.acquisition.ranking import Ranking
from worker.groups import IntArray
from worker.loading import Snapshot
from worker.lossval.metrics import INTERVAL_LEVEL
from worker.lossval.surrogate import Surrogate
from worker.lossval.valuation import ValuationOutcome
from worker.maps import PoolMap

AnyRun = ValuationRun | AcquisitionRound
ACTOR = "acquisition-round"
RANKED_ROWS = 65_536  # become Python objects at a time


def campaign_of(session: Session, run: AnyRun) -> Campaign:
    """The campaign that the run belongs to."""
    return campaigns.get(session, run.campaign_id)


def freeze(session: Session, run: AnyRun, snapshot: Snapshot, *, device: str) -> None:
    """Write down which data the run computes on, and where."""
    columns: dict[str, Any] = {
        "sample_ids": snapshot.sample_ids,
        "data_hash": snapshot.data_hash,
        "device": device,
    }
    if isinstance(run, AcquisitionRound):
        columns["pool_size"] = len(snapshot.pool.ids)
    runs.annotate(session, type(run), run, **columns)


def store_valuation(
    session: Session,
    run: ValuationRun,
    snapshot: Snapshot,
    outcome: ValuationOutcome,
    metrics: dict[str, Any],
) -> None:
    """Values, surrogate and metrics, once: nothing is stored when the run is no longer ours."""
    metrics = finite_document(metrics)
    artefact = outcome.surrogate.to_bytes()
    artefact_sha256 = hashlib.sha256(artefact).hexdigest()
    if not runs.finish(
        session,
        ValuationRun,
        run,
        RunStatus.SUCCEEDED,
        artefact_sha256=artefact_sha256,
        metrics=metrics,
        progress=1.0,
        progress_message="done",
    ):
        return
    result = outcome.result
    columns = zip(
        snapshot.train.ids,
        result.values.tolist(),
        result.spread.tolist(),
        result.weights.tolist(),
        result.rank.tolist(),
        result.value_target_loss.tolist(),
        result.value_transport.tolist(),
        strict=True,
    )
    names = ("sample_id", "value", "spread", "weight", "rank", "value_target_loss", "value_transport")
    rows = [{"valuation_run_id": run.id, **dict(zip(names, values, strict=True))} for values in columns]
    valuations.insert_values(session, rows)
    surrogate = SurrogateRow(
        campaign_id=run.campaign_id,
        valuation_run_id=run.id,
        artefact=artefact,
        artefact_sha256=artefact_sha256,
        metrics=metrics,
        assessment=assessment_document(outcome.assessment, snapshot),
    )
    valuations.add_surrogate(session, surrogate)
    promotions.promote_automatically(session, campaign_of(session, run), surrogate)


def assessment_document(assessment: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """The assessment with the samples' ids instead of their positions."""
    ids = {
        "holdout": snapshot.holdout.ids,
        "validation": snapshot.validation.ids,
        "out_of_fold": snapshot.train.ids,
    }
    return {name: found and _with_ids(found, ids[name]) for name, found in assessment.items()}


def _with_ids(found: Mapping[str, Any], ids: list[int]) -> dict[str, Any]:
    document = {key: value for key, value in found.items() if key != "rows"}
    return finite_document(document | {"sample_ids": [ids[row] for row in found["rows"]]})


@dataclass(frozen=True)
class ServedSurrogate:
    """A surrogate with what the run that trained it found: data weights, and whose labels it doubts."""

    surrogate: Surrogate
    weights: dict[int, float]
    doubted_ids: frozenset[int]


def load_surrogate(session: Session, round_: AcquisitionRound) -> ServedSurrogate:
    """The round's frozen surrogate.

    Raises:
        ConflictError: if it is gone, or retention has deleted its network.
    """
    row = valuations.get_surrogate(session, round_.surrogate_id, with_artefact=True)
    if row is None or row.artefact is None:
        raise ConflictError(f"Surrogate {round_.surrogate_id} is gone.", hint="Request a valuation run.")
    weights = valuations.weights_of(session, row.valuation_run_id)
    doubted = valuations.doubted_labels(session, row.valuation_run_id, below=RETEST_PRECISION)
    return ServedSurrogate(Surrogate.from_bytes(row.artefact), weights, doubted)


def store_ranking(
    session: Session,
    round_: AcquisitionRound,
    campaign: Campaign,
    snapshot: Snapshot,
    ranking: Ranking,
    drawn: PoolMap,
) -> None:
    """Batch, ranking, map and metrics, once: nothing is stored when the round is no longer ours.

    Raises:
        ConflictError: if another round has proposed one of the candidates meanwhile.
    """
    selection = ranking.selection
    metrics = {
        "strategy": ranking.strategy,
        "evidence": ranking.evidence.verdict.value,
        "evidence_sentence": ranking.evidence.sentence,
        "target_sd_before": selection.sd_before,
        "target_sd_after": selection.sd_after,
        "spent": selection.spent,
        "pool": len(snapshot.pool.ids),
        "eligible": int(selection.eligible.sum()),
        "affordable": int(selection.affordable.sum()),
        "pending": len(snapshot.pending.ids),
        "retests": sum(item.repeats is not None for item in ranking.recommendations),
    }
    if not runs.finish(
        session,
        AcquisitionRound,
        round_,
        RunStatus.SUCCEEDED,
        metrics=finite_document(metrics),
        progress=1.0,
        progress_message="done",
    ):
        return
    if round_.dry_run:
        sample_ids = _previewed(session, round_, campaign, snapshot, ranking)
    else:
        sample_ids = _proposed(session, round_, campaign, snapshot, ranking)
    acquisitions.copy_ranking(session, _ranked_rows(round_, ranking, sample_ids))
    if not round_.dry_run:
        maps.add(session, _map_row(round_, drawn), _map_points(round_, drawn, sample_ids))


def _previewed(
    session: Session, round_: AcquisitionRound, campaign: Campaign, snapshot: Snapshot, ranking: Ranking
) -> IntArray:
    """Keep the batch of a dry run for people to look at; (m + r,) sample of each ranked row, -1 for none."""
    sample_ids, repeated = _pool_ids(snapshot, ranking), _repeated(snapshot, ranking)
    shown = sample_ids.copy()
    shown[list(repeated)] = list(repeated.values())
    rows = recommendation_rows(round_, campaign, snapshot, ranking, shown)
    for row, item in zip(rows, ranking.recommendations, strict=True):
        del row["campaign_id"]
        row["is_repetition"] = item.pick.index in repeated
    if rows:
        acquisitions.insert_preview(session, rows)
    return sample_ids


def _proposed(
    session: Session, round_: AcquisitionRound, campaign: Campaign, snapshot: Snapshot, ranking: Ranking
) -> IntArray:
    """Store the batch as recommendations; (m + r,) sample of each ranked row, -1 for none."""
    picked = [item.pick.index for item in ranking.recommendations]
    chosen = {int(snapshot.pool.ids[row]) for row in picked if row < len(snapshot.pool.ids)}
    taken = chosen & acquisitions.proposed_or_pending(session, chosen)
    if taken:
        message = f"Another round has proposed {len(taken)} of the candidates meanwhile."
        raise ConflictError(message, hint="Request a new round: it leaves out what is proposed.")
    if vetoed := chosen & samples_repository.vetoed_ids(session, campaign.id):
        message = f"{len(vetoed)} of the candidates were vetoed meanwhile."
        raise ConflictError(message, hint="Request a new round: it leaves them out.")
    sample_ids = _with_repetitions(session, campaign, snapshot, ranking)
    rows = recommendation_rows(round_, campaign, snapshot, ranking, sample_ids)
    if rows:
        acquisitions.insert_recommendations(session, rows, actor=ACTOR)
        audit.record(
            session, ACTOR, "propose", "acquisition_rounds", round_.id, campaign_id=campaign.id,
            after={"recommendations": len(rows)},
        )  # fmt: skip
    return sample_ids


def _pool_ids(snapshot: Snapshot, ranking: Ranking) -> IntArray:
    """(m + r,) ids of the pool, then -1 for each repetition that is no sample yet."""
    ids: IntArray = np.full(len(ranking.predicted), -1, dtype=np.int64)
    ids[: len(snapshot.pool.ids)] = snapshot.pool.ids
    return ids


def _repeated(snapshot: Snapshot, ranking: Ranking) -> dict[int, int]:
    """The labelled sample that each picked repetition repeats, by its row, unless it is a candidate already."""
    return {
        item.pick.index: snapshot.train.ids[item.repeats]
        for item in ranking.recommendations
        if item.repeats is not None and item.pick.index >= len(snapshot.pool.ids)
    }


def _with_repetitions(session: Session, campaign: Campaign, snapshot: Snapshot, ranking: Ranking) -> IntArray:
    """(m + r,) the sample of each ranked row; -1 for a repetition that was not picked: no sample is made for it."""
    ids, repeated = _pool_ids(snapshot, ranking), _repeated(snapshot, ranking)
    made = samples.add_repetitions(session, campaign, list(repeated.values()), actor=ACTOR)
    for row, sample_id in repeated.items():
        ids[row] = made[sample_id]
    return ids


def recommendation_rows(
    round_: AcquisitionRound,
    campaign: Campaign,
    snapshot: Snapshot,
    ranking: Ranking,
    sample_ids: Mapping[int, int] | IntArray,
) -> list[dict[str, Any]]:
    """The columns of the batch, in order; `sample_ids` has the sample of each picked row."""
    sources = {source.id: source for source in campaign.sources}
    return [
        _recommendation_row(
            round_, snapshot, item, sources[_source_id(snapshot, item)], int(sample_ids[item.pick.index])
        )
        for item in ranking.recommendations
    ]


def _source_id(snapshot: Snapshot, item: Recommendation) -> int:
    if item.repeats is not None:  # it stays with the source of what it repeats
        return snapshot.train.source_ids[item.repeats]
    return int(snapshot.pool.source_ids[item.pick.index])


def _ranked_rows(
    round_: AcquisitionRound, ranking: Ranking, sample_ids: IntArray
) -> Iterator[tuple[int | float | bool, ...]]:
    """As many lines of the ranking as the round asks for, in the order of `acquisitions.RANKING_COLUMNS`."""
    order = ranking.order[sample_ids[ranking.order] >= 0][: round_.configuration["stored_rows"]]
    selection = ranking.selection
    columns = (
        sample_ids, selection.scores, selection.information, ranking.relevance, ranking.predicted,
        ranking.predicted_std, selection.eligible, selection.affordable,
    )  # fmt: skip
    for start in range(0, len(order), RANKED_ROWS):
        block = order[start : start + RANKED_ROWS]
        values = (column[block].tolist() for column in columns)
        yield from zip(repeat(round_.id), count(start + 1), *values)


def _map_row(round_: AcquisitionRound, drawn: PoolMap) -> PoolMapRow:
    axes = [
        [{"column": item.column, "correlation": item.correlation} for item in axis] for axis in drawn.axes
    ]
    return PoolMapRow(
        round_id=round_.id,
        explained_share=min(1.0, sum(drawn.explained)),
        axes={"explained": list(drawn.explained), "drivers": axes},
        candidates=drawn.candidates,
        candidates_shown=int(((drawn.pool_rows >= 0) & (drawn.pool_rows < drawn.candidates)).sum()),
        interval_level=INTERVAL_LEVEL,
    )


def _map_points(
    round_: AcquisitionRound, drawn: PoolMap, sample_ids: IntArray
) -> Iterator[tuple[int | float | str | None, ...]]:
    """In the order of `maps.POINT_COLUMNS`; a repetition has the sample that was made for it just now."""
    ids = np.where(drawn.pool_rows >= 0, sample_ids[drawn.pool_rows], drawn.sample_ids)
    half_width = repeat(None) if drawn.half_width is None else drawn.half_width.tolist()
    columns = (
        drawn.points[:, 0].tolist(), drawn.points[:, 1].tolist(), drawn.predicted.tolist(),
        drawn.predicted_std.tolist(), half_width,
    )  # fmt: skip
    for key, role, *numbers in zip(ids.tolist(), drawn.roles, *columns, strict=False):
        yield (round_.id, key if key >= 0 else None, role.value, *numbers)


def _recommendation_row(
    round_: AcquisitionRound, snapshot: Snapshot, item: Recommendation, source: Source, sample_id: int
) -> dict[str, Any]:
    pick = item.pick
    return {
        "campaign_id": round_.campaign_id,
        "round_id": round_.id,
        "sample_id": sample_id,
        "rank": item.rank,
        "score": pick.score,
        "components": finite_document({
            "information": pick.information,
            "relevance": pick.relevance,
            "predicted": item.predicted,
            "predicted_std": item.predicted_std,
            "target_sd_before": pick.sd_before,
            "target_sd_after": pick.sd_after,
            "nearest_labelled": snapshot.train.names[item.nearest_labelled],
            "nearest_labelled_id": snapshot.train.ids[item.nearest_labelled],
            "distance": item.distance,
            "price_share": pick.price_share,
            "gain_share": item.gain_share,
            "neighbours": [
                {
                    "sample_id": snapshot.train.ids[near.row],
                    "name": near.name,
                    "distance": near.distance,
                    "target": near.target,
                    "data_weight": near.precision,
                }
                for near in item.neighbours
            ],
            "region": {
                "text": item.region.text,
                "share": item.region.share,
                "load_case": item.region.load_case,
                "load_case_share": item.region.load_case_share,
            },
        }),
        "reason": item.reason,
        "arm": Arm(pick.arm.value),
        "selection_probability": pick.selection_probability,
        "acquisition_cost": source.acquisition_cost,
        "currency": source.currency,
    }  # fmt: skip


def finite_document(document: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The document, refused when a number in it is not finite.

    Raises:
        ValueError: naming the entry.
    """
    for name, value in document.items():
        if isinstance(value, dict):
            finite_document(value, f"{path}{name}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path}{name} is {value}: nothing is stored")
    return document
