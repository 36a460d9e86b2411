"""Logs of processes, read as the JSON lines that they must be."""

import json
from pathlib import Path
from typing import Any


def json_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
