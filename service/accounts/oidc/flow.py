"""One sign-in under way: what ties the answer that comes back to the browser that asked.

The browser keeps a random text in a cookie; state, nonce and the PKCE verifier are keyed hashes of it, so nothing is
stored here, and whoever sees one of them knows none of the others. An answer without the cookie of the browser that
asked is worth nothing.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

from service.accounts.tokens import hash_of

LIFE_S = 600
SECRET_BYTES = 32


@dataclass(frozen=True)
class Attempt:
    """A sign-in of one browser.

    Attributes:
        cookie: what the browser keeps.
        next_url: the own page to go to afterwards.
        expires_at: seconds since 1970; later answers are not taken.
        state: ties the answer to the browser (RFC 6749, 10.12).
        nonce: ties the id token to the browser (OpenID Connect Core 1.0, 15.5.2).
        verifier: ties the code to the browser (RFC 7636), 64 characters.
    """

    cookie: str
    next_url: str
    expires_at: float
    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """The verifier's SHA-256, as base64url without padding (RFC 7636, 4.2)."""
        return base64.urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def fits(self, state: str) -> bool:
        """Whether an answer belongs to it, and comes in time."""
        return hmac.compare_digest(self.state.encode(), state.encode()) and time.time() < self.expires_at


def begin(secret_key: str, next_url: str) -> Attempt:
    """A new one."""
    content = [secrets.token_urlsafe(SECRET_BYTES), next_url, time.time() + LIFE_S]
    return _attempt(secret_key, base64.urlsafe_b64encode(json.dumps(content).encode()).decode())


def resume(secret_key: str, cookie: str) -> Attempt | None:
    """That of a cookie; None when it is none of ours. A changed cookie gives another state, which no answer fits."""
    try:
        return _attempt(secret_key, cookie)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _attempt(secret_key: str, cookie: str) -> Attempt:
    _, next_url, expires_at = json.loads(base64.urlsafe_b64decode(cookie))
    state, nonce, verifier = (
        hash_of(secret_key, f"oidc {use} {cookie}") for use in ("state", "nonce", "verifier")
    )
    return Attempt(cookie, str(next_url), float(expires_at), state, nonce, verifier)
