"""The server-rendered dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from service.admin import (
    actions,
    backtest_actions,
    decisions,
    round_actions,
    run_actions,
    schedule_actions,
    static_files,
)
from service.admin.live import note_position
from service.admin.pages import (
    audit,
    backtests,
    campaigns,
    data_values,
    keys,
    ledger,
    login,
    oidc,
    overview,
    pool_map,
    recommendation,
    recommendations,
    review_decisions,
    reviews,
    run,
    run_attempts,
    runs,
    sample,
    schedules,
    sources,
    surrogate,
    upload,
    uploads,
    users,
    webhooks,
    what_if,
    wishes,
    wizard,
    workers,
)
from service.dependencies import principal_of


def install(app: FastAPI) -> None:
    """Add pages and static files to the application; only the files and the login are open to everyone."""
    pages = APIRouter(dependencies=[Depends(principal_of), Depends(note_position)], include_in_schema=False)
    for module in (
        wizard, campaigns, overview, recommendations, recommendation, pool_map, wishes, what_if, data_values, sample,
        reviews, review_decisions, surrogate, ledger, backtests, runs, run, run_attempts, actions, decisions,
        round_actions, backtest_actions, users, keys, audit, sources, schedules, schedule_actions, webhooks,
        uploads, upload, workers, run_actions,
    ):  # fmt: skip
        pages.include_router(module.router)
    pages.include_router(login.signed_in_router)
    app.include_router(pages)
    app.include_router(login.router, include_in_schema=False)
    app.include_router(oidc.router, include_in_schema=False)
    app.mount("/static", static_files.serve, name="static")
