"""`/login`, `/logout`: the only pages that are open to everyone."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.accounts import login as accounts
from service.accounts.authentication import Credentials
from service.admin import flash
from service.admin.contexts.login import LoginContext
from service.admin.forms import FormDep
from service.admin.rendering import frame, page
from service.credentials import COOKIE, forget_cookie, set_cookie
from service.dependencies import GuardedRoute, Principal, SessionDep, SettingsDep, requires
from service.errors import AuthenticationError, ForbiddenError
from service.settings import Settings

logger = logging.getLogger(__name__)
router = APIRouter()
signed_in_router = APIRouter(route_class=GuardedRoute)
START = "/campaigns"
LONGEST_URL = 500


@router.get("/login")
def show_login(request: Request, next_url: Annotated[str, Query(alias="next")] = START) -> Response:
    """The form; who is signed in already goes on."""
    if COOKIE in request.cookies and _is_live(request):
        return RedirectResponse(own_path(next_url), status_code=303)
    return login_page(request, next_url=own_path(next_url))


def _is_live(request: Request) -> bool:
    try:
        request.app.state.authenticator.authenticate(Credentials("session", request.cookies[COOKIE]))
    except AuthenticationError:
        return False
    return True


@router.post("/login")
def sign_in(request: Request, form: FormDep, settings: SettingsDep) -> Response:
    """Begin a session under a new token; wrong name, wrong password and no such user look the same."""
    if not settings.password_login:
        message = f"Passwords are switched off here: sign in with {settings.oidc_label}."
        raise ForbiddenError(message, hint="CRASHSCOUT_PASSWORD_LOGIN switches them on.")
    next_url = own_path(form.get("next", START))
    attempt = accounts.Attempt(
        name=form.get("name", ""),
        password=form.get("password", ""),
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
    )
    found = accounts.sign_in(request.app.state.sessions, settings, attempt)
    if isinstance(found, accounts.Refused):
        logger.warning("sign-in refused, from %s, wait %d s", attempt.address, found.wait_s)
        return _refusal(request, attempt.name, next_url, found)
    response = RedirectResponse(next_url, status_code=303)
    set_cookie(request, response, found)
    return response


def _refusal(request: Request, name: str, next_url: str, refused: accounts.Refused) -> Response:
    if refused.wait_s:
        error = "Too many attempts."
        response = login_page(request, name=name, next_url=next_url, error=error, wait_s=refused.wait_s)
        response.headers["retry-after"] = str(refused.wait_s)
        response.status_code = 429
        return response
    response = login_page(request, name=name, next_url=next_url, error="Name or password is wrong.")
    response.status_code = 401
    return response


@signed_in_router.post("/logout")
@requires(None)
def sign_out(request: Request, session: SessionDep, settings: SettingsDep, _: Principal) -> RedirectResponse:
    """End the session."""
    if COOKIE in request.cookies:
        accounts.sign_out(session, settings, request.cookies[COOKIE])
    # The provider's own session is another one, which the page then offers to end.
    url = "/login?left=1" if settings.oidc_issuer else "/login"
    response = flash.redirect(url, "ok", "You are signed out.")
    forget_cookie(request, response)
    request.app.state.authenticator.forget()
    return response


def own_path(url: str) -> str:
    """The path when it is one of this site, else the first page: a link must not lead elsewhere."""
    plain = url.isprintable() and url.isascii() and "\\" not in url and len(url) <= LONGEST_URL
    is_own = plain and url.startswith("/") and not url.startswith(("//", "/login", "/logout", "/api/"))
    return url if is_own else START


def login_page(
    request: Request, *, next_url: str, name: str = "", error: str = "", wait_s: int = 0
) -> Response:
    """The page with the ways in that are open; `error` says why the last one did not work."""
    settings: Settings = request.app.state.settings
    has_users = accounts.has_users(request.app.state.sessions)
    return page(
        request,
        LoginContext(
            frame=frame(request, "Sign in"), name=name, next_url=next_url, error=error, wait_s=wait_s,
             takes_password=has_users and settings.password_login,
            provider=settings.oidc_label if settings.oidc_issuer else "",
            has_left=bool(settings.oidc_issuer) and "left" in request.query_params,
        ),
    )  # fmt: skip
