"""What each template gets: one documented dataclass per page, tested against the names that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from service.admin.quality import Quality
from service.lifecycles import RecommendationStatus, RunStatus
from service.problems import Problem
from service.vocabulary import Arm, Evidence


@dataclass(frozen=True)
class Flash:
    """A message about what was just done."""

    kind: Literal["ok", "error"]
    text: str


@dataclass(frozen=True)
class Frame:
    """What the layout around every page needs; `section` is the current entry of the navigation."""

    title: str
    section: str = ""
    campaign_id: int | None = None
    campaign_name: str = ""
    flash: Flash | None = None


@dataclass(frozen=True)
class Pager:
    """Place in a long table: rows `first` to `last` of `total`; the addresses are None at the ends."""

    first: int
    last: int
    total: int
    previous_url: str | None
    next_url: str | None


@dataclass(frozen=True)
class CampaignLine:
    """One line of the list of campaigns."""

    id: int
    name: str
    target: str
    labelled: int
    candidates: int
    proposed: int
    budget: Decimal | None
    currency: str
    created_at: datetime


@dataclass(frozen=True)
class Money:
    """The budget; shares are of the budget, in percent, None without one."""

    budget: Decimal | None
    spent: Decimal
    committed: Decimal
    remaining: Decimal | None
    currency: str
    spent_percent: float | None
    committed_percent: float | None


@dataclass(frozen=True)
class Figure:
    """A count with its name and what it means."""

    label: str
    value: int
    note: str


@dataclass(frozen=True)
class Task:
    """Something that waits for the reader; `url` leads to where it is done."""

    text: str
    url: str | None
    tone: Literal["action", "info", "problem"]


@dataclass(frozen=True)
class EvidenceView:
    """Whether the advice has proved itself, with the sentence that says so."""

    verdict: Evidence
    sentence: str


@dataclass(frozen=True)
class RunLine:
    """A valuation run or an acquisition round; `key` is unique on a page, `result` what came out."""

    key: str
    id: int
    name: str
    status: RunStatus
    progress_percent: float
    message: str
    seconds_left: float | None
    duration_s: float | None
    device: str | None
    attempt: int
    requested_by: str
    created_at: datetime
    settings: str
    result: str
    error: str | None
    cancel_url: str | None
    is_cancelling: bool


@dataclass(frozen=True)
class ValueLine:
    """A sample's data value; `why` names the side that pulls it down, `side` is its badge."""

    sample_id: int
    name: str
    source: str
    target: str
    value: str
    spread: str
    value_target_loss: str
    value_transport: str
    rank: int
    side: Literal["label", "features", "none"]
    why: str


@dataclass(frozen=True)
class RecommendationLine:
    """One row of the ranked table; `note` is the last word of its history."""

    id: int
    rank: int
    name: str
    source: str
    arm: Arm
    features: Sequence[tuple[str, str]]
    predicted: float | None
    predicted_std: float | None
    information: str
    cost: Decimal
    lead_time_hours: Decimal
    reason: str
    status: RecommendationStatus
    is_late: bool
    note: str
    changed_at: datetime | None

    @property
    def can_decide(self) -> bool:
        return self.status is RecommendationStatus.PROPOSED


@dataclass(frozen=True)
class RoundGroup:
    """The recommendations of one round that are on this page."""

    id: int
    created_at: datetime
    requested_by: str
    strategy: str
    result: str
    evidence: EvidenceView
    rows: Sequence[RecommendationLine]


@dataclass(frozen=True)
class Filter:
    """A choice of the status filter."""

    label: str
    count: int
    url: str
    is_current: bool


@dataclass(frozen=True)
class FormField:
    """An input; its limits are those of the API's own schema."""

    name: str
    label: str
    hint: str
    value: str
    minimum: float | None
    maximum: float | None
    step: str
    options: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Context:
    """Base of all contexts: `template` is the file that gets the fields."""

    template: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class ErrorContext(Context):
    """What went wrong.

    Attributes:
        frame: the layout's needs.
        problem: as the API would tell it.
        back_url: the page whence the reader came, or the list of campaigns.
    """

    template: ClassVar[str] = "error.html"
    frame: Frame
    problem: Problem
    back_url: str


@dataclass(frozen=True, kw_only=True)
class CampaignsContext(Context):
    """The list of campaigns.

    Attributes:
        frame: the layout's needs.
        campaigns: newest first.
        older_url: the next page, None on the last one.
        example_call: a curl call that creates a campaign, for the empty list.
    """

    template: ClassVar[str] = "campaigns.html"
    frame: Frame
    campaigns: Sequence[CampaignLine]
    older_url: str | None
    example_call: str


@dataclass(frozen=True, kw_only=True)
class OverviewContext(Context):
    """One campaign at a glance.

    Attributes:
        frame: the layout's needs.
        description: of the campaign, may be empty.
        target: what is predicted, with its unit.
        domain: the target domain in words.
        tasks: what needs the reader now, most urgent first.
        figures: counts of samples.
        money: the budget and what is left of it.
        quality: of the surrogate in use, None before the first.
        evidence: of the newest round.
        runs: newest valuation runs and rounds together.
        suspicious: the samples of lowest data value.
        values_url: the page that lists all of them.
    """

    template: ClassVar[str] = "overview.html"
    frame: Frame
    description: str
    target: str
    domain: str
    tasks: Sequence[Task]
    figures: Sequence[Figure]
    money: Money
    quality: Quality | None
    evidence: EvidenceView
    runs: Sequence[RunLine]
    suspicious: Sequence[ValueLine]
    values_url: str


@dataclass(frozen=True, kw_only=True)
class RecommendationsContext(Context):
    """Recommendations by round.

    Attributes:
        frame: the layout's needs.
        groups: newest round first, ranks ascending.
        filters: one per status that occurs, and one for all.
        status: the filter's current value, empty for all; goes back with each decision.
        page: number of this page from 1; goes back with each decision.
        pager: place among all rows.
        target: what is predicted.
        target_unit: of predictions and their spread.
        remaining: what is left of the budget, None without one.
        currency: of costs and budget.
    """

    template: ClassVar[str] = "recommendations.html"
    frame: Frame
    groups: Sequence[RoundGroup]
    filters: Sequence[Filter]
    status: str
    page: int
    pager: Pager
    target: str
    target_unit: str
    remaining: Decimal | None
    currency: str


@dataclass(frozen=True, kw_only=True)
class DataValuesContext(Context):
    """Data values of the newest succeeded valuation run.

    Attributes:
        frame: the layout's needs.
        run: that run, None before the first success.
        rows: least valuable first.
        pager: place among all rows.
        target: what is predicted, with its unit.
        quality: of the surrogate that the run trained, None before the first success.
        charts: data of the two charts, for the script.
        runs_url: where a run is requested.
    """

    template: ClassVar[str] = "data_values.html"
    frame: Frame
    run: RunLine | None
    rows: Sequence[ValueLine]
    pager: Pager
    target: str
    quality: Quality | None
    charts: Mapping[str, Any]
    runs_url: str


@dataclass(frozen=True, kw_only=True)
class RunsLiveContext(Context):
    """The part of the page of runs that is asked for again while something runs.

    Attributes:
        live_url: its own address.
        is_active: whether something waits or runs.
        valuation_runs: newest first.
        rounds: newest first.
        shown: how many of each are shown at most.
    """

    template: ClassVar[str] = "runs_live.html"
    live_url: str
    is_active: bool
    valuation_runs: Sequence[RunLine]
    rounds: Sequence[RunLine]
    shown: int


@dataclass(frozen=True, kw_only=True)
class RunsContext(RunsLiveContext):
    """Runs and rounds with their progress, and the forms that start them.

    Attributes:
        live_url: address of the live part.
        is_active: whether something waits or runs.
        valuation_runs: newest first.
        rounds: newest first.
        shown: how many of each are shown at most.
        frame: the layout's needs.
        valuation_fields: settings of a valuation run.
        round_fields: settings of an acquisition round.
        has_surrogate: a round needs one.
    """

    template: ClassVar[str] = "runs.html"
    frame: Frame
    valuation_fields: Sequence[FormField]
    round_fields: Sequence[FormField]
    has_surrogate: bool
