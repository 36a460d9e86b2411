"""A campaign's settings: sources and costs, schedules, webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.solver import SolverChoices, SolverInputs
from service.lifecycles import DeliveryStatus, ScheduleStatus
from service.vocabulary import FiringOutcome


@dataclass(frozen=True)
class SourceLine:
    """A source with its price; `lead_time_hours` and `capacity` as an input shows them.

    `oracle` says who runs it, empty: it is ordered; `solver`: (name, text) of what a solver of one's own is told.
    """

    id: int
    name: str
    kind: str
    oracle: str
    solver: Sequence[tuple[str, str]]
    acquisition_cost: Decimal
    lead_time_hours: Decimal
    capacity: int | None


@dataclass(frozen=True, kw_only=True)
class SourcesContext(Context):
    """Where labels are bought, and what the campaign predicts.

    Attributes:
        frame: the layout's needs.
        sources: in the order in which they were made.
        currency: of all prices.
        budget: of the whole campaign; None: no limit.
        target: what is predicted, with its unit.
        features: number of features.
        four_eyes: whether who asked for a round may not approve it.
        choices: who may run a simulation, and how a solver's result is read, for the form.
        typed: what a refused form held.
        solver: the same for the solver.
    """

    template: ClassVar[str] = "sources.html"
    frame: Frame
    sources: Sequence[SourceLine]
    currency: str
    budget: Decimal | None
    target: str
    features: int
    four_eyes: bool
    choices: SolverChoices
    typed: Mapping[str, str]
    solver: SolverInputs


@dataclass(frozen=True)
class FiringLine:
    """A due time and what came of it."""

    due_at: datetime
    outcome: FiringOutcome
    reason: str
    round_id: int | None


@dataclass(frozen=True)
class ScheduleLine:
    """A schedule; `when` says its trigger in words, `inputs` are those of the form that changes it.

    `may_run`: who looks may resume and fire it; rules that approve by themselves need the scope for that.
    """

    id: int
    name: str
    status: ScheduleStatus
    when: str
    time_zone: str
    rules: str
    next_runs: Sequence[datetime]
    labels_missing: int | None
    firings: Sequence[FiringLine]
    inputs: Mapping[str, str]
    may_run: bool
    created_by: str


@dataclass(frozen=True, kw_only=True)
class SchedulesContext(Context):
    """What starts rounds by itself.

    Attributes:
        frame: the layout's needs.
        schedules: oldest first; ended ones last.
        typed: what a refused form held, else defaults.
        misfires: rules for due times that could not be kept, in words.
        kinds: triggers, in words.
        currency: of the budgets.
        may_approve: whether rules that approve by themselves may be made.
        next_url: the next page, None on the last one.
    """

    template: ClassVar[str] = "schedules.html"
    frame: Frame
    schedules: Sequence[ScheduleLine]
    typed: Mapping[str, str]
    misfires: Mapping[str, str]
    kinds: Mapping[str, str]
    currency: str
    may_approve: bool
    next_url: str | None


@dataclass(frozen=True)
class WebhookLine:
    """An address that hears of events."""

    id: int
    url: str
    events: Sequence[str]
    is_active: bool
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebhooksContext(Context):
    """Addresses that hear of the campaign's events.

    Attributes:
        frame: the layout's needs.
        webhooks: oldest first.
        typed: what a refused form held, without the secret.
        secret: the secret that was just made, shown this once; empty: none.
        next_url: the next page, None on the last one.
    """

    template: ClassVar[str] = "webhooks.html"
    frame: Frame
    webhooks: Sequence[WebhookLine]
    typed: Mapping[str, str]
    secret: str
    next_url: str | None


@dataclass(frozen=True)
class AttemptLine:
    """One attempt to deliver; `outcome` is the status code or what went wrong."""

    number: int
    started_at: datetime
    duration_ms: int
    outcome: str
    answer: str


@dataclass(frozen=True)
class DeliveryLine:
    """One event for one webhook; `may_replay`: it has ended."""

    id: int
    event_type: str
    event_position: int
    status: DeliveryStatus
    next_attempt_at: datetime | None
    created_at: datetime
    replay_of: int | None
    attempts: Sequence[AttemptLine]
    may_replay: bool


@dataclass(frozen=True, kw_only=True)
class DeliveriesContext(Context):
    """What was and is to be delivered to one webhook.

    Attributes:
        frame: the layout's needs.
        url: of the webhook.
        is_active: whether anything is sent.
        deliveries: newest first.
        filters: (label, address, whether it is the current one) by status.
        older_url: the next page, None on the last one.
    """

    template: ClassVar[str] = "deliveries.html"
    frame: Frame
    url: str
    is_active: bool
    deliveries: Sequence[DeliveryLine]
    filters: Sequence[tuple[str, str, bool]]
    older_url: str | None
