"""The server-rendered dashboard."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from service.admin import actions, decisions
from service.admin.pages import (
    campaigns,
    data_values,
    overview,
    pool_map,
    recommendation,
    recommendations,
    runs,
    what_if,
    wishes,
)
from service.admin.templates_env import STATIC
from service.dependencies import principal_of


def install(app: FastAPI) -> None:
    """Add pages and static files to the application; only the files are open to everyone."""
    pages = APIRouter(dependencies=[Depends(principal_of)], include_in_schema=False)
    for module in (
        campaigns, overview, recommendations, recommendation, pool_map, data_values, runs, actions, decisions,
        wishes, what_if,
    ):  # fmt: skip
        pages.include_router(module.router)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
