"""One installation for all faults, with a spare worker, and the table of what they did.

`make test` has a few of the faults, `make test-faults` all of them (FAULTS=all) and prints the table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.conftest import new_data_folder
from tests.functional.faults.books import Book
from tests.functional.faults.installation import RECOVERY_S, Installation

ALL = os.environ.get("FAULTS") == "all"
only_all = pytest.mark.skipif(not ALL, reason="one of the long faults: make test-faults")


@dataclass
class Table:
    """One line for each fault."""

    lines: list[str] = field(default_factory=list)

    def add(self, fault: str, seconds: float, *books: Book) -> None:
        """Note a fault, and demand that nothing was lost by it.

        Args:
            fault: what was done.
            seconds: from the fault until everything that was asked had succeeded, without a hand.
            books: what was asked.
        """
        total = {"lost": 0, "doubled": 0, "stuck": 0, "changed": 0}
        for book in books:
            total = {name: count + book.check()[name] for name, count in total.items()}
        self.lines.append(f"| {fault} | {' | '.join(map(str, total.values()))} | {seconds:.1f} |")
        assert not any(total.values()), (self.lines[-1], [book.failures() for book in books])
        assert seconds <= RECOVERY_S, self.lines[-1]

    def __str__(self) -> str:
        head = "| fault | runs lost | results doubled | stuck | other bytes | recovered after s |"
        return "\n".join([head, "|---|---|---|---|---|---|", *self.lines])


@pytest.fixture(scope="package")
def table() -> Iterator[Table]:
    filled = Table()
    yield filled
    print(f"\n\n{filled}\n")


@pytest.fixture(scope="package")
def there() -> Iterator[Installation]:
    with new_data_folder() as folder:
        installation = Installation(folder)
        try:
            installation.start()
            installation.start_beside("worker")
            yield installation
        finally:
            installation.stop()


@pytest.fixture(scope="package")
def book(there: Installation) -> Book:
    """A campaign of which valuations are asked: same data, so all must give the same bytes."""
    opened = Book.open(there)
    opened.close("valuation-runs", opened.value())
    return opened


@pytest.fixture(scope="package")
def ranked(there: Installation) -> Book:
    """A campaign of which rounds are asked."""
    opened = Book.open(there)
    opened.close("valuation-runs", opened.value())
    return opened
