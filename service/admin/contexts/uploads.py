"""Files of crash tests on their way to samples, and imports from public databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from service.admin.contexts.base import Context, Filter, Frame, Pager
from service.admin.contexts.recommendation import FeatureInput
from service.admin.contexts.shared import RunLine
from service.lifecycles import UploadStatus


@dataclass(frozen=True)
class UploadLine:
    """An uploaded file; `told` says what was read, or what went wrong."""

    id: int
    filename: str
    status: UploadStatus
    size_mib: float
    told: str
    is_error: bool
    requested_by: str
    created_at: datetime


@dataclass(frozen=True)
class ImportLine:
    """An import as a run, with what became of its tests: (outcome, how many)."""

    run: RunLine
    outcomes: Sequence[tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class UploadsContext(Context):
    """The uploads of a campaign.

    Attributes:
        frame: the layout's needs.
        uploads: newest first.
        filters: by status.
        pager: place in the list.
        sources: names of the campaign's sources.
        splits: what a sample may be used for.
        occupants: whose labels become samples.
        units: systems of units that a file without any may have.
        most_mib: size of the largest file that is taken.
        imports: newest first.
        typed: what a refused form held.
    """

    template: ClassVar[str] = "uploads.html"
    frame: Frame
    uploads: Sequence[UploadLine]
    filters: Sequence[Filter]
    pager: Pager
    sources: Sequence[str]
    splits: Sequence[str]
    occupants: Sequence[str]
    units: Sequence[str]
    most_mib: int
    imports: Sequence[ImportLine]
    typed: Mapping[str, str]


@dataclass(frozen=True)
class FeatureLine:
    """A feature of a proposed sample; `verdict` is what its tolerance says."""

    label: str
    planned: str
    executed: str
    verdict: str
    is_outside: bool


@dataclass(frozen=True)
class ProposalView:
    """The sample that an occupant would become."""

    occupant: str
    external_id: str
    target: str
    features: Sequence[FeatureLine]
    notes: Sequence[str]
    drifts: bool


@dataclass(frozen=True)
class LabelView:
    """What was computed for an occupant: figures as (name, value), and what was noticed."""

    occupant: str
    figures: Sequence[tuple[str, str]]
    flags: Sequence[str]
    curves_url: str


@dataclass(frozen=True, kw_only=True)
class UploadContext(Context):
    """One upload: what was read, what was left out and why, and what would become of it.

    Attributes:
        frame: the layout's needs.
        upload: the file as the list shows it.
        is_busy: whether a worker has yet to read it.
        title: of the test, as the file says.
        facts: (name, value) about the test.
        channels: (role, channel, key, reason) of those that were taken.
        quarantined: (part, reason) of what was left out.
        labels: of every occupant.
        proposals: what acceptance would make; empty once decided.
        samples: (occupant, address) of what acceptance made.
        inputs: features that may be given.
        sources: names of the campaign's sources.
        splits: what a sample may be used for.
        typed: what a refused form held, else what was said with the file.
        may_decide: whether it waits for a decision that who looks may take.
    """

    template: ClassVar[str] = "upload.html"
    frame: Frame
    upload: UploadLine
    is_busy: bool
    title: str
    facts: Sequence[tuple[str, str]]
    channels: Sequence[Mapping[str, Any]]
    quarantined: Sequence[Mapping[str, Any]]
    labels: Sequence[LabelView]
    proposals: Sequence[ProposalView]
    samples: Sequence[tuple[str, str]]
    inputs: Sequence[FeatureInput]
    sources: Sequence[str]
    splits: Sequence[str]
    typed: Mapping[str, str]
    may_decide: bool
