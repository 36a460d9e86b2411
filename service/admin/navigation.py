"""The entries of the navigation of a campaign, in the order of a morning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """`section` is what a page's frame names as current; `path` follows `/campaigns/{id}`."""

    section: str
    label: str
    path: str


CAMPAIGN = (
    Entry("overview", "Overview", ""),
    Entry("recommendations", "Recommendations", "/recommendations"),
    Entry("data-values", "Data values", "/data-values"),
    Entry("ledger", "Ledger", "/ledger"),
    Entry("backtests", "Backtests", "/backtests"),
    Entry("runs", "Runs", "/runs"),
)
