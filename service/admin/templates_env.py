"""Jinja2 for the dashboard: escaped, strict about names, with filters for units, money and times."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.admin import formats, navigation

HERE = Path(__file__).parent
STATIC = HERE / "static"
FILTERS = (
    formats.number,
    formats.money,
    formats.percent,
    formats.hours,
    formats.seconds,
    formats.moment,
    formats.moment_utc,
    formats.words,
)


@lru_cache(maxsize=32)
def static_url(name: str) -> str:
    """Where a static file lies; the address changes with its content, so browsers may keep it for long."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment of this process."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update({function.__name__: function for function in FILTERS})
    env.globals["static_url"] = static_url
    env.globals["campaign_navigation"] = navigation.CAMPAIGN
    return env
