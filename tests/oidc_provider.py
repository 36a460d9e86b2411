"""A small OpenID provider over real HTTP, with real keys, that keeps the rules; and that breaks them when told to."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

CLIENT_ID = "crash scout"  # with a space: it must be encoded before it goes into a header
CLIENT_SECRET = "s3cret:of the client/0123456789"
DISCOVERY = "/.well-known/openid-configuration"


def new_key(kind: str = "EC") -> Key:
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    return ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)


def algorithm_of(key: Key) -> str:
    return "RS256" if key.key_type == "RSA" else "ES256"


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class OidcProvider:
    """Who signs in is who `person` says; `faults` by path go before everything else.

    `change_claims` and `sign` make tokens that a liar would make; `metadata` replaces parts of the discovery document.
    """

    url: str = ""
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "subject-1", "preferred_username": "A.Meier@cars.example", "groups": ["staff", "crash-engineers"],
        }
    )  # fmt: skip
    keys: list[Key] = field(default_factory=lambda: [new_key()])
    client_secret: str | None = CLIENT_SECRET
    auth_methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    metadata: dict[str, Any] = field(default_factory=dict)
    change_claims: Callable[[dict[str, Any]], object] = lambda claims: None
    sign: Callable[[dict[str, Any]], str] | None = None
    faults: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    names_itself: bool = True

    def rotate(self, kind: str = "EC") -> None:
        """A new key in place of the old one."""
        self.keys = [new_key(kind)]

    def answer(self, method: str, target: str, headers: Any, body: str) -> Answer:
        path, query = urlsplit(target).path, urlsplit(target).query
        self.asked.append(path)
        if path in self.faults:
            return self.faults[path]
        if path == DISCOVERY:
            return _json(200, self.discovery())
        if path == "/jwks":
            return _json(200, dict(KeySet(self.keys).as_dict(private=False)))
        if path == "/authorize":
            return self.authorize(_flat(query))
        if path == "/token" and method == "POST":
            return self.token(_flat(body), headers.get("authorization", ""))
        return _json(404, {})

    def discovery(self) -> dict[str, Any]:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/logout",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": self.auth_methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.names_itself,
        }
        return document | self.metadata

    def authorize(self, asked: dict[str, str]) -> Answer:
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        given = {"code": code, "state": asked["state"]} | ({"iss": self.url} if self.names_itself else {})
        return Answer(302, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(given)}"})

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        if not self._is_client(form, authorization):
            return _json(401, {"error": "invalid_client"})
        asked = self.codes.pop(form["code"], None)  # a code serves once
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge.rstrip("=")
            or asked["redirect_uri"] != form["redirect_uri"]
            or form["grant_type"] != "authorization_code"
        ):
            return _json(400, {"error": "invalid_grant"})
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.person
        self.change_claims(claims)
        token = self.sign(claims) if self.sign else self.signed(claims)
        return _json(200, {"token_type": "Bearer", "access_token": "a", "id_token": token})

    def signed(self, claims: dict[str, Any], key: Key | None = None, kid: str | None = None) -> str:
        key = key or self.keys[0]
        header = {"alg": algorithm_of(key), "kid": kid or key.kid}
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if "client_secret_basic" in self.auth_methods and self.client_secret is not None:
            given = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            return [unquote_plus(part) for part in given] == [CLIENT_ID, self.client_secret]
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)


def _flat(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, strict_parsing=True).items()}


def _json(status: int, document: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


@contextmanager
def running_provider(**options: Any) -> Iterator[OidcProvider]:
    """The provider on a free port of this machine."""
    provider = OidcProvider(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

        def _answer(self, body: str) -> None:
            answer = provider.answer(self.command, self.path, self.headers, body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
