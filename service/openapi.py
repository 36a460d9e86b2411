"""Writes the OpenAPI document: `python -m service.openapi openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from service.main import create_app
from service.settings import Settings


def render() -> str:
    """The document as it is committed; no engine is opened for it."""
    return json.dumps(create_app(Settings(_env_file=None)).openapi(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render())
