"""The log of a solver: its first and its last part, however much it writes."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_CHUNK = 2**16
_LINE_ENDS = re.compile(rb"[\r\n]+")
LONGEST_LINE = 2000  # bytes; a longer one is heard in pieces
# A process that the solver left behind may hold its output open.
LONGEST_DRAIN_S = 5.0


class Lines:
    """Bytes as they come, told on line by line; empty lines are passed over."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *whole, self._rest = _LINE_ENDS.split(self._rest + chunk)
        for line in whole:
            self._tell(line)
        while len(self._rest) > LONGEST_LINE:
            self._tell(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]

    def end(self) -> None:
        self._tell(self._rest)
        self._rest = b""

    def _tell(self, line: bytes) -> None:
        if text := line[:LONGEST_LINE].decode(errors="replace").rstrip():
            self._hear(text)


class SolverLog:
    """Reads a pipe to its end into a file of at most about `most` bytes; what is cut stands in its middle.

    Each line is also told to `hear`, from a thread of its own. Memory: half of `most`.
    """

    def __init__(self, pipe: IO[bytes], path: Path, most: int, hear: Callable[[str], None]) -> None:
        self.cut_bytes = 0
        self._lines = Lines(hear)
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
                self._lines.feed(chunk)
                file.write(chunk[:room])
                if len(chunk) > room:
                    self._keep(chunk[room:])
                room = max(0, room - len(chunk))
            self._lines.end()
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
