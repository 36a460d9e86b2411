"""What routes ask for: session, principal, page, bodies."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Campaign
from service.errors import AuthenticationError, ForbiddenError
from service.logs import logged_as
from service.pagination import LARGEST_PAGE, PageRequest, decode_cursor
from service.settings import Settings
from service.vocabulary import Scope

# A browser says whence a request comes; anything else than these changes nothing here.
_SAME_SITE = {"same-origin", "none"}
_UNSAFE_METHODS = {"POST", "PUT", "PATCH", "DELETE"}


# Async where nothing waits: FastAPI sends each other one to a thread and back, 0.1 ms for no work.
async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]


def _session(request: Request) -> Iterator[Session]:
    with unit_of_work(request.app.state.sessions) as session:
        yield session


# Function scope: the commit happens before the answer goes out, so that a failing one is a 500 and not a 200.
SessionDep = Annotated[Session, Depends(_session, scope="function")]


@dataclass(frozen=True)
class PrincipalInfo:
    """Who asks and what they may.

    Attributes:
        name: stands in histories and audit events.
        id: stable and unique, like `key:12`; what is kept per principal goes by it.
        scopes: what they may do.
        campaign_ids: the campaigns that exist for them; None: all.
    """

    name: str
    id: str = "local"
    scopes: frozenset[Scope] = frozenset(Scope)
    campaign_ids: frozenset[int] | None = None


def principal_of(
    settings: SettingsDep, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> PrincipalInfo:
    """Check the key: as a bearer token, or as the password of HTTP Basic for browsers.

    Without a configured key (embedded, loopback only) everyone who can reach the port is `local`.
    """
    expected = settings.api_key.get_secret_value()
    if not expected:
        return PrincipalInfo("local")
    if not hmac.compare_digest(_presented_key(authorization or "").encode(), expected.encode()):
        message = "The API key is missing or wrong."
        raise AuthenticationError(message, hint="Send it as `Authorization: Bearer <key>`.")
    return PrincipalInfo("api-key", id="key:configured")


def _presented_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[2]
        except ValueError:  # not base64, or not UTF-8
            return ""
    return ""


Principal = Annotated[PrincipalInfo, Depends(principal_of)]


class GuardedRoute(APIRoute):
    """Checks the key before the body is read: dependencies come after it, and strangers could fill the disk."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            principal = principal_of(request.app.state.settings, request.headers.get("authorization"))
            # In the log's lines, and in the audit events of the request.
            with logged_as(principal_id=principal.id):
                return await handle(request)

        return guarded


async def refuse_cross_site(request: Request) -> None:
    """Refuse a change that another site's page makes in the user's browser.

    Raises:
        ForbiddenError: when the browser's own headers name another origin.
    """
    if request.method not in _UNSAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = {f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if (site is not None and site not in _SAME_SITE) or (
        site is None and origin is not None and origin not in own
    ):
        raise ForbiddenError("The request comes from another site.", hint="Use the form on our own page.")


async def _page(
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
) -> PageRequest:
    return PageRequest(after=decode_cursor(cursor), limit=limit)


PageDep = Annotated[PageRequest, Depends(_page)]


def _campaign(campaign_id: int, session: SessionDep) -> Campaign:
    return campaigns.get(session, campaign_id)


CampaignDep = Annotated[Campaign, Depends(_campaign)]


@dataclass(frozen=True)
class RawBody:
    """A body as it came, for formats that FastAPI does not parse."""

    content: bytes
    content_type: str


async def _raw_body(request: Request) -> RawBody:
    return RawBody(await request.body(), request.headers.get("content-type", "application/json"))


RawBodyDep = Annotated[RawBody, Depends(_raw_body)]
