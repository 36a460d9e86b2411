"""What stands around every route: rates, repeated requests and versions, in this order.

A request with an `Idempotency-Key`, and each that names one resource, runs in a unit of work that is opened here
and that `SessionDep` hands to the route: what is kept of its answer is committed with what it changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from anyio import CancelScope
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.orm import Session, sessionmaker
from starlette.datastructures import UploadFile
from starlette.requests import Request

from service.accounts.principals import PrincipalInfo
from service.database.campaign_limits import limit
from service.database.engine import unit_of_work
from service.database.models import StoredAnswer
from service.manners import idempotency, repository, versions
from service.manners.idempotency import Asked
from service.manners.limits import Policy, RateLimiter
from service.settings import Settings

Handler = Callable[[Request], Awaitable[Response]]
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHUNK_BYTES = 2**20
_MULTIPART = "multipart/form-data"


async def charge(request: Request, principal_id: str) -> None:
    """Count the request against its principal, reads and writes apart.

    Raises:
        RateLimitedError: if the quota is used up.
    """
    settings: Settings = request.app.state.settings
    if request.method in READS:
        policy = Policy("reads", settings.reads_per_minute)
    else:
        policy = Policy("writes", settings.writes_per_minute)
    await _take(request, policy, principal_id)


async def charge_stranger(request: Request) -> None:
    """Count a request without a valid key against its address: who guesses keys is answered 429 in the end.

    A valid key from the same address passes all the same: it is looked at first.

    Raises:
        RateLimitedError: if the quota is used up.
    """
    address = request.client.host if request.client else "unknown"
    settings: Settings = request.app.state.settings
    await _take(request, Policy("wrong-keys", settings.wrong_keys_per_minute), f"address:{address}")


async def _take(request: Request, policy: Policy, whose: str) -> None:
    limiter: RateLimiter = request.app.state.rate_limiter
    standing = limiter.leased(policy, whose)
    if standing is None:
        standing = await run_in_threadpool(limiter.take, policy, whose)
    request.scope["crashscout.headers"] = standing.headers()
    standing.check()


async def answered(request: Request, principal: PrincipalInfo, handle: Handler) -> Response:
    """The answer of the route, with repeated requests and versions taken care of."""
    resource = versions.resource_of(request.url.path)
    try:
        if request.method not in READS:
            await _read_body(request)
        asked = await _asked(request, principal.id)
        if asked is None and resource is None:
            return await handle(request)
        return await _in_one_transaction(request, principal, handle, asked, resource)
    finally:
        await request.close()  # the files of a form that no route came to read


@asynccontextmanager
async def transaction(request: Request, principal: PrincipalInfo) -> AsyncIterator[Session]:
    """A unit of work that sees the principal's campaigns; it waits for its turn without a thread or a connection.

    A transaction goes from thread to thread. Were there more of them than connections, those that wait for one
    could take all threads from those that have one, and nobody would go on.
    """
    state = request.app.state
    begin = (
        _reading(state.read_sessions)
        if request.method in READS
        else _off_the_loop(unit_of_work(state.sessions))
    )
    async with state.turns.take(), begin as session:
        limit(session, principal.campaign_ids)
        yield session


@asynccontextmanager
async def _reading(sessions: sessionmaker[Session]) -> AsyncIterator[Session]:
    """A session without a transaction, whose end asks the database nothing."""
    with sessions() as session:
        yield session


@asynccontextmanager
async def _off_the_loop(work: AbstractContextManager[Session]) -> AsyncIterator[Session]:
    """A unit of work that ends in a thread; it begins here, because it does nothing before its first statement."""
    session = work.__enter__()
    try:
        yield session
    except BaseException as error:
        with CancelScope(shield=True):  # whoever went away: the connection is given back
            await run_in_threadpool(work.__exit__, type(error), error, error.__traceback__)
        raise
    with CancelScope(shield=True):
        await run_in_threadpool(work.__exit__, None, None, None)


async def _in_one_transaction(
    request: Request,
    principal: PrincipalInfo,
    handle: Handler,
    asked: Asked | None,
    resource: versions.Resource | None,
) -> Response:
    async with transaction(request, principal) as session:
        request.state.session = session
        before = await run_in_threadpool(_before, session, request, asked, resource)
        if isinstance(before, Response):
            return before
        response = await handle(request)
        if request.method in READS:
            return _after(session, request, response, asked, before)  # no statement: the version is known
        return await run_in_threadpool(_after, session, request, response, asked, before)


async def _asked(request: Request, principal_id: str) -> Asked | None:
    header = request.headers.get(idempotency.HEADER)
    if header is None or request.method != "POST" or not request.url.path.startswith("/api/"):
        return None
    key = idempotency.parse_key(header)
    address = f"{request.method} {request.url.path}?{request.url.query}".encode()
    return Asked(principal_id, key, idempotency.fingerprint(address, *await _payload(request)))


async def _read_body(request: Request) -> None:
    """Have it here before a transaction begins: a slow client must hold neither a turn nor a connection."""
    if _kind_of(request) != _MULTIPART:
        await request.body()


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _payload(request: Request) -> list[bytes]:
    """The parts of a form without its boundary, which a client draws anew each time; else the type and bytes."""
    kind = _kind_of(request)
    if kind != _MULTIPART:
        return [kind.encode(), await request.body()]
    parts: list[bytes] = []
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            parts += [name.encode(), (value.filename or "").encode(), await run_in_threadpool(_digest, value)]
        else:
            parts += [name.encode(), value.encode()]
    return parts


def _digest(file: UploadFile) -> bytes:
    """SHA-256 of a file that lies on the disk, or in memory when it is small; it is wound back."""
    digest = hashlib.sha256()
    while chunk := file.file.read(_CHUNK_BYTES):
        digest.update(chunk)
    file.file.seek(0)
    return digest.digest()


def _before(
    session: Session, request: Request, asked: Asked | None, resource: versions.Resource | None
) -> Response | str | None:
    """An answer that was kept; else the version of the resource that a read is about to show."""
    if asked is not None and (stored := idempotency.claim(session, asked)):
        return _replay(stored)
    if resource is None:
        return None
    if request.method in READS:
        # Before the route reads: a change in between makes the tag too old, never too new.
        return repository.row_version(session, resource.noun, resource.row_id)
    if if_match := request.headers.get("if-match"):
        versions.require_match(session, resource, if_match)
    return None


def _replay(stored: StoredAnswer) -> Response:
    headers = {**stored.headers, idempotency.REPLAYED_HEADER: "true"}
    return Response(stored.body, stored.status_code, headers)


def _after(
    session: Session, request: Request, response: Response, asked: Asked | None, version: str | None
) -> Response:
    body = getattr(response, "body", None)
    if not isinstance(body, bytes):  # a stream: nothing to tag, and nothing that could be kept
        return response
    if request.method not in READS:
        session.flush()  # the version below is that of the changed row
    tag = _tag(session, request, response, body, version)
    if tag is not None:
        response.headers["ETag"] = tag
    if asked is not None and response.status_code < 400:
        headers = {
            name: response.headers[name] for name in idempotency.KEPT_HEADERS if name in response.headers
        }
        idempotency.keep(session, asked, response.status_code, headers, body)
    if_none_match = request.headers.get("if-none-match")
    if tag and if_none_match and request.method in READS and versions.is_unchanged(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return response


def _tag(
    session: Session, request: Request, response: Response, body: bytes, version: str | None
) -> str | None:
    """Of what was read, what was changed, or what was made and stands at Location."""
    if request.method not in READS:
        path = response.headers.get("location") or (request.url.path if response.status_code == 200 else "")
        resource = versions.resource_of(path)
        version = repository.row_version(session, resource.noun, resource.row_id) if resource else None
    return versions.tag_of(version, body) if version else None
