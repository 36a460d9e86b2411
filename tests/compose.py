"""docker-compose.yml as Compose reads it: merged, with variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
# `$$`, `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}`: what the file uses of Compose's syntax.
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^}]*))?\})")


def document(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file, less variables that nothing sets; raises `KeyError` with the complaint where one is demanded."""
    return _filled(yaml.safe_load(FILE.read_text()), variables)


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: _filled(value, variables) if value is not None else variables.get(key)
            for key, value in node.items()
            if value is not None or key in variables or not key.startswith("CRASHSCOUT_")
        }
    if isinstance(node, list):
        return [_filled(value, variables) for value in node]
    return VARIABLE.sub(lambda found: _value(found, variables), node) if isinstance(node, str) else node


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    dollar, name, operator, rest = found.groups()
    if dollar:
        return "$"
    value = variables.get(name, "")
    if not value and operator == ":?":
        raise KeyError(f"{name}: {rest}")
    return value or (rest if operator == ":-" else "")


def example_variables() -> dict[str, str]:
    """What a copy of `.env.example` sets."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
