"""What went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.problems import Problem


@dataclass(frozen=True, kw_only=True)
class ErrorContext(Context):
    """What went wrong.

    Attributes:
        frame: the layout's needs.
        problem: as the API would tell it.
        hint: the problem's own, unless it names requests, which only programs send.
        back_url: the page whence the reader came, or the list of campaigns.
        advice: what to do about this kind of problem, empty where the problem's own hint says all.
        is_stale: the page that the reader came from shows what is no longer so.
    """

    template: ClassVar[str] = "error.html"
    frame: Frame
    problem: Problem
    hint: str
    back_url: str
    advice: str
    is_stale: bool
