"""Who asks and what they may; known to all routes, and to no web framework."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import ForbiddenError
from service.vocabulary import Scope

LOCAL = "local"
CONFIGURED_KEY = "api-key"


@dataclass(frozen=True)
class PrincipalInfo:
    """Who asks and what they may.

    Attributes:
        name: stands in histories and audit events. Keys are `key:NAME`, and no user's name holds a colon.
        id: stable and unique, like `key:12` or `user:3`; what is kept per principal goes by it.
        scopes: what they may do.
        campaign_ids: the campaigns that exist for them; None: all.
    """

    name: str
    id: str = LOCAL
    scopes: frozenset[Scope] = frozenset(Scope)
    campaign_ids: frozenset[int] | None = None

    def require(self, scope: Scope) -> None:
        """Go on only with the scope.

        Raises:
            ForbiddenError: naming what is missing and what is there.
        """
        if scope not in self.scopes:
            has = ", ".join(known for known in Scope if known in self.scopes)
            message = f"This needs the scope {scope}, and {self.name} has {has or 'none'}."
            raise ForbiddenError(message, hint="Ask an administrator for a key or a role that has it.")

    def require_all_campaigns(self) -> None:
        """Go on only without a limit: what follows concerns every campaign.

        Raises:
            ForbiddenError: if some campaigns do not exist for them.
        """
        if self.campaign_ids is not None:
            message = f"{self.name} is limited to some campaigns, and this concerns all."
            raise ForbiddenError(message, hint="Ask an administrator whom no campaigns limit.")


@dataclass(frozen=True)
class Authenticated:
    """A principal and how it showed itself.

    Attributes:
        principal: who asks.
        csrf_token: what a change must carry, as a cookie alone shows only whose browser it is; None for keys.
        session_id: the session of a browser.
    """

    principal: PrincipalInfo
    csrf_token: str | None = None
    session_id: int | None = None
