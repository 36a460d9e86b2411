"""What routes ask for: session, principal, page, bodies."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor

from service import csrf
from service.accounts.authentication import Authenticator
from service.accounts.principals import Authenticated, PrincipalInfo
from service.campaigns import service as campaigns
from service.contract import without_colons
from service.credentials import credentials_of
from service.database.models import Campaign
from service.errors import AuthenticationError, ForbiddenError
from service.logs import logged_as
from service.manners import guard
from service.pagination import LARGEST_PAGE, PageRequest, decode_cursor
from service.scopes import Rights, current_rights, requires, scope_of
from service.settings import Settings
from service.vocabulary import Scope

__all__ = [
    "CampaignDep", "GuardedRoute", "PageDep", "Principal", "PrincipalInfo", "RawBody", "RawBodyDep",
    "SessionDep", "SettingsDep", "is_in_transaction", "limit_strangers", "principal_of", "refuse_cross_site",
    "requires", "session_of", "still_reads",
]  # fmt: skip

# A browser says whence a request comes; anything else than these changes nothing here.
_SAME_SITE = {"same-origin", "none"}
_UNSAFE_METHODS = {"POST", "PUT", "PATCH", "DELETE"}


# Async where nothing waits: FastAPI sends each other one to a thread and back, 0.1 ms for no work.
async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]


async def principal_of(request: Request) -> PrincipalInfo:
    """Who asks, with the scope that the route needs; at the second call in a request what the first found.

    Raises:
        AuthenticationError: if nobody known asks.
        ForbiddenError: without the scope, or when a browser changes something without the token of its session.
        RateLimitedError: if the quota is used up, of the principal or of the address that shows no valid key.
    """
    found: Authenticated | None = getattr(request.state, "authenticated", None)
    if found is None:
        found = await _known(request)
        await guard.charge(request, found.principal.id)
        scope = scope_of(request.scope["endpoint"], request.method)
        if scope is not None:
            found.principal.require(scope)
        if found.csrf_token is not None and request.method in _UNSAFE_METHODS:
            await csrf.check(request, found.csrf_token)
        csrf.current_token.set(found.csrf_token or "")
        current_rights.set(Rights(found.principal.scopes, request.app))
        request.state.authenticated = found
    return found.principal


async def _known(request: Request) -> Authenticated:
    try:
        return await _authenticate(request)
    except AuthenticationError:
        await guard.charge_stranger(request)
        raise


async def _authenticate(request: Request) -> Authenticated:
    authenticator: Authenticator = request.app.state.authenticator
    credentials = credentials_of(request)
    found = authenticator.remembered(credentials)
    if found is not None:
        return found
    return await run_in_threadpool(authenticator.authenticate, credentials)


Principal = Annotated[PrincipalInfo, Depends(principal_of)]
# For what is open to everyone and makes work elsewhere.
limit_strangers = Depends(guard.charge_stranger)


def still_reads(request: Request, campaign_id: int) -> bool:
    """Whether who asked may read the campaign even now: answers that last for hours ask again. One transaction."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        principal = authenticator.authenticate(credentials_of(request)).principal
    except AuthenticationError:
        return False
    own = principal.campaign_ids
    return Scope.READ in principal.scopes and (own is None or campaign_id in own)


async def _session(request: Request, principal: Principal) -> AsyncIterator[Session]:
    """The session that `manners.guard` opened around the route, whose commit is its own; else a new one."""
    around: Session | None = getattr(request.state, "session", None)
    if around is not None:
        yield around
        return
    async with guard.transaction(request, principal) as session:
        yield session


# For endpoints that wait for something else after their statements: a block, so that they hold no turn meanwhile.
session_of = asynccontextmanager(_session)


def is_in_transaction(request: Request) -> bool:
    """Whether one stands around the route, for the sake of an idempotency key: then it must not wait for others."""
    return getattr(request.state, "session", None) is not None


# Function scope: the commit happens before the answer goes out, so that a failing one is a 500 and not a 200.
SessionDep = Annotated[Session, Depends(_session, scope="function")]


class _Part(StringConvertor):
    """A part of a path up to a slash or a colon."""

    regex = "[^/:]+"


register_url_convertor("part", _Part())


@dataclass(frozen=True)
class _Awaited:
    """What a dependency of an endpoint asks the database for, in the thread of the endpoint instead of its own."""

    find: Callable[[], Any]


def _found(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value.find() if isinstance(value, _Awaited) else value for name, value in arguments.items()}


def _in_a_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """FastAPI sends an endpoint to a thread, each of its dependencies to another, and its result to one more.

    One is enough: results are models already.
    """
    if inspect.iscoroutinefunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def call(**arguments: Any) -> Any:  # noqa: ANN401 - as the endpoint
        return await run_in_threadpool(lambda: endpoint(**_found(arguments)))

    return call


class GuardedRoute(APIRoute):
    """Checks who asks before the body is read: dependencies come after it, and strangers could fill the disk.

    Around the route stands what `manners.guard` does for all of them.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(without_colons(path), _in_a_thread(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            principal = await principal_of(request)
            # In the log lines, and in the audit events of the request.
            with logged_as(principal_id=principal.id):
                return await guard.answered(request, principal, handle)

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


async def _campaign(request: Request, campaign_id: int, session: SessionDep) -> Campaign | _Awaited:
    find = partial(campaigns.get, session, campaign_id)
    if request.method in guard.READS:
        return _Awaited(find)
    # Before the body is looked at: a campaign of others has no rules for one.
    return await run_in_threadpool(find)


# Of a read for its endpoint alone, which runs in a thread: what else of a read needs the campaign asks for it itself.
CampaignDep = Annotated[Campaign, Depends(_campaign)]


@dataclass(frozen=True)
class RawBody:
    """A body as it came, for formats that FastAPI does not parse."""

    content: bytes
    content_type: str


async def _raw_body(request: Request) -> RawBody:
    return RawBody(await request.body(), request.headers.get("content-type", "application/json"))


RawBodyDep = Annotated[RawBody, Depends(_raw_body)]
