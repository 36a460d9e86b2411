"""Cursors are opaque, survive the way out and back, and nothing else passes for one."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.errors import CursorError
from service.pagination import cut_page, decode_cursor, encode_cursor
from tests.support import API, assert_problem


def disguise(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_names_the_key_it_was_made_from(key: int) -> None:
    cursor = encode_cursor(key)
    assert decode_cursor(cursor) == key
    assert cursor.isascii()
    assert not set(cursor) & set("+/= ")


@pytest.mark.parametrize("cursor", [None, ""])
def test_no_cursor_is_the_beginning(cursor: str | None) -> None:
    assert decode_cursor(cursor) == 0


@given(st.text(min_size=1))
def test_any_other_text_is_refused_or_a_key(text: str) -> None:
    with suppress(CursorError):
        assert decode_cursor(text) >= 0


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        disguise({"after": -1}),
        disguise({"after": 2**63}),
        disguise({"after": True}),
        disguise({"after": "1"}),
        disguise({"before": 1}),
        disguise([1]),
        disguise(1),
        base64.urlsafe_b64encode(b"[" * 50_000).decode(),
        base64.urlsafe_b64encode(b'{"after": ' + b"1" * 5000 + b"}").decode(),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError, match="not one of ours"):
        decode_cursor(cursor)


def test_a_foreign_cursor_is_a_400(client: TestClient) -> None:
    problem = assert_problem(client.get(f"{API}/campaigns?cursor=abc"), 400, "invalid_cursor")
    assert "next_cursor" in problem["hint"]


@pytest.mark.parametrize(("rows", "more"), [([], False), ([1, 2], False), ([1, 2, 3], True)])
def test_one_row_too_many_tells_of_another_page(rows: list[int], more: bool) -> None:
    assert cut_page(rows, 2) == (rows[:2], more)
