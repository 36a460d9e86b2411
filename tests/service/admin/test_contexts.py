"""Templates use exactly what their contexts give, and every field says what it is."""

import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module

import pytest
from jinja2 import meta, nodes

from service.admin import contexts
from service.admin.contexts.base import Context
from service.admin.templates_env import HERE, environment

for module in pkgutil.iter_modules(contexts.__path__, f"{contexts.__name__}."):
    import_module(module.name)


def kinds_of(base: type[Context]) -> Iterator[type[Context]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds_of(kind)


PAGES = list(kinds_of(Context))


def used_names(template: str) -> set[str]:
    """Names that a template, and all that it extends, includes or imports, take from outside."""
    env = environment()
    tree = env.parse((HERE / "templates" / template).read_text())
    # Imported at the top and used in blocks: Jinja's own analysis looks at each block alone.
    imported = {node.target for node in tree.find_all(nodes.Import)}
    names = meta.find_undeclared_variables(tree) - imported - set(env.globals)
    return names.union(*(used_names(name) for name in meta.find_referenced_templates(tree) if name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_template_uses_exactly_the_fields(page: type[Context]) -> None:
    assert used_names(page.template) == {field.name for field in fields(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_every_field_is_documented(page: type[Context]) -> None:
    documented = set(re.findall(r"^ +(\w+): \S", (page.__doc__ or "").split("Attributes:")[1], re.MULTILINE))
    assert documented == {field.name for field in fields(page)}


def test_every_template_has_a_context() -> None:
    files = {path.name for path in (HERE / "templates").glob("*.html")}
    shared = {name for name in files if name.startswith(("base", "macros"))}
    assert files - shared == {page.template for page in PAGES}
