"""The log of a solver: its first and its last part, however much it writes."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_CHUNK = 2**16
# A process that the solver left behind may hold its output open.
LONGEST_DRAIN_S = 5.0


class SolverLog:
    """Reads a pipe to its end into a file of at most about `most` bytes; what is cut stands in its middle.

    Memory: half of `most`.
    """

    def __init__(self, pipe: IO[bytes], path: Path, most: int) -> None:
        self.cut_bytes = 0
        self._pipe = pipe
        self._path = path
        self._half = most // 2
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._thread = threading.Thread(target=self._drain, name=f"log {path}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(LONGEST_DRAIN_S)

    def last_lines(self, characters: int = 600) -> str:
        """The end of the log for people; bytes that are no text are shown as such."""
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - characters))
            return file.read().decode(errors="replace").replace("\0", "�").strip()

    def _drain(self) -> None:
        with self._pipe, self._path.open("wb", buffering=0) as file:
            room = self._half
            while chunk := os.read(self._pipe.fileno(), _CHUNK):
                file.write(chunk[:room])
                if len(chunk) > room:
                    self._keep(chunk[room:])
                room = max(0, room - len(chunk))
            if self.cut_bytes:
                file.write(f"\n[... {self.cut_bytes:,} bytes were cut ...]\n".encode())
            file.writelines(self._tail)

    def _keep(self, chunk: bytes) -> None:
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        while self._tail_size > self._half:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self.cut_bytes += gone
