"""What the command line prints on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Standard output or error, with colours where they are shown; numbers are not coloured on their own."""
    from rich.console import Console  # the API starts without it

    return Console(stderr=stderr, highlight=False)
