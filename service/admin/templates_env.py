"""Jinja2 for the dashboard: escaped, strict about names, with filters for units, money and times."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.ext import Extension
from markupsafe import Markup

from service import csrf
from service.admin import formats, navigation
from service.admin.static_files import static_url
from service.scopes import current_rights

HERE = Path(__file__).parent
FILTERS = (
    formats.number,
    formats.money,
    formats.percent,
    formats.hours,
    formats.seconds,
    formats.moment,
    formats.moment_utc,
    formats.words,
)


# A tag may hold expressions, and these may hold a `>`.
FORM_TAG = re.compile(r"<form\b(?:\{\{.*?\}\}|\{%.*?%\}|[^>{])*>|</form>", re.IGNORECASE | re.DOTALL)
POSTS = re.compile(r"""\smethod\s*=\s*["']?post\b""", re.IGNORECASE)
ACTION = re.compile(r"""\saction\s*=\s*(["'])(.*?)\1""", re.IGNORECASE | re.DOTALL)
EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class GuardedForms(Extension):
    """Looks after each `<form method="post">` of a template.

    It gets the hidden field with the token of the session, and shows only to those who may send it where it goes:
    what stands around it and makes no sense without it asks `may_post(url)` itself.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        endings: list[str] = []

        def guarded(tag: re.Match[str]) -> str:
            if tag[0].lower() == "</form>":
                return tag[0] + endings.pop()
            posts = POSTS.search(tag[0]) is not None
            endings.append("{% endif %}" if posts else "")
            if not posts:
                return tag[0]
            return f"{{% if may_post({_expression_of(tag[0])}) %}}{tag[0]}{{{{ csrf_field() }}}}"

        return FORM_TAG.sub(guarded, source)


def _expression_of(tag: str) -> str:
    """The address that a form names, as a Jinja expression."""
    action = ACTION.search(tag)
    if action is None:
        raise ValueError(f"This form does not say where it is sent to: {tag}")
    parts = EXPRESSION.split(action[2])  # text and expressions by turns
    return " ~ ".join(f"({part})" if at % 2 else json.dumps(part) for at, part in enumerate(parts) if part)


def may_post(path: str) -> bool:
    """Whether who looks may send a form there; where nobody is known, as on the page that logs in, it is open."""
    rights = current_rights.get()
    return rights is None or rights.may_post(path)


def csrf_field() -> Markup:
    """The hidden field; nothing where no session asks."""
    token = csrf.current_token.get()
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(csrf.FIELD, token) if token else Markup("")


def csrf_headers() -> Markup:
    """Attribute of the body: the header that htmx, and scripts that read it there, send with every request."""
    token = csrf.current_token.get()
    headers = json.dumps({csrf.HEADER: token})
    return Markup(" hx-headers='{}'").format(headers) if token else Markup("")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment of this process."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[GuardedForms],
    )
    env.filters.update({function.__name__: function for function in FILTERS})
    for function in (static_url, csrf_field, csrf_headers, may_post):
        env.globals[function.__name__] = function
    env.globals["campaign_navigation"] = navigation.CAMPAIGN
    env.globals["settings_navigation"] = navigation.SETTINGS
    env.globals["administration_navigation"] = navigation.ADMINISTRATION
    return env
