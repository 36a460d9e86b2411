"""Pure: text in which planned features stand, for the input decks and arguments of a solver.

`@{name}` becomes the value of a feature, `@{name:10.3f}` the same in a format of Python's (decks have columns of
fixed width), `@@{` a plain `@{`. The `$` of Python's own templates begins a comment in LS-DYNA decks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Value = float | int | str | bool | None
_PLACEHOLDER = re.compile(r"@(?P<escape>@)?\{(?P<inside>[^{}\n]*)\}?")


def complaints(text: str, examples: Mapping[str, Value]) -> Iterator[str]:
    """What is wrong with a template; `examples` has a value of the right kind for every name that may stand there."""
    for match in _PLACEHOLDER.finditer(text):
        if match["escape"]:
            continue
        name, _, form = match["inside"].partition(":")
        if not match[0].endswith("}") or name not in examples:
            yield f"unknown placeholder '{match[0]}': use @{{name}} with one of {', '.join(examples)}"
            continue
        try:
            _formatted(name, examples[name], form)
        except ValueError as error:
            yield str(error)


def render(text: str, values: Mapping[str, Value]) -> str:
    """The text with values for its placeholders.

    Raises:
        ValueError: a value is missing, or does not fit its format.
    """

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0][1:]
        name, _, form = match["inside"].partition(":")
        return _formatted(name, values.get(name), form)

    return _PLACEHOLDER.sub(replace, text)


def _formatted(name: str, value: Value, form: str) -> str:
    if value is None:
        raise ValueError(f"'{name}' has no value in this design: the solver needs one")
    plain = int(value) if isinstance(value, bool) else value
    try:
        return format(plain, form)
    except ValueError as error:
        raise ValueError(f"'{name}' cannot be written as '{form}': {error}") from error
