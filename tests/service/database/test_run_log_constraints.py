"""What the database refuses about the lines of a run's log, whoever writes to it."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, NotNullViolation, StringDataRightTruncation


def test_a_line_that_fits(store: Any) -> None:
    assert store.insert("run_log_lines", level="warning", speaker="solver", text="x" * 2000)


@pytest.mark.parametrize(
    ("columns", "kind", "word"),
    [
        ({"level": "fatal"}, CheckViolation, "level"),
        ({"speaker": "stranger"}, CheckViolation, "speaker"),
        ({"text": None}, NotNullViolation, "text"),
        ({"said_at": None}, NotNullViolation, "said_at"),
        ({"text": "x" * 2001}, StringDataRightTruncation, "2000"),
    ],
)
def test_a_line_that_does_not(store: Any, columns: dict[str, Any], kind: type[Exception], word: str) -> None:
    with pytest.raises(kind, match=word):
        store.insert("run_log_lines", **columns)
