"""Rules against injection: SQL is bound, pages are escaped and carry no code or styles of their own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.admin.templates_env import environment
from tests.architecture.test_source import MODULES, ROOT, name_of

MIGRATIONS = sorted(ROOT.glob("migrations/versions/*.py"))
TEMPLATES = sorted(ROOT.glob("service/admin/templates/**/*.html"))
SCRIPTS = sorted(ROOT.glob("service/admin/static/*.js")) + sorted(
    ROOT.glob("service/admin/static/pages/*.js")
)
TAKES_SQL = {"text", "execute", "exec_driver_sql", "literal_column", "scalar", "scalars", "executemany"}
# The launcher makes its database, whose name is a constant; CREATE DATABASE takes no parameters.
MAY_BUILD_SQL = {"service/embedded/postgres_server.py"}
# Conditions of indexes and constraints are made of the words of our own enums.
TABLES = {name_of(path) for path in MODULES if "service/database/models/" in name_of(path)}
# Words that open what Jinja2 would otherwise close.
UNESCAPED = re.compile(r"\|\s*safe\b|autoescape|Markup\(")
INLINE_STYLE = re.compile(r"<[^>]*\sstyle\s*=|<style\b", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<[^>]*\son[a-z]+\s*=|javascript:|\shx-on|\shx-vals=.js:", re.IGNORECASE)
SCRIPT = re.compile(r"<script\b([^>]*)>", re.IGNORECASE)
HTML_FROM_TEXT = re.compile(
    r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function\("
)


def _is_built(argument: ast.expr) -> bool:
    """Whether a text is put together from parts: an f-string, %, + or .format."""
    if isinstance(argument, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in argument.values)
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Mod | ast.Add):
        return any(_is_text(side) for side in (argument.left, argument.right))
    if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute):
        return argument.func.attr in {"format", "join"} and _is_text(argument.func.value)
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def built_sql(source: str) -> Iterator[int]:
    """Lines on which a statement is put together from parts and handed to the database."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in TAKES_SQL and _is_built(node.args[0]):
                yield node.lineno


def test_sql_is_never_put_together_from_text() -> None:
    found = {name_of(path): list(built_sql(path.read_text())) for path in MODULES}
    assert {name for name, lines in found.items() if lines} - MAY_BUILD_SQL - TABLES == set()


@pytest.mark.parametrize(
    "source",
    [
        "session.execute(text(f'SELECT {name}'))",
        "text('SELECT %s' % name)",
        "connection.exec_driver_sql('SELECT ' + name)",
        "text('SELECT {}'.format(name))",
        "literal_column(f'{name}::text')",
    ],
)
def test_the_rule_sees_each_way_to_build_sql(source: str) -> None:
    assert list(built_sql(source)) == [1]


def test_bound_sql_passes_the_rule() -> None:
    assert (
        list(built_sql("session.execute(text('SELECT :name'), {'name': name}); scalar(select(a + 1))")) == []
    )


# Makes the field and the header of the session's token, both filled in by escaping `format`.
MARKUP = {"service/admin/templates_env.py"}


def test_templates_escape() -> None:
    assert TEMPLATES
    assert {path.name for path in TEMPLATES if UNESCAPED.search(path.read_text())} == set()
    modules = [path for path in MODULES if name_of(path).startswith("service/")]
    assert {name_of(path) for path in modules if "Markup(" in path.read_text()} == MARKUP
    page = environment().from_string("<p title='{{ name }}'>{{ name }}</p>")
    assert page.render(name="<script>'") == "<p title='&lt;script&gt;&#39;'>&lt;script&gt;&#39;</p>"


def test_pages_carry_no_code_and_no_styles_of_their_own() -> None:
    """The content security policy would refuse them."""
    for path in TEMPLATES:
        page = path.read_text()
        assert not INLINE_STYLE.search(page), path.name
        assert not INLINE_SCRIPT.search(page), path.name
        for attributes in SCRIPT.findall(page):
            assert "src=" in attributes or 'type="application/json"' in attributes, path.name


@pytest.mark.parametrize("page", ['<p style="x">', "<style>", "<p\n style='x'>"])
def test_the_rule_sees_inline_styles(page: str) -> None:
    assert INLINE_STYLE.search(page)


@pytest.mark.parametrize("page", ['<p onclick="x">', '<a href="javascript:x">', '<p hx-on::load="x">'])
def test_the_rule_sees_inline_scripts(page: str) -> None:
    assert INLINE_SCRIPT.search(page)


def test_scripts_of_ours_make_no_html_from_text() -> None:
    assert SCRIPTS
    assert {path.name for path in SCRIPTS if HTML_FROM_TEXT.search(path.read_text())} == set()


def test_httpx_and_others_follow_no_redirects() -> None:
    """A redirect would lead past the check of an address."""
    for path in MODULES:
        assert "follow_redirects=True" not in path.read_text(), name_of(path)


def test_migrations_take_nothing_from_outside() -> None:
    """They put SQL together, from constants of their own: no argument, no environment."""
    for path in MIGRATIONS:
        text = path.read_text()
        assert "os.environ" not in text, path.name
        assert "input(" not in text, path.name


def test_the_guide_names_tests_that_exist() -> None:
    guide = Path(ROOT / "docs/security.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", guide))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).is_file()} == set()
