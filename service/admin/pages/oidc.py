"""`/login/oidc`: to the provider and back, and out there too. Open to everyone, as the login is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.accounts.login import SignedIn
from service.accounts.oidc import flow, users
from service.accounts.oidc.errors import NoAccessError, ProviderUnavailableError, UntrustedAnswerError
from service.admin.pages.login import START, login_page, own_path
from service.credentials import set_cookie
from service.dependencies import SettingsDep, limit_strangers
from service.errors import CrashscoutError, NotFoundError
from service.settings import Settings

if TYPE_CHECKING:
    from service.accounts.oidc.provider import Provider

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/login/oidc", dependencies=[limit_strangers])
COOKIE = "crashscout_oidc"


@router.get("")
def start_oidc(
    request: Request, settings: SettingsDep, next_url: Annotated[str, Query(alias="next")] = START
) -> Response:
    """Send the browser to the provider."""
    attempt = flow.begin(settings.secret_key.get_secret_value(), own_path(next_url))
    try:
        url = _provider(request).authorization_url(attempt, _callback_url(request))
    except ProviderUnavailableError as error:
        return _failed(request, settings, error)
    response = RedirectResponse(url, status_code=303)
    response.set_cookie(
        COOKIE, attempt.cookie, max_age=flow.LIFE_S, path=router.prefix, httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@router.get("/callback")
def finish_oidc(
    request: Request,
    settings: SettingsDep,
    code: str = "",
    state: str = "",
    error: str = "",
    iss: str = "",
) -> Response:
    """Take the provider's answer; the sign-in that it belongs to is over, however it ends."""
    provider = _provider(request)
    try:
        attempt = _attempt_of(request, settings, state)
        _check_answer(provider, settings, code=code, error=error, issuer=iss)
        found = _sign_in(request, settings, provider, attempt, code)
    except (ProviderUnavailableError, UntrustedAnswerError, NoAccessError) as failure:
        return _failed(request, settings, failure)
    response = RedirectResponse(own_path(attempt.next_url), status_code=303)
    set_cookie(request, response, found)
    return _over(request, response)


@router.get("/logout")
def leave_oidc(request: Request, settings: SettingsDep) -> Response:
    """To the provider's own page for signing out; the session here has ended before, by its form."""
    try:
        url = _provider(request).end_session_url(str(request.url_for("show_login")))
    except ProviderUnavailableError as error:
        return _failed(request, settings, error)
    return RedirectResponse(url or "/login", status_code=303)


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise NotFoundError("There is no OIDC login here.", hint="CRASHSCOUT_OIDC_ISSUER would switch it on.")
    return provider


def _callback_url(request: Request) -> str:
    """Under the name by which the browser came, which is one of the allowed hosts."""
    return str(request.url_for("finish_oidc"))


def _attempt_of(request: Request, settings: Settings, state: str) -> flow.Attempt:
    attempt = flow.resume(settings.secret_key.get_secret_value(), request.cookies.get(COOKIE, ""))
    if attempt is None or not attempt.fits(state):
        raise UntrustedAnswerError("The answer belongs to no sign-in that is under way in this browser.")
    return attempt


def _check_answer(provider: Provider, settings: Settings, *, code: str, error: str, issuer: str) -> None:
    """RFC 9207: an answer that another provider made must not come to ours with its code."""
    must_name = provider.metadata().authorization_response_iss_parameter_supported
    if (issuer or must_name) and issuer != settings.oidc_issuer:
        raise UntrustedAnswerError("The answer comes from another provider.")
    if error or not code:
        raise UntrustedAnswerError(f"The provider did not sign you in: {error[:60] or 'no code'}.")


def _sign_in(
    request: Request, settings: Settings, provider: Provider, attempt: flow.Attempt, code: str
) -> SignedIn:
    from service.accounts.oidc.id_token import claims_of  # see service.main: few need its cryptography

    token = provider.id_token(code, attempt, _callback_url(request))
    algorithms = provider.metadata().algorithms
    claims = claims_of(token, provider.keys(), settings=settings, algorithms=algorithms, nonce=attempt.nonce)
    try:
        return users.sign_in(
            request.app.state.sessions,
            settings,
            claims,
            address=request.client.host if request.client else "",
            user_agent=request.headers.get("user-agent", ""),
        )
    finally:  # a role may have changed, or sessions ended
        request.app.state.authenticator.forget()


def _failed(request: Request, settings: Settings, failure: CrashscoutError) -> Response:
    """The login page again, with what went wrong: the other ways in stay open."""
    # What came with the answer must not begin a line of its own in the log.
    logger.warning("OIDC sign-in failed: %s", "".join(filter(str.isprintable, str(failure))))
    text = str(failure)
    if isinstance(failure, UntrustedAnswerError):
        text = f"{failure.message} Nothing was done: start again."
    elif isinstance(failure, ProviderUnavailableError):  # addresses and names of settings are for the log
        advice = f"Try again in a minute, or ask {settings.oidc_contact}."
        text = f"{settings.oidc_label} cannot be asked at the moment. {advice}"
    response = login_page(request, next_url=START, error=text)
    response.status_code = failure.status
    return _over(request, response)


def _over(request: Request, response: Response) -> Response:
    response.delete_cookie(
        COOKIE, path=router.prefix, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return response
