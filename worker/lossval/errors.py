"""The one error type of data valuation: every message names the cause and what to do about it."""

from __future__ import annotations


class LossValError(ValueError):
    """Input from which no data values or surrogate can be made; the message names the remedy."""
