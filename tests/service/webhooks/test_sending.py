"""One request: signed as documented, bounded in time and size, redirects not followed."""

import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any

import pytest

from service.stack import free_port
from service.webhooks.address import networks_of
from service.webhooks.sending import Answer, headers_of, post, signature
from tests.service.webhooks.receiver import drip, listening, receiving, say_nothing, talk_nonsense

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "automation.md"
LOOPBACK = networks_of(["127.0.0.0/8"])
BODY = b'{"type": "round.closed"}'
HEADERS = headers_of(
    secret="s" * 24, delivery_id=7, event_type="round.closed", timestamp_s=1_800_000_000, body=BODY
)


def send(url: str, timeout_s: float = 5.0) -> Answer:
    return post(url, HEADERS, BODY, timeout_s=timeout_s, allowed=LOOPBACK)


def test_the_receiver_can_check_the_signature_with_the_standard_library() -> None:
    with receiving() as receiver:
        assert send(receiver.url) == Answer(204, "", "")
    (request,) = receiver.received
    signed = request.headers["X-Crashscout-Timestamp"].encode() + b"." + request.body
    expected = "v1=" + hmac.new(b"s" * 24, signed, hashlib.sha256).hexdigest()
    assert request.headers["X-Crashscout-Signature"] == expected
    assert (request.path, request.body) == ("/hook?tool=x", BODY)
    assert request.headers["X-Crashscout-Event"] == "round.closed"
    assert request.headers["X-Crashscout-Delivery"] == "7"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.skipif(not DOCUMENT.exists(), reason="this checkout has no docs")
def test_the_check_in_the_documentation_accepts_ours_and_refuses_others() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    now = int(time.time())
    ours, old = (
        headers_of(secret="s" * 24, delivery_id=7, event_type="round.closed", timestamp_s=moment, body=BODY)
        for moment in (now, now - 3600)
    )
    assert is_genuine(ours, BODY, "s" * 24)
    assert not is_genuine(ours, BODY + b" ", "s" * 24)
    assert not is_genuine(ours, BODY, "t" * 24)
    assert not is_genuine(old, BODY, "s" * 24)
    assert not is_genuine(ours | {"X-Crashscout-Timestamp": str(now - 1)}, BODY, "s" * 24)


def test_each_part_that_is_signed_changes_the_signature() -> None:
    assert signature("a", 1, b"x") != signature("a", 2, b"x") != signature("b", 2, b"x")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiving() as target, receiving() as receiver:
        receiver.answers, receiver.headers = [302], {"location": target.url}
        answer = send(receiver.url)
    assert (answer.status_code, answer.is_success, target.received) == (302, False, [])


def test_a_long_answer_is_cut() -> None:
    with receiving() as receiver:
        receiver.answers, receiver.body = [500], b"\x00x\xff" * 100_000
        answer = send(receiver.url)
    assert answer.status_code == 500
    assert len(answer.text) <= 1000
    assert "\x00" not in answer.text


def test_nobody_there_is_told() -> None:
    answer = send(f"http://127.0.0.1:{free_port()}/")
    assert answer.status_code is None
    assert "refused" in answer.error


@pytest.mark.parametrize("speak", [say_nothing, drip])
def test_an_exchange_ends_in_time_however_the_other_side_behaves(speak: object) -> None:
    begun = time.monotonic()
    with listening(speak) as url:
        answer = send(url, timeout_s=0.5)
    assert answer == Answer(None, "no complete answer within 0.5 s", "")
    assert time.monotonic() - begun < 5


def test_an_answer_that_is_no_http_is_told() -> None:
    with listening(talk_nonsense) as url:
        answer = send(url)
    assert answer.status_code is None
    assert "ProtocolError" in answer.error


def test_an_address_that_is_not_allowed_is_never_connected_to() -> None:
    with receiving() as receiver:
        answer = post(receiver.url, HEADERS, BODY, timeout_s=5, allowed=())
    assert answer == Answer(None, "'127.0.0.1' leads to 127.0.0.1, which is not public", "")
    assert receiver.received == []


def test_a_name_is_called_at_the_addresses_it_was_checked_for() -> None:
    """`localhost` leads to two addresses, of which the receiver listens on one."""
    both = networks_of(["127.0.0.0/8", "::1/128"])
    with receiving() as receiver:
        url = f"http://localhost:{receiver.port}/"
        assert post(url, HEADERS, BODY, timeout_s=5, allowed=both).status_code == 204
    (request,) = receiver.received
    assert request.headers["Host"] == f"localhost:{receiver.port}"


def test_a_receiver_without_tls_behind_https_is_told() -> None:
    with receiving() as receiver:
        answer = send(receiver.url.replace("http:", "https:"))
    assert answer.status_code is None
    assert "SSL" in answer.error
    assert receiver.received == []
