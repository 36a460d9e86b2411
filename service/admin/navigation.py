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
    Entry("reviews", "Review", "/reviews"),
    Entry("surrogate", "Surrogate", "/surrogate"),
    Entry("ledger", "Ledger", "/ledger"),
    Entry("backtests", "Backtests", "/backtests"),
    Entry("uploads", "Uploads", "/uploads"),
    Entry("runs", "Runs", "/runs"),
    Entry("settings", "Settings", "/settings"),
)
SETTINGS = (
    Entry("sources", "Sources and costs", "/settings"),
    Entry("schedules", "Schedules", "/schedules"),
    Entry("webhooks", "Webhooks", "/webhooks"),
)
# Of the whole service; these paths stand for themselves.
ADMINISTRATION = (
    Entry("users", "Users", "/users"),
    Entry("keys", "Keys", "/api-keys"),
    Entry("audit", "Audit log", "/audit"),
)
