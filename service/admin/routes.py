"""The server-rendered dashboard."""

from __future__ import annotations

from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Add pages and static files to the application."""
