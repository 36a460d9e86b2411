"""HTTP to the provider: hosts that the configuration names, https, no redirects, bounded answers and time.

The discovery document names further addresses. None is fetched, and no browser sent there, unless it lies on the
issuer's host or on one of `CRASHSCOUT_OIDC_ENDPOINT_HOSTS`: a document that was tampered with leads nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

import httpx

from service.accounts.oidc.errors import ProviderUnavailableError
from service.addresses import is_encrypted_or_near
from service.settings import Environment, Settings

CONNECT_TIMEOUT_S = 5.0
# Of one exchange as a whole: somebody waits at a browser, and a thread of ours with them.
LONGEST_S = 10.0
MOST_BYTES = 2**20
# Strangers who press the button while the provider is slow must not hold every thread of the service.
MOST_AT_ONCE = 8
places = BoundedSemaphore(MOST_AT_ONCE)


def check_address(url: str, settings: Settings) -> None:
    """Go on only with an address of the provider's.

    Raises:
        ProviderUnavailableError: if it lies elsewhere, or the way there is not encrypted.
    """
    host, own = urlsplit(url).hostname, urlsplit(settings.oidc_issuer).hostname
    if host is None or host not in {own, *settings.oidc_endpoint_hosts}:
        raise ProviderUnavailableError(
            f"The provider names an endpoint on {host}, which is not the issuer's host.",
            hint="If that is right, add it to CRASHSCOUT_OIDC_ENDPOINT_HOSTS.",
        )
    if not is_encrypted_or_near(url, development=settings.environment is Environment.DEVELOPMENT):
        raise ProviderUnavailableError(
            f"The provider names an endpoint on {host} that is not encrypted.", hint="It must be https."
        )


def ask(
    settings: Settings, url: str, form: Mapping[str, str] | None = None, auth: httpx.Auth | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of a GET, or of a POST of the form.

    Raises:
        ProviderUnavailableError: if there is no such answer.
    """
    check_address(url, settings)
    host = urlsplit(url).hostname
    if not places.acquire(blocking=False):
        raise ProviderUnavailableError(f"{host} is being asked by {MOST_AT_ONCE} sign-ins already.")
    timeout = httpx.Timeout(LONGEST_S, connect=CONNECT_TIMEOUT_S)
    try:
        with httpx.Client(timeout=timeout, follow_redirects=False) as http:
            request = http.build_request("POST" if form else "GET", url, data=form or None)
            request.headers.update({"accept": "application/json", "accept-encoding": "identity"})
            response = http.send(request, auth=auth, stream=True)
            document = httpx.Response(200, content=_bounded(response)).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise ProviderUnavailableError(f"{host} does not answer as a provider: {reason}.") from error
    finally:
        places.release()
    if not isinstance(document, dict):
        raise ProviderUnavailableError(f"{host} does not answer as a provider: no JSON object.")
    return response.status_code, document


def _bounded(response: httpx.Response) -> bytes:
    until, content = time.monotonic() + LONGEST_S, b""
    try:
        for part in response.iter_bytes():
            content += part
            if len(content) > MOST_BYTES or time.monotonic() > until:
                raise ValueError("the answer is too large or too slow")
    finally:
        response.close()
    return content
