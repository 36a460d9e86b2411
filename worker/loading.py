"""Rows into arrays: the frozen snapshot that a run computes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.campaigns.schemas import Condition, Feature, Target
from service.database.models import Campaign, Sample
from service.lifecycles import OPEN, PENDING
from service.samples import repository as samples
from service.vocabulary import SourceKind, Split
from worker.lossval.encoding import FeatureSpec

Row = Mapping[str, Any]
SOURCE = "source"
# More points describe the target domain no better, and cost time.
MOST_TARGET_POINTS = 1000


@dataclass(frozen=True)
class Labelled:
    """Labelled samples: rows of executed features with their targets."""

    ids: list[int]
    names: list[str]
    rows: list[Row]
    targets: NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Samples without a target: rows of planned features."""

    ids: list[int]
    rows: list[Row]
    source_ids: list[int]


@dataclass(frozen=True)
class Snapshot:
    """Everything that a computation needs to know of a campaign, at one moment."""

    features: list[FeatureSpec]
    target: Target
    train: Labelled
    validation: Labelled
    holdout: Labelled
    target_rows: list[Row]
    pool: Candidates
    pending: Candidates
    load_case: str | None
    data_hash: str

    @property
    def sample_ids(self) -> list[int]:
        return sorted({*self.train.ids, *self.validation.ids, *self.pool.ids, *self.pending.ids})


@dataclass(frozen=True)
class _Design:
    """The rows of a campaign as the surrogate sees them: with the source, when there are several."""

    specs: list[FeatureSpec]
    source_names: dict[int, str]
    test_source: str | None

    def row(self, sample: Sample, *, as_test: bool = False) -> Row:
        row = dict(sample.executed_features or sample.planned_features)
        if self.test_source is not None:
            # The surrogate must be good for tests: a simulation is worth what it tells about them.
            row[SOURCE] = self.test_source if as_test else self.source_names[sample.source_id]
        return row


def load_snapshot(session: Session, campaign: Campaign, *, seed: int) -> Snapshot:
    """Freeze the campaign's data; call it in a repeatable-read transaction.

    The target domain is described by the validation samples, and by the known designs outside of the
    holdout that meet the campaign's conditions. Cost: O(samples) rows.
    """
    design = _design(campaign)
    train = samples.labelled(session, campaign.id, splits=[Split.TRAIN])
    validation = samples.validation(session, campaign.id)
    candidates = samples.candidates(session, campaign.id)
    holdout = samples.labelled(session, campaign.id, splits=[Split.HOLDOUT])
    not_proposable = samples.open_sample_ids(session, campaign.id, OPEN)
    pending = samples.open_sample_ids(session, campaign.id, PENDING)
    pool = [sample for sample in candidates if sample.id not in not_proposable]
    in_domain = [*validation, *_meeting(campaign, [*train, *candidates])]
    everything = [*train, *validation, *candidates, *holdout]
    return Snapshot(
        features=design.specs,
        target=Target.model_validate(campaign.target),
        train=_labelled(design, train),
        validation=_labelled(design, [sample for sample in validation if sample.target is not None]),
        holdout=_labelled(design, holdout),
        target_rows=[design.row(sample, as_test=True) for sample in _thin(in_domain, seed)],
        pool=_candidates(design, pool),
        pending=_candidates(design, [sample for sample in candidates if sample.id in pending]),
        load_case=next((item["name"] for item in campaign.feature_schema if item.get("load_case")), None),
        data_hash=_hash(campaign, everything, sorted(not_proposable)),
    )


def _design(campaign: Campaign) -> _Design:
    features = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    specs = [
        FeatureSpec(feature.name, feature.kind.value, tuple(feature.categories or ())) for feature in features
    ]
    names = {source.id: source.name for source in campaign.sources}
    if len(names) == 1:
        return _Design(specs, names, None)
    specs.append(FeatureSpec(SOURCE, "categorical", tuple(names.values())))
    tests = [source.name for source in campaign.sources if source.kind is SourceKind.PHYSICAL_TEST]
    return _Design(specs, names, (tests or list(names.values()))[0])


def _labelled(design: _Design, found: Sequence[Sample]) -> Labelled:
    return Labelled(
        ids=[sample.id for sample in found],
        names=[sample.external_id or f"sample {sample.id}" for sample in found],
        rows=[design.row(sample) for sample in found],
        targets=np.array([sample.target for sample in found], dtype=np.float64),
    )


def _candidates(design: _Design, found: Sequence[Sample]) -> Candidates:
    return Candidates(
        ids=[sample.id for sample in found],
        rows=[design.row(sample) for sample in found],
        source_ids=[sample.source_id for sample in found],
    )


def _meeting(campaign: Campaign, found: Iterable[Sample]) -> list[Sample]:
    """Samples whose planned features meet all conditions of the target domain; none without conditions."""
    conditions = [Condition.model_validate(item) for item in campaign.target_domain["conditions"]]
    if not conditions:
        return []
    return [
        sample
        for sample in found
        if all(_meets(condition, sample.planned_features.get(condition.feature)) for condition in conditions)
    ]


def _meets(condition: Condition, value: Any) -> bool:  # noqa: ANN401 - any feature value
    if value is None:
        return False
    if condition.categories is not None and value not in condition.categories:
        return False
    if condition.minimum is not None and not value >= condition.minimum:
        return False
    return condition.maximum is None or bool(value <= condition.maximum)


def _thin(found: Sequence[Sample], seed: int) -> Sequence[Sample]:
    if len(found) <= MOST_TARGET_POINTS:
        return found
    chosen = np.random.default_rng(seed).choice(len(found), MOST_TARGET_POINTS, replace=False)
    return [found[index] for index in sorted(chosen)]


def _hash(campaign: Campaign, found: Iterable[Sample], open_ids: Sequence[int]) -> str:
    """SHA-256 of everything that can change a result."""
    digest = hashlib.sha256()
    head = [campaign.feature_schema, campaign.target, campaign.target_domain, list(open_ids)]
    head.append([[source.id, source.name, str(source.acquisition_cost)] for source in campaign.sources])
    digest.update(json.dumps(head, sort_keys=True).encode())
    for sample in found:
        line = [
            sample.id,
            sample.source_id,
            sample.split,
            sample.planned_features,
            sample.executed_features,
            sample.target,
        ]
        digest.update(json.dumps(line, sort_keys=True).encode())
    return digest.hexdigest()
