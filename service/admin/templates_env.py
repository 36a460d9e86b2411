"""Jinja2 for the dashboard: escaped, strict about names, with filters for units, money and times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def money(value: Decimal | None, currency: str) -> str:
    """1,250,000 USD; a dash when there is none."""
    return "–" if value is None else f"{value:,.0f} {currency}"


def number(value: float | None, digits: int = 2) -> str:
    """Rounded for people; a dash when missing."""
    return "–" if value is None else f"{value:,.{digits}f}"


def moment(value: datetime | None) -> str:
    """UTC to the second; the page turns it into the reader's zone."""
    return "" if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment of this process."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(money=money, number=number, moment=moment)
    return env
