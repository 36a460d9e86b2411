"""Every error leaves through here: a problem document for tools, a page for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from psycopg.errors import DeadlockDetected, QueryCanceled
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from service.admin.pages.error import render_error
from service.contract import methods_of
from service.errors import (
    ConflictError,
    CrashscoutError,
    FieldError,
    InputError,
    UnavailableError,
    json_pointer,
)
from service.middleware import request_id_of
from service.problems import MEDIA_TYPE, problem_of

logger = logging.getLogger(__name__)
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(CrashscoutError, _handle_ours)
    app.add_exception_handler(RequestValidationError, _handle_validation)
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(IntegrityError, _handle_integrity)
    app.add_exception_handler(DataError, _handle_data)
    app.add_exception_handler(DBAPIError, _handle_database)
    app.add_exception_handler(Exception, _handle_unexpected)


def answer(request: Request, error: CrashscoutError, headers: dict[str, str] | None = None) -> Response:
    """The response for `error`: HTML for a browser on a page, else a problem document."""
    problem = problem_of(error, instance=request.url.path, request_id=request_id_of(request))
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith("/api/"):
        return HTMLResponse(render_error(request, problem), status_code=problem.status, headers=headers)
    content = problem.model_dump(mode="json")
    return JSONResponse(content, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _handle_ours(request: Request, error: Exception) -> Response:
    ours = cast("CrashscoutError", error)
    if ours.status == 401 and (to_login := _to_login(request)) is not None:
        return to_login
    headers = {"WWW-Authenticate": 'Basic realm="crashscout", Bearer'} if ours.status == 401 else {}
    if ours.retry_after_s is not None:
        headers["Retry-After"] = str(ours.retry_after_s)
    return answer(request, ours, headers)


def _to_login(request: Request) -> Response | None:
    """Where a browser that shows no credentials goes; None for tools, and for those whose key is wrong."""
    if request.url.path.startswith("/api/") or "authorization" in request.headers:
        return None
    if request.headers.get("hx-request") == "true":  # htmx would put the login into a corner of the page
        shown = urlsplit(request.headers.get("hx-current-url", "")).path
        return Response(status_code=401, headers={"hx-redirect": _login_url(shown)})
    if "text/html" not in request.headers.get("accept", ""):
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    back = request.url.path + query if request.method == "GET" else ""
    return RedirectResponse(_login_url(back), status_code=303)


def _login_url(back: str) -> str:
    return f"/login?{urlencode({'next': back})}" if back else "/login"


def _handle_validation(request: Request, error: Exception) -> Response:
    details = cast("RequestValidationError", error).errors()
    errors = [_field_error(item) for item in details]
    return answer(request, InputError("The request does not fit the API.", errors=errors))


def _field_error(item: dict[str, Any]) -> FieldError:
    if item["type"] == "json_invalid":  # its location is an offset in the text, no path
        return FieldError("", f"not JSON: {item['ctx']['error']} at character {item['loc'][-1]}")
    return FieldError(pointer_of(item["loc"]), item["msg"].removeprefix("Value error, "))


def pointer_of(location: Sequence[int | str]) -> str:
    """JSON pointer into the body; what is wrong elsewhere starts with `/query`, `/path` or `/header`."""
    parts = location[1:] if location and location[0] == "body" else location
    return json_pointer(parts)


def _handle_http(request: Request, error: Exception) -> Response:
    http = cast("HTTPException", error)
    ours = CrashscoutError(str(http.detail))
    ours.status, ours.code = http.status_code, _CODES.get(http.status_code, "http_error")
    headers = dict(http.headers or {})
    # The router names the methods of one route only, where several routes share the address.
    if http.status_code == 405 and (methods := methods_of(request.app.openapi(), request.url.path)):
        headers["Allow"] = ", ".join(methods)
    return answer(request, ours, headers)


def _handle_integrity(request: Request, error: Exception) -> Response:
    """Two requests met: the checks before the insert passed in both, the constraint let one through."""
    logger.info("collision in the database", exc_info=error)
    hint = "Another request changed the same rows at the same time: read them and send yours again."
    return answer(request, ConflictError("The change collides with another one.", hint=hint))


def _handle_data(request: Request, error: Exception) -> Response:
    """The last net under the checks: an id beyond 64 bits, or a text that Postgres cannot hold."""
    logger.info("data error", exc_info=error)
    hint = "Ids are 64-bit integers; texts hold no NUL character."
    return answer(request, InputError("The database cannot hold one of the values.", hint=hint))


def _handle_database(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and isinstance(error.orig, DeadlockDetected):
        return _handle_integrity(request, error)
    logger.error("database error", exc_info=error)
    if isinstance(error, DBAPIError) and isinstance(error.orig, QueryCanceled):
        hint = "Ask for less at once; CRASHSCOUT_STATEMENT_TIMEOUT_S allows more."
        return answer(request, UnavailableError("The database took too long.", hint=hint))
    if isinstance(error, OperationalError):
        return answer(
            request, UnavailableError("The database does not answer.", hint="Try again in a moment.")
        )
    return _handle_unexpected(request, error)


def _handle_unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    hint = "Our fault. The log holds the cause under this request id."
    # This handler runs outside of all middleware, which would have added the id.
    headers = {"x-request-id": request_id_of(request)}
    return answer(request, CrashscoutError("Something went wrong here.", hint=hint), headers)
