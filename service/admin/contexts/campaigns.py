"""The list of campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Frame


@dataclass(frozen=True)
class CampaignLine:
    """One line of the list of campaigns."""

    id: int
    name: str
    target: str
    labelled: int
    candidates: int
    proposed: int
    budget: Decimal | None
    currency: str
    created_at: datetime


@dataclass(frozen=True)
class Choice:
    """A campaign that can be switched to; `url` leads to the same page there."""

    name: str
    url: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class SwitcherContext(Context):
    """The menu of campaigns in the header.

    Attributes:
        campaigns: newest first.
        has_more: whether there are more than these.
    """

    template: ClassVar[str] = "switcher.html"
    campaigns: Sequence[Choice]
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class CampaignsContext(Context):
    """The list of campaigns.

    Attributes:
        frame: the layout's needs.
        campaigns: newest first.
        older_url: the next page, None on the last one.
        example_call: a curl call that creates a campaign, for the empty list.
    """

    template: ClassVar[str] = "campaigns.html"
    frame: Frame
    campaigns: Sequence[CampaignLine]
    older_url: str | None
    example_call: str
