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
        back_url: the page whence the reader came, or the list of campaigns.
    """

    template: ClassVar[str] = "error.html"
    frame: Frame
    problem: Problem
    back_url: str
