"""The provider as its discovery document describes it: where browsers go, codes become tokens, and keys lie."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ValidationError

from service.accounts.oidc.errors import ProviderUnavailableError, UntrustedAnswerError
from service.accounts.oidc.fetching import ask, check_address
from service.accounts.oidc.flow import Attempt
from service.settings import Settings

WELL_KNOWN = "/.well-known/openid-configuration"
# Whoever presses the button has no account yet: the provider must not hear of each press.
REMEMBERED_S = 300.0
# Asymmetric ones alone (RFC 8725, 3.1): `none` proves nothing, and with HS256 a public key would be the secret.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
_KEY_TYPES = frozenset({"RSA", "EC"})


class Metadata(BaseModel):
    """What we use of the discovery document (OpenID Connect Discovery 1.0, section 3; RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    id_token_signing_alg_values_supported: list[str] = ["RS256"]
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    code_challenge_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False

    @property
    def algorithms(self) -> list[str]:
        """Those of the provider's signatures that prove something."""
        return sorted(ALGORITHMS.intersection(self.id_token_signing_alg_values_supported))


class Provider:
    """The configured provider; one for each process, fetched when somebody first signs in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._until = 0.0
        self._metadata: Metadata | None = None

    def metadata(self) -> Metadata:
        """The discovery document, at most `REMEMBERED_S` old.

        Raises:
            ProviderUnavailableError: if there is none that we can use.
        """
        if self._metadata is None or time.monotonic() > self._until:
            self._metadata = _discover(self._settings)
            self._until = time.monotonic() + REMEMBERED_S
        return self._metadata

    def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes to sign in (OpenID Connect Core 1.0, 3.1.2.1; RFC 7636)."""
        return _with_query(
            self.metadata().authorization_endpoint,
            response_type="code",
            client_id=self._settings.oidc_client_id,
            redirect_uri=redirect_uri,
            scope=self._settings.oidc_scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=attempt.challenge,
            code_challenge_method="S256",
        )

    def end_session_url(self, back: str) -> str | None:
        """Where the browser goes to sign out there too, if the provider has such a page."""
        endpoint = self.metadata().end_session_endpoint
        if endpoint is None:
            return None
        client_id = self._settings.oidc_client_id
        return _with_query(endpoint, client_id=client_id, post_logout_redirect_uri=back)

    def id_token(self, code: str, attempt: Attempt, redirect_uri: str) -> str:
        """The id token for a code, which serves once.

        Raises:
            UntrustedAnswerError: if the provider does not know the code, or not from us.
            ProviderUnavailableError: if it does not answer, or refuses us ourselves.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        auth = self._authenticate(form)
        status, answer = ask(self._settings, self.metadata().token_endpoint, form, auth)
        if status != httpx.codes.OK:
            _complain(status, answer)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderUnavailableError("The provider sends no id token.")
        return token

    def _authenticate(self, form: dict[str, str]) -> httpx.Auth | None:
        """How the service shows who it is (RFC 6749, 2.3.1): in a header, else in the form; perhaps by name alone."""
        client_id = self._settings.oidc_client_id
        secret = self._settings.oidc_client_secret.get_secret_value()
        if secret and "client_secret_basic" in self.metadata().token_endpoint_auth_methods_supported:
            return httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
        form["client_id"] = client_id
        if secret:
            form["client_secret"] = secret
        return None

    def keys(self) -> KeySet:
        """The keys that sign at this moment: asked for at each sign-in, so a rotation is no event.

        Raises:
            ProviderUnavailableError: if there are none that we can use.
        """
        status, document = ask(self._settings, self.metadata().jwks_uri)
        found = document.get("keys")
        listed = found if status == httpx.codes.OK and isinstance(found, list) else []
        try:
            return KeySet.import_key_set({"keys": [key for key in listed if _signs(key)]})
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderUnavailableError(f"The provider's keys cannot be used: {error}.") from error


def _discover(settings: Settings) -> Metadata:
    status, document = ask(settings, settings.oidc_issuer.rstrip("/") + WELL_KNOWN)
    if status != httpx.codes.OK:
        hint = "Correct CRASHSCOUT_OIDC_ISSUER, or ask who runs the provider."
        raise ProviderUnavailableError(f"The provider answers {status} to discovery.", hint=hint)
    try:
        metadata = Metadata.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise ProviderUnavailableError(f"The discovery document lacks or garbles: {fields}.") from error
    _check(metadata, settings)
    return metadata


def _check(metadata: Metadata, settings: Settings) -> None:
    if metadata.issuer != settings.oidc_issuer:
        hint = "Set CRASHSCOUT_OIDC_ISSUER to exactly that, if it is the right one."
        raise ProviderUnavailableError(f"The provider calls itself {metadata.issuer}.", hint=hint)
    endpoints = [metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri]
    for url in (*endpoints, metadata.end_session_endpoint):
        if url is not None:
            check_address(url, settings)
    if not metadata.algorithms:
        raise ProviderUnavailableError("The provider signs by no algorithm that we trust.")
    methods = metadata.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise ProviderUnavailableError("The provider does not know PKCE with S256.")


def _signs(key: Any) -> bool:  # noqa: ANN401 - whatever the provider sends
    return isinstance(key, dict) and key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"


def _complain(status: int, answer: dict[str, Any]) -> None:
    """RFC 6749, 5.2."""
    reason = str(answer.get("error", "no reason"))[:60]
    if reason == "invalid_grant":
        raise UntrustedAnswerError(f"The provider refuses the code: {reason}.")
    hint = "CRASHSCOUT_OIDC_CLIENT_ID and its secret must be those of the provider."
    raise ProviderUnavailableError(f"The provider answers {status}: {reason}.", hint=hint)


def _with_query(endpoint: str, **values: str) -> str:
    joint = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint}{joint}{urlencode(values)}"
