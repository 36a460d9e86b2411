"""Why a solver gave no label."""

from __future__ import annotations


class SolverError(Exception):
    """No label: `code` is stable for tools, the message says what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
