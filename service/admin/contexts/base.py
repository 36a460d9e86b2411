"""What every page needs: the frame around it, pagers, filters, inputs, and the base of all contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from service.vocabulary import Scope


@dataclass(frozen=True)
class Flash:
    """A message about what was just done."""

    kind: Literal["ok", "error"]
    text: str


@dataclass(frozen=True)
class Frame:
    """What the layout around every page needs.

    `section` is the current entry of the navigation, `position` that of the newest event which the page shows,
    `user` who looks; `signed_in`: they may sign out; `scopes`: what they may do, so that no page shows a button that
    would answer 403.
    """

    title: str
    section: str = ""
    campaign_id: int | None = None
    campaign_name: str = ""
    flash: Flash | None = None
    user: str = ""
    signed_in: bool = False
    position: int | None = None
    scopes: frozenset[Scope] = frozenset()

    @property
    def may_write(self) -> bool:
        return Scope.WRITE in self.scopes

    @property
    def may_administer(self) -> bool:
        return Scope.ADMIN in self.scopes


@dataclass(frozen=True)
class Pager:
    """Place in a long table: rows `first` to `last` of `total`; the addresses are None at the ends."""

    first: int
    last: int
    total: int
    previous_url: str | None
    next_url: str | None


@dataclass(frozen=True)
class Filter:
    """A choice of the status filter."""

    label: str
    count: int
    url: str
    is_current: bool


@dataclass(frozen=True)
class FormField:
    """An input; its limits are those of the API's own schema."""

    name: str
    label: str
    hint: str
    value: str
    minimum: float | None
    maximum: float | None
    step: str
    options: Sequence[str]
    is_multiple: bool = False

    @property
    def chosen(self) -> Sequence[str]:
        """Of several options, those that are chosen at first."""
        return self.value.split()


@dataclass(frozen=True, kw_only=True)
class Context:
    """Base of all contexts: `template` is the file that gets the fields."""

    template: ClassVar[str]
