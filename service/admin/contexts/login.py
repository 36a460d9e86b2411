"""Signing in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from service.admin.contexts.base import Context, Frame


@dataclass(frozen=True, kw_only=True)
class LoginContext(Context):
    """The page on which people sign in.

    Attributes:
        frame: the layout's needs.
        name: what was typed as the name.
        next_url: the own page to go to afterwards.
        error: why it did not work, empty at first.
        wait_s: seconds until the next attempt is looked at, 0: at once.
        takes_password: there is a form for name and password, and somebody has one.
        provider: what the button of the OIDC provider says, empty without one.
        has_left: the reader has just signed out here, and may still be signed in at the provider.
    """

    template: ClassVar[str] = "login.html"
    frame: Frame
    name: str
    next_url: str
    error: str
    wait_s: int
    takes_password: bool
    provider: str
    has_left: bool
