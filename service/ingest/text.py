"""Text of test files, whose encoding nobody declares."""

from __future__ import annotations

import codecs

from service.errors import FileFormatError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def decode(content: bytes, label: str = "it") -> str:
    """UTF-8 or UTF-16 with their marks, UTF-16 without one, else UTF-8, Windows-1252, Latin-1.

    Args:
        content: the file.
        label: what it is called in a complaint.

    Raises:
        FileFormatError: binary data.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strictly(content, encoding, label)
    head = content[:512]
    if b"\0" in head:
        # ASCII in UTF-16 has a zero in every second byte.
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if max(even, odd) < len(head) // 4:
            raise FileFormatError(f"{label} is binary data and no text.")
        return _strictly(content, "utf-16-be" if even > odd else "utf-16-le", label)
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")  # every byte is a character


def _strictly(content: bytes, encoding: str, label: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{label} is damaged: {error.reason} at byte {error.start}.") from error
