"""One sample, and the queue of suspicious ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from service.admin.contexts.base import Context, Frame, Pager


@dataclass(frozen=True)
class FeatureLine:
    """A feature as planned and as executed; `tone` is error where it left its tolerance."""

    name: str
    planned: str
    executed: str
    difference: str
    tone: str


@dataclass(frozen=True)
class Fact:
    """A name with its value in words."""

    name: str
    value: str


@dataclass(frozen=True)
class LabelLine:
    """One label that the sample got."""

    target: str
    definition: str
    actor: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class RunValueLine:
    """The value of the sample in one run."""

    run_id: int
    rank: int
    value: str
    spread: str
    value_target_loss: str
    value_transport: str


@dataclass(frozen=True)
class DecisionLine:
    """A decision about a suspicious test."""

    sample_name: str
    sample_url: str
    decision: str
    actor: str
    reason: str
    target: str
    created_at: datetime


@dataclass(frozen=True)
class DecisionForms:
    """Where the decisions about a sample are sent; None for what its state does not allow."""

    key: str
    name: str
    target: str
    present: str
    unit: str
    confirm_url: str | None
    dismiss_url: str | None
    correct_url: str | None
    retest_url: str | None
    back: str


@dataclass(frozen=True)
class SuspectCard:
    """A suspicious test that waits; `curves_url` is None where it came without a file."""

    key: str
    name: str
    url: str
    source: str
    group: str
    target: str
    rank: int
    value: str
    spread: str
    label_percent: float
    features_percent: float
    findings: Sequence[Fact]
    last_decision: DecisionLine | None
    curves_url: str | None
    forms: DecisionForms


@dataclass(frozen=True, kw_only=True)
class ReviewsContext(Context):
    """The queue of suspicious tests.

    Attributes:
        frame: the layout's needs.
        has_run: whether anything was valued yet.
        run_name: the newest succeeded valuation, empty before the first.
        cards: worst first.
        pager: place in the queue.
        decided: last decisions, newest first.
        values_url: all data values.
        runs_url: where a run is requested.
    """

    template: ClassVar[str] = "reviews.html"
    frame: Frame
    has_run: bool
    run_name: str
    cards: Sequence[SuspectCard]
    pager: Pager
    decided: Sequence[DecisionLine]
    values_url: str
    runs_url: str


@dataclass(frozen=True, kw_only=True)
class SampleContext(Context):
    """One sample: plan and execution, label and its history, values, decisions, where it came from.

    Attributes:
        frame: the layout's needs.
        name: the user's own name of it, or its id.
        status: candidate, labelled or abandoned.
        split: train, validation or holdout.
        source: that it is acquired from.
        group: vehicle platform, empty for none.
        target: its label with its unit, empty without one.
        target_name: what the label is.
        definition: rule that made the label, empty without one.
        details: of the label: window, uncertainty, flags.
        features: plan beside execution.
        was_executed: whether something else was run than planned.
        labels: every label that it had, oldest first.
        values: by run, newest first.
        charts: values over runs, for the script.
        findings: what speaks against it in the newest run.
        waits: whether somebody has to decide about it.
        forms: decisions, None where it has no label or nothing was valued.
        decisions: about it, newest first.
        provenance: where it came from.
        upload: the file it came from, empty for none.
        repeats_url: the sample whose test it repeats, None for none.
        curves_url: its curves, None without a file.
        values_url: all data values.
    """

    template: ClassVar[str] = "sample.html"
    frame: Frame
    name: str
    status: str
    split: str
    source: str
    group: str
    target: str
    target_name: str
    definition: str
    details: Sequence[Fact]
    features: Sequence[FeatureLine]
    was_executed: bool
    labels: Sequence[LabelLine]
    values: Sequence[RunValueLine]
    charts: Mapping[str, Any]
    findings: Sequence[Fact]
    waits: bool
    forms: DecisionForms | None
    decisions: Sequence[DecisionLine]
    provenance: Sequence[Fact]
    upload: Sequence[Fact]
    repeats_url: str | None
    curves_url: str | None
    values_url: str
