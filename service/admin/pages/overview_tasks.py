"""What waits for the reader of the overview, most urgent first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

from service.admin import navigation
from service.admin.contexts.overview import Task
from service.admin.formats import money, number
from service.admin.pages.round_view import round_name
from service.admin.pages.run_lines import AnyRun
from service.campaigns.schemas import CampaignSummary
from service.campaigns.service import CampaignCounts
from service.database.models import Backtest
from service.ledger.schemas import StopRead, StopState
from service.lifecycles import RoundStep, RunStatus, UploadStatus
from service.rounds.schemas import RoundRead

# A round that ends so soon is told before it does.
EXPIRES_SOON = timedelta(hours=48)
NEARLY_SPENT = Decimal("0.1")


@dataclass(frozen=True)
class Situation:
    """All that the tasks follow from.

    Attributes:
        base: address of the campaign's pages.
        newest: valuation runs and rankings, newest first.
        backtest: the newest one.
        doubtful: samples of the newest valuation that stand out.
        overdue: ordered acquisitions past their lead time.
    """

    base: str
    summary: CampaignSummary
    counts: CampaignCounts
    newest: Sequence[AnyRun]
    backtest: Backtest | None
    round: RoundRead | None
    uploads: dict[UploadStatus, int]
    stop: StopRead
    doubtful: int
    overdue: int
    has_values: bool


def tasks_of(at: Situation) -> list[Task]:
    """What waits, most urgent first; what to do first where nothing has been proposed yet."""
    urgent = list(
        chain(_failures(at), _deadlines(at), _decisions(at), _money(at), _uploads(at), _results(at))
    )
    under_way = any(not run.status.is_terminal for run in at.newest) or (
        at.round is not None and not at.round.step.is_terminal
    )
    first = [] if any(task.tone != "info" for task in urgent) or under_way else _first_steps(at)
    return [*urgent, *first, *_suspicions(at)]


def _failures(at: Situation) -> Iterator[Task]:
    if at.newest and at.newest[0].status is RunStatus.FAILED:
        yield Task("The newest run has failed: see why", f"{at.base}/runs", "problem")
    if at.backtest is not None and at.backtest.status is RunStatus.FAILED:
        yield Task(
            "The newest backtest has failed: see why", f"{at.base}/backtests/{at.backtest.id}", "problem"
        )
    if failed := at.uploads.get(UploadStatus.FAILED, 0):
        yield Task(f"{_count(failed, 'upload')} could not be read", _uploads_url(at), "problem")


def _deadlines(at: Situation) -> Iterator[Task]:
    if at.round is None or at.round.step is not RoundStep.DECIDE or at.round.decide_by is None:
        return
    left = at.round.decide_by - datetime.now(UTC)
    if left < EXPIRES_SOON:
        text = f"Proposals of {round_name(at.round).lower()} expire in {_hours(left)}: decide before"
        yield Task(text, f"{at.base}/recommendations?status=proposed", "problem")


def _hours(left: timedelta) -> str:
    hours = max(0, int(left.total_seconds() // 3600))
    return _count(hours, "hour") if hours else "less than an hour"


def _decisions(at: Situation) -> Iterator[Task]:
    if proposed := at.summary.recommendations.get("proposed", 0):
        waits = "waits" if proposed == 1 else "wait"
        text = f"{_count(proposed, 'proposed test')} {waits} for your decision"
        yield Task(text, f"{at.base}/recommendations?status=proposed", "action")
    if approved := at.summary.recommendations.get("approved", 0):
        text = f"{number(approved, 0)} approved, not yet ordered at the source"
        yield Task(text, f"{at.base}/recommendations?status=approved", "action")


def _money(at: Situation) -> Iterator[Task]:
    if at.stop.state is StopState.STOP and at.has_values:
        yield Task(f"The stop rule says stop: {at.stop.reason}", f"{at.base}/ledger#stop", "problem")
        return
    budget, remaining = at.summary.budget, at.summary.remaining
    if budget and remaining is not None and remaining < NEARLY_SPENT * budget:
        text = f"The budget is nearly used up: {money(remaining, at.summary.currency)} left"
        yield Task(text, None, "problem")


def _uploads(at: Situation) -> Iterator[Task]:
    if parsed := at.uploads.get(UploadStatus.PARSED, 0):
        waits = "waits" if parsed == 1 else "wait"
        yield Task(
            f"{_count(parsed, 'upload')} {waits} to be looked at and accepted", _uploads_url(at), "action"
        )


def _uploads_url(at: Situation) -> str | None:
    """The page of uploads, if the navigation leads to one."""
    return next((at.base + entry.path for entry in navigation.CAMPAIGN if entry.section == "uploads"), None)


def _results(at: Situation) -> Iterator[Task]:
    if at.overdue:
        is_late = "is" if at.overdue == 1 else "are"
        text = f"{_count(at.overdue, 'result')} {is_late} missing: past the source's lead time"
        yield Task(text, f"{at.base}/recommendations?status=ordered", "problem")


def _suspicions(at: Situation) -> Iterator[Task]:
    if at.doubtful:
        look = "looks" if at.doubtful == 1 else "look"
        yield Task(
            f"{_count(at.doubtful, 'labelled test')} {look} suspicious", f"{at.base}/data-values", "info"
        )


def _first_steps(at: Situation) -> list[Task]:
    """What to do when nothing has been proposed."""
    if not at.counts.labelled:
        return [Task(f"Send labelled samples: POST /api/v1{at.base}/samples:bulk", None, "info")]
    if not at.has_values:
        return [Task("Value the samples and train the first surrogate", f"{at.base}/runs", "action")]
    if at.counts.candidates:
        return [Task("Request a round to see what to acquire next", f"{at.base}/runs", "action")]
    return [Task(f"Send candidates to choose from: POST /api/v1{at.base}/samples:bulk", None, "info")]


def _count(count: int, noun: str) -> str:
    return f"{number(count, 0)} {noun}{'' if count == 1 else 's'}"
