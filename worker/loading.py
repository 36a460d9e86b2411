"""Rows into arrays: the frozen snapshot that a run computes on.

Labelled samples are few and come as rows. Candidates may be a million: they pass by in blocks, each of which is
hashed, tested against the target domain and encoded at once, and only arrays of them stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from service.campaigns.schemas import Condition, Feature, Target
from service.database.models import Campaign, Sample
from service.errors import ConflictError
from service.lifecycles import OPEN, PENDING
from service.samples import repository as samples
from service.samples.repository import CandidateRow
from service.vocabulary import SourceKind, Split
from worker.groups import GroupCodes, Grouping, IntArray
from worker.lossval.encoding import FeatureEncoder, FeatureSpec

Row = Mapping[str, Any]
SOURCE = "source"
# More points describe the target domain no better, and cost time.
MOST_TARGET_POINTS = 1000


@dataclass(frozen=True)
class Labelled:
    """Labelled samples: rows of executed features with their targets, and what repeating them would mean.

    `planned` are rows of planned features, `group` the labels of their groups, (0,) without a grouping.
    """

    ids: list[int]
    names: list[str]
    rows: list[Row]
    targets: NDArray[np.float64]
    planned: list[Row]
    source_ids: list[int]
    group: IntArray
    is_repetition: list[bool]


@dataclass(frozen=True)
class Candidates:
    """Samples without a target: rows of planned features; `repeats` is the sample that each repeats, or None."""

    ids: list[int]
    rows: list[Row]
    source_ids: list[int]
    repeats: list[int | None]


@dataclass(frozen=True)
class Pool:
    """The m samples that a round may propose.

    Attributes:
        ids: (m,) of the samples, ascending.
        source_ids: (m,) of their sources.
        X: (m, d) float32, planned features as the encoder sees them; d = 0 where no encoder was given.
        repeats: (m,) the sample that each repeats, -1 for a new design.
        group: (m,) labels of their groups, -1 for none; (0,) without a grouping.
    """

    ids: IntArray
    source_ids: IntArray
    X: NDArray[np.float32]
    repeats: IntArray
    group: IntArray


@dataclass(frozen=True)
class Snapshot:
    """Everything that a computation needs to know of a campaign, at one moment.

    `repeated_ids` are samples that another one repeats, whatever became of it; `vetoed_ids` those that no round
    may propose, by a standing veto.
    """

    features: list[FeatureSpec]
    target: Target
    train: Labelled
    validation: Labelled
    holdout: Labelled
    target_rows: list[Row]
    pool: Pool
    pending: Candidates
    load_case: str | None
    repeated_ids: frozenset[int]
    vetoed_ids: frozenset[int]
    data_hash: str

    @property
    def sample_ids(self) -> list[int]:
        used = (self.train.ids, self.validation.ids, self.pool.ids, self.pending.ids)
        ids: list[int] = np.unique(
            np.concatenate([np.asarray(part, dtype=np.int64) for part in used])
        ).tolist()
        return ids


@dataclass(frozen=True)
class Designs:
    """The rows of a campaign as the surrogate sees them: with the source, when there are several."""

    specs: list[FeatureSpec]
    source_names: dict[int, str]
    test_source: str | None

    def row(self, features: Row, source_id: int) -> Row:
        return self._with_source(features, self.source_names[source_id])

    def as_test(self, features: Row) -> Row:
        """The surrogate must be good for tests: a simulation is worth what it tells about them."""
        return self._with_source(features, self.test_source)

    def _with_source(self, features: Row, source: str | None) -> Row:
        return features if self.test_source is None else {**features, SOURCE: source}


def load_snapshot(
    session: Session,
    campaign: Campaign,
    *,
    seed: int,
    encoder: FeatureEncoder | None = None,
    grouping: Grouping | None = None,
) -> Snapshot:
    """Freeze the campaign's data; call it in a repeatable-read transaction.

    The target domain is described by the validation samples, and by the known designs outside of the
    holdout that meet the campaign's conditions. `encoder` is the one of the surrogate that is to rank the pool,
    `grouping` says what makes a group where the batch is limited by groups.

    Raises:
        ConflictError: if the encoder belongs to another feature schema.

    Cost: O(samples) time; memory O(labelled rows) + 4 bytes for each encoded number of the pool.
    """
    design = design_of(campaign)
    if encoder is not None and encoder.features != tuple(design.specs):
        message = "The surrogate was trained for another feature schema."
        raise ConflictError(message, hint="Request a valuation run, then a new round.")
    train = samples.labelled(session, campaign.id, splits=[Split.TRAIN])
    validation = samples.validation(session, campaign.id)
    holdout = samples.labelled(session, campaign.id, splits=[Split.HOLDOUT])
    not_proposable = samples.open_sample_ids(session, campaign.id, OPEN)
    pending = samples.open_sample_ids(session, campaign.id, PENDING)
    vetoed = samples.vetoed_ids(session, campaign.id)
    digest = _hash(campaign, [*train, *validation, *holdout], sorted(not_proposable), sorted(vetoed))
    domain = _Domain(
        design, [Condition.model_validate(item) for item in campaign.target_domain["conditions"]]
    )
    points = _Reservoir(MOST_TARGET_POINTS, seed)
    points.offer([design.as_test(_features(sample)) for sample in validation])
    points.offer(domain.meeting((sample.planned_features, _features(sample)) for sample in train))
    groups = GroupCodes(grouping)
    labelled = _labelled(design, train, groups)
    reader = _CandidateReader(design, not_proposable, pending, encoder, groups)
    by_own_group = grouping is not None and grouping.feature is None
    for block in samples.candidate_blocks(session, campaign.id):
        digest.update(_lines(block, with_groups=by_own_group))
        points.offer(domain.meeting(reader.read(block)))
    return Snapshot(
        features=design.specs,
        target=Target.model_validate(campaign.target),
        train=labelled,
        validation=_labelled(design, [sample for sample in validation if sample.target is not None], groups),
        holdout=_labelled(design, holdout, groups),
        target_rows=points.rows,
        pool=reader.pool(),
        pending=reader.pending,
        load_case=next((item["name"] for item in campaign.feature_schema if item.get("load_case")), None),
        repeated_ids=samples.repeated_ids(session, campaign.id),
        vetoed_ids=frozenset(vetoed),
        data_hash=digest.hexdigest(),
    )


def design_of(campaign: Campaign) -> Designs:
    """How the rows of the campaign look to its surrogates."""
    features = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    specs = [
        FeatureSpec(feature.name, feature.kind.value, tuple(feature.categories or ())) for feature in features
    ]
    names = {source.id: source.name for source in campaign.sources}
    if len(names) == 1:
        return Designs(specs, names, None)
    specs.append(FeatureSpec(SOURCE, "categorical", tuple(names.values())))
    tests = [source.name for source in campaign.sources if source.kind is SourceKind.PHYSICAL_TEST]
    return Designs(specs, names, (tests or list(names.values()))[0])


def _features(sample: Sample) -> Row:
    """What was run, or what is planned."""
    return sample.executed_features or sample.planned_features


def _labelled(design: Designs, found: Sequence[Sample], groups: GroupCodes) -> Labelled:
    return Labelled(
        ids=[sample.id for sample in found],
        names=[sample.external_id or f"sample {sample.id}" for sample in found],
        rows=[design.row(_features(sample), sample.source_id) for sample in found],
        targets=np.array([sample.target for sample in found], dtype=np.float64),
        planned=[design.row(sample.planned_features, sample.source_id) for sample in found],
        source_ids=[sample.source_id for sample in found],
        group=groups.of((sample.group for sample in found), (sample.planned_features for sample in found)),
        is_repetition=[sample.repeats_sample_id is not None for sample in found],
    )


class _CandidateReader:
    """Keeps the pool as arrays and the pending candidates as rows, block by block."""

    def __init__(
        self,
        design: Designs,
        not_proposable: set[int],
        pending: set[int],
        encoder: FeatureEncoder | None,
        groups: GroupCodes,
    ) -> None:
        self.pending = Candidates([], [], [], [])
        self._design = design
        self._not_proposable = np.array(sorted(not_proposable), dtype=np.int64)
        self._pending_ids = pending
        self._encoder = encoder
        self._groups = groups
        self._columns = 0 if encoder is None else len(encoder.columns)
        self._ids: list[IntArray] = []
        self._source_ids: list[IntArray] = []
        self._repeats: list[IntArray] = []
        self._group: list[IntArray] = []
        self._encoded: list[NDArray[np.float32]] = []

    def read(self, block: Sequence[CandidateRow]) -> Iterable[tuple[Row, Row]]:
        """Take a block in; planned features of each candidate, and what counts of it."""
        ids, source_ids, planned_texts, executed_texts, repeats, groups = zip(*block, strict=True)
        planned = _documents(planned_texts)
        features = [
            plan if text is None else json.loads(text) or plan
            for plan, text in zip(planned, executed_texts, strict=True)
        ]
        rows = list(map(self._design.row, features, source_ids))
        for key, row, source_id, repeated in zip(ids, rows, source_ids, repeats, strict=True):
            if key in self._pending_ids:
                self.pending.ids.append(key)
                self.pending.rows.append(row)
                self.pending.source_ids.append(source_id)
                self.pending.repeats.append(repeated)
        free = ~np.isin(np.array(ids), self._not_proposable)
        self._keep(free, np.array(ids), np.array(source_ids), rows)
        self._repeats.append(np.array([-1 if key is None else key for key in repeats])[free])
        group = self._groups.of(groups, planned)
        self._group.append(group[free] if group.size else group)
        return zip(planned, features, strict=True)

    def _keep(
        self, free: NDArray[np.bool_], ids: IntArray, source_ids: IntArray, rows: Sequence[Row]
    ) -> None:
        self._ids.append(ids[free])
        self._source_ids.append(source_ids[free])
        if self._encoder is not None:
            encoded = self._encoder.transform(list(compress(rows, free.tolist())))
            self._encoded.append(encoded.astype(np.float32))

    def pool(self) -> Pool:
        parts = (self._ids, self._source_ids, self._repeats, self._group)
        none = np.empty(0, dtype=np.int64)
        ids, source_ids, repeats, group = (np.concatenate([none, *part]) for part in parts)
        if self._encoder is None:
            encoded = np.empty((len(ids), 0), dtype=np.float32)
        else:
            no_row = np.empty((0, self._columns), dtype=np.float32)
            encoded = np.concatenate([no_row, *self._encoded])
        return Pool(ids, source_ids, encoded, repeats, group)


def _documents(texts: Sequence[str]) -> list[Row]:
    """JSON objects, all parsed at once: three times as fast as one by one."""
    documents: list[Row] = json.loads(f"[{','.join(texts)}]")
    return documents


@dataclass(frozen=True)
class _Domain:
    """The conditions of the target domain; none at all are met by nothing."""

    design: Designs
    conditions: Sequence[Condition]

    def meeting(self, candidates: Iterable[tuple[Row, Row]]) -> list[Row]:
        """Test rows of those whose planned features, the first of each pair, meet all conditions."""
        if not self.conditions:
            return []
        return [self.design.as_test(features) for planned, features in candidates if self._meets(planned)]

    def _meets(self, planned: Row) -> bool:
        return all(condition.is_met_by(planned.get(condition.feature)) for condition in self.conditions)


class _Reservoir:
    """At most so many of the rows that pass by, all with the same chance, in the order in which they came."""

    def __init__(self, most: int, seed: int) -> None:
        self.rows: list[Row] = []
        self._most = most
        self._generator = np.random.default_rng(seed)
        self._priorities = np.empty(0)

    def offer(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        self._priorities = np.concatenate([self._priorities, self._generator.random(len(rows))])
        if len(self.rows) > self._most:
            stay = np.sort(np.argpartition(self._priorities, self._most)[: self._most])
            self.rows = [self.rows[index] for index in stay]
            self._priorities = self._priorities[stay]


def _hash(
    campaign: Campaign, found: Iterable[Sample], open_ids: Sequence[int], vetoed_ids: Sequence[int]
) -> hashlib._Hash:
    """SHA-256 of everything that can change a result, but for the candidates, whose `_lines` follow."""
    digest = hashlib.sha256()
    head = [campaign.feature_schema, campaign.target, campaign.target_domain, list(open_ids)]
    head.append([[source.id, source.name, str(source.acquisition_cost)] for source in campaign.sources])
    if vetoed_ids:  # rounds without one keep the hash that they had
        head.append({"vetoed": list(vetoed_ids)})
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
        if sample.repeats_sample_id is not None:
            line.append(sample.repeats_sample_id)
        digest.update(json.dumps(line, sort_keys=True).encode())
    return digest


def _lines(block: Sequence[CandidateRow], *, with_groups: bool) -> bytes:
    """Candidates for the hash: Postgres writes equal JSONB documents in equal text, and JSON has no line ends.

    Repetitions and groups stand there only where they rule something: other rounds keep the hash that they had.
    """
    return "".join(
        f"{key} {source} {planned} {executed}"
        f"{'' if repeated is None else f' repeats {repeated}'}{f' group {group!r}' if with_groups else ''}\n"
        for key, source, planned, executed, repeated, group in block
    ).encode()
