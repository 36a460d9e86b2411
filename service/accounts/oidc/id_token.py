"""Whether an id token is the provider's, for us, for this sign-in, still valid (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from service.accounts.oidc.errors import UntrustedAnswerError
from service.settings import Settings

# The two clocks may differ by so much.
LEEWAY_S = 60
LONGEST_SUBJECT = 255


def claims_of(
    token: str, keys: KeySet, *, settings: Settings, algorithms: Sequence[str], nonce: str
) -> dict[str, Any]:
    """The claims, when everything about the token is right.

    Args:
        token: the id token, as it came.
        keys: the provider's public keys, RSA and EC.
        settings: issuer and client id are what `iss` and `aud` must say.
        algorithms: of signatures, none but asymmetric ones.
        nonce: of the sign-in under way.

    Raises:
        UntrustedAnswerError: naming what is wrong.
    """
    client_id = settings.oidc_client_id
    registry = jwt.JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": client_id},
        nonce={"essential": True, "value": nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(token, keys, algorithms=list(algorithms)).claims
        registry.validate(claims)
    except (JoseError, ValueError) as error:
        raise UntrustedAnswerError(f"The id token is not valid: {error}.") from error
    _check_party(claims, client_id)
    _check_subject(claims["sub"])
    return claims


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    """A token for several audiences, or asked for by another client, may have been meant for that one."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise UntrustedAnswerError("The id token was made for another client.")


def _check_subject(subject: str) -> None:
    if not (subject.isascii() and subject.isprintable() and len(subject) <= LONGEST_SUBJECT):
        raise UntrustedAnswerError("The id token names no subject that can be kept.")
