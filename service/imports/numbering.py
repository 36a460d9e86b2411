"""Test numbers as people write them: `9000-9100,10146`."""

from __future__ import annotations

import re

MOST_TESTS = 5_000
_RANGE = re.compile(r"^(\d{1,6})(?:-(\d{1,6}))?$")


def parse_tests(text: str) -> list[int]:
    """Test numbers of a text such as `9000-9100,10146`, ascending, each once.

    Raises:
        ValueError: if it is none, or names more than `MOST_TESTS`.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = _RANGE.match(part.strip())
        if found is None:
            raise ValueError(f"{part.strip()!r} is no test number or range: write 9000-9100 or 9000,9004")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"{part.strip()!r} ends before it begins")
        if last - first >= MOST_TESTS or len(numbers) > MOST_TESTS:
            raise ValueError(f"more than {MOST_TESTS:,} tests: import them in several runs")
        numbers.update(range(first, last + 1))
    if len(numbers) > MOST_TESTS:
        raise ValueError(f"more than {MOST_TESTS:,} tests: import them in several runs")
    return sorted(numbers)
