"""Rules that the syntax tree of the source shows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("service/**/*.py"), *ROOT.glob("worker/**/*.py")])
NOUNS = [
    "campaigns",
    "samples",
    "uploads",
    "imports",
    "valuations",
    "backtests",
    "acquisitions",
    "replays",
    "ledger",
    "rounds",
    "schedules",
    "events",
    "webhooks",
    "maps",
    "injections",
    "accounts",
    "reviews",
]
LONGEST_MODULE = 400
STATEMENTS = {"select", "insert", "update", "delete", "text"}
QUERIES = {"execute", "scalars", "scalar"}
# Repositories, the tables themselves, and the launcher, which makes the database in the first place.
HOLDS_SQL = re.compile(r"service/(\w+/repository|database/.*|embedded/postgres_server)\.py")
WEB_FILES = sorted(
    [*ROOT.glob("service/admin/templates/**/*.html"), *ROOT.glob("service/admin/static/**/*.css")]
)
ELSEWHERE = re.compile(
    r"""(?:src|href|srcset|action)\s*=\s*["']\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//""",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def methods_called(path: Path) -> set[str]:
    return {call.func.attr for call in calls(path) if isinstance(call.func, ast.Attribute)}


def imported_from_sqlalchemy(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [
        n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").split(".")[0] == "sqlalchemy"
    ]
    return {alias.name for node in found for alias in node.names}


def test_the_rules_look_at_the_whole_source() -> None:
    assert len(MODULES) > 100
    assert {"templates", "static"} <= {part for path in WEB_FILES for part in path.parts}


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("file", ["schemas.py", "repository.py", "service.py", "routes.py"])
def test_each_noun_has_the_four_files(noun: str, file: str) -> None:
    assert (ROOT / "service" / noun / file).is_file()


def test_only_the_unit_of_work_commits() -> None:
    committing = {name_of(path) for path in MODULES if "commit" in methods_called(path)}
    assert committing == {"service/database/engine.py"}


def test_statements_are_made_in_repositories_only() -> None:
    making = {name_of(path) for path in MODULES if imported_from_sqlalchemy(path) & STATEMENTS}
    assert making
    assert {name for name in making if not HOLDS_SQL.fullmatch(name)} == set()


def test_sessions_are_queried_in_repositories_only() -> None:
    querying = {name_of(path) for path in MODULES if QUERIES & methods_called(path)}
    assert querying
    assert {name for name in querying if not HOLDS_SQL.fullmatch(name)} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


def test_pages_load_nothing_from_elsewhere() -> None:
    assert {name_of(path) for path in WEB_FILES if ELSEWHERE.search(path.read_text())} == set()


def test_the_rule_for_pages_sees_each_way_to_load_from_elsewhere() -> None:
    for text in ('<script src="https://cdn/x.js">', "<link href='//cdn/x.css'>", "url(http://cdn/x.png)"):
        assert ELSEWHERE.search(text)
