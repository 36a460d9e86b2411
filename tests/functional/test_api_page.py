"""Every example of docs/api.md is run as it stands there; of MATLAB, the requests that it would send."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.contract import methods_of
from service.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
pytestmark = pytest.mark.functional


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def run(stack: Stack, *command: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "docs" / "examples"),
        "CRASHSCOUT_SERVER": stack.url,
        "CRASHSCOUT_API_KEY": stack.ready_key.key,
    }
    shown = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=environment, cwd="/"
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return shown.stdout


def test_the_shell_session_runs_as_it_stands(stack: Stack) -> None:
    lines = run(stack, "bash", "-c", "set -euo pipefail\n" + "\n".join(blocks("bash"))).splitlines()
    assert lines[0] == "labelled"
    assert "/planned_features/test_mass_kg" in lines[1]
    assert lines[2:4] == ["None", "valuation run: succeeded"]
    assert "event: valuation_run.succeeded" in lines


def test_the_python_session_runs_as_it_stands(stack: Stack) -> None:
    (session,) = blocks("python")
    lines = run(stack, sys.executable, "-c", session).splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["1", "2"]
    assert lines[2].startswith("not yet: ")
    assert lines[3] == "['/planned_features/impact_speed_kmh', '/planned_features/test_mass_kg']"


def test_the_problem_on_the_page_has_the_fields_of_a_problem() -> None:
    problem = json.loads(blocks("json")[0])
    assert set(problem) == set(DOCUMENT["components"]["schemas"]["Problem"]["properties"])


@dataclass
class Matlab:
    """As much of MATLAB as the page uses: assignments of texts, and `webread` and `webwrite` over real HTTP."""

    http: httpx.Client
    variables: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def run(self, script: str) -> None:
        joined = re.sub(r"\.\.\.\s*\n\s*", "", script)
        for line in filter(None, map(str.strip, joined.splitlines())):
            self._step(line)

    def _step(self, line: str) -> None:
        if match := re.fullmatch(r"(\w+) = webread\((.*), options\);", line):
            url, *parameters = split_arguments(match[2])
            named = [self._text(item) for item in parameters]
            query = dict(zip(named[::2], named[1::2], strict=True))
            self.variables[match[1]] = self._ask("GET", self._text(url), params=query)
        elif match := re.fullmatch(r"(\w+) = webwrite\((.*), options\);", line):
            url, body = split_arguments(match[2])
            self.variables[match[1]] = self._ask("POST", self._text(url), content=self._text(body))
        elif match := re.fullmatch(r"(\w+) = (.*);", line):
            if match[1] != "options":
                self.variables[match[1]] = self._text(match[2])
        else:
            assert re.fullmatch(r"disp\([\w.]+\)", line), line

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        path = url.removeprefix(str(self.http.base_url).rstrip("/"))
        assert method in methods_of(DOCUMENT, path), f"{method} {path} is not in openapi.json"
        self.requests.append((method, path))
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        answer = self.http.request(method, url, headers=headers, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def _text(self, expression: str) -> str:
        """A text, a variable or a field of one, `num2str`, `getenv`, or a list of these in brackets."""
        parts = re.findall(r"'(?:[^']|'')*'|num2str\([\w.]+\)|getenv\('\w+'\)|[\w.]+", expression.strip("[]"))
        return "".join(map(self._part, parts))

    def _part(self, part: str) -> str:
        if part.startswith("'"):
            return part[1:-1].replace("''", "'")
        if part.startswith("getenv"):
            return {"CRASHSCOUT_SERVER": str(self.http.base_url).rstrip("/")}[part.split("'")[1]]
        name, _, key = part.removeprefix("num2str(").rstrip(")").partition(".")
        value = self.variables[name]
        return str(value[key] if isinstance(value, Mapping) else value)


def split_arguments(text: str) -> list[str]:
    """At the commas outside of quotes and brackets."""
    return re.findall(r"(?:\[[^\]]*\]|'(?:[^']|'')*'|[^,\s])+", text)


@pytest.fixture
def matlab(stack: Stack) -> Iterator[Matlab]:
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        yield Matlab(http)


def test_the_requests_of_matlab_are_those_of_the_api(matlab: Matlab) -> None:
    (script,) = blocks("matlab")
    matlab.run(script)
    assert script.count("webwrite(") + script.count("webread(") == len(matlab.requests) == 6
    assert matlab.variables["sample"]["target"] == 25.8
    assert matlab.variables["stored"]["created"] == 2
    (last,) = matlab.variables["page"]["items"]
    assert last["planned_features"] == {"impact_speed_kmh": 64}
