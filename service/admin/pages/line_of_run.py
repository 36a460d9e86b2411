"""Any run as a line of a table, with what can be done about it."""

from __future__ import annotations

from dataclasses import replace

from service.admin.contexts.shared import RunLine
from service.admin.pages.other_runs import other_run_line
from service.admin.pages.run_attempts import attempts_url
from service.admin.pages.run_kinds import KINDS
from service.admin.pages.run_lines import run_line
from service.database.models import AcquisitionRound, Backtest, Campaign, ValuationRun
from service.lifecycles import RunStatus
from service.runs.service import AnyRun

# An import is asked for on the page of uploads, a simulation by its recommendation, a replay by its round.
RETRIED = (ValuationRun, AcquisitionRound, Backtest)


def line_of(run: AnyRun, campaign: Campaign) -> RunLine:
    """The line with its history, and of a failed run with a new try."""
    line = (
        run_line(run, campaign) if isinstance(run, ValuationRun | AcquisitionRound) else other_run_line(run)
    )
    may_retry = isinstance(run, RETRIED) and run.status in {RunStatus.FAILED, RunStatus.CANCELLED}
    return replace(
        line,
        attempts_url=attempts_url(run),
        retry_url=f"/{KINDS[type(run)][1]}/{run.id}/retry" if may_retry else None,
    )
