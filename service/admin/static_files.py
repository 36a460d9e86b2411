"""The dashboard's own files, answered from memory.

A page that nobody has seen before waits for its style sheets, so these must not wait for threads and a disk. An
address carries the digest of its content: who has a file need not ask for it again.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


@dataclass(frozen=True)
class StaticFile:
    """One file; `digest` changes with its content."""

    content: bytes
    digest: str
    media_type: str


@lru_cache(maxsize=1)
def files() -> dict[str, StaticFile]:
    """All files (2 MB) by their path below `static`, as they were at the first call of this process."""
    paths = [path for path in STATIC.rglob("*") if path.is_file()]
    return {path.relative_to(STATIC).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "text/plain"
    return StaticFile(content, hashlib.sha256(content).hexdigest()[:12], media_type)


def static_url(name: str) -> str:
    """Where a static file lies; the address changes with its content, so browsers may keep it for long."""
    return f"/static/{name}?v={files()[name].digest}"


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request below `/static` (an ASGI application).

    Raises:
        HTTPException: 404, there is no such file; 405, something else than reading is asked for.
    """
    await _answer(Request(scope))(scope, receive, send)


def _answer(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        raise HTTPException(405, headers={"allow": "GET, HEAD"})
    found = files().get(request.scope["path"].removeprefix(f"{request.scope['root_path']}/"))
    if found is None:
        raise HTTPException(404)
    headers = {"etag": f'"{found.digest}"', "cache-control": _keep(request, found)}
    if found.digest in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def _keep(request: Request, found: StaticFile) -> str:
    """A page of an older release asks by an older digest: what it gets is not what its address names."""
    asked = parse_qs(request.url.query).get("v", [])
    return FOR_GOOD if asked == [found.digest] else ASK_AGAIN
