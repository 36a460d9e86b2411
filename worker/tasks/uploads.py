"""`upload.read`: read an uploaded crash test and label its occupants."""

from __future__ import annotations

from service.settings import get_settings
from service.uploads import processing
from worker import process


def upload_read(upload_id: int) -> None:
    """Claim, read with no transaction open, store; a message that comes twice finds nothing left to do."""
    processing.process(process.sessions(), upload_id, get_settings())
