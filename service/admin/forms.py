"""HTML forms in front of the API's own request models: the same limits, the same messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from service import csrf
from service.admin.contexts.base import FormField
from service.admin.plain_errors import errors_of, place_of
from service.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
SEED = "seed"
LONGEST_ID = 19  # digits of the largest key that Postgres has


@dataclass(frozen=True)
class Input:
    """A field of a model with its words for people."""

    name: str
    label: str
    hint: str


def fields_of(model: type[BaseModel], inputs: Sequence[Input]) -> list[FormField]:
    """Inputs whose limits and defaults come from the model's JSON schema."""
    document = model.model_json_schema()
    return [
        _field(wanted, _resolved(document["properties"][wanted.name], document.get("$defs", {})))
        for wanted in inputs
    ]


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a field with what it refers to: pydantic keeps enums in a place of their own."""
    if "$ref" not in schema:
        return schema
    return {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **schema}


def _field(wanted: Input, schema: Mapping[str, Any]) -> FormField:
    if schema.get("type") == "array":
        return _choices(wanted, schema)
    if schema.get("type") == "boolean":
        return _yes_or_no(wanted, schema)
    # An optional number is written as `anyOf` number, null.
    merged = {**schema, **schema.get("anyOf", [{}])[0]}
    default = schema.get("default")
    return FormField(
        name=wanted.name,
        label=wanted.label,
        hint=wanted.hint,
        value="" if default is None else str(default),
        minimum=merged.get("minimum"),
        maximum=merged.get("maximum", merged.get("exclusiveMaximum")),
        step="1" if merged.get("type") == "integer" else "any",
        options=merged.get("enum", []),
    )


def _choices(wanted: Input, schema: Mapping[str, Any]) -> FormField:
    """Several of the options of a list."""
    return FormField(
        wanted.name, wanted.label, wanted.hint, " ".join(schema.get("default", [])), None, None, "any",
        options=schema["items"]["enum"], is_multiple=True,
    )  # fmt: skip


def _yes_or_no(wanted: Input, schema: Mapping[str, Any]) -> FormField:
    """Two options, not a box to tick: an unticked box would send nothing, which is the default."""
    value = "yes" if schema.get("default") else "no"
    return FormField(wanted.name, wanted.label, wanted.hint, value, None, None, "any", options=["yes", "no"])


async def _fields(request: Request) -> dict[str, str]:
    """The text fields of a form that were filled in."""
    form = await csrf.form_of(request)
    # Postgres stores no NUL characters.
    texts = {
        name: value.replace("\x00", "").strip() for name, value in form.items() if isinstance(value, str)
    }
    return {name: text for name, text in texts.items() if text and name != csrf.FIELD}


FormDep = Annotated[dict[str, str], Depends(_fields)]


async def _filled_lists(request: Request) -> dict[str, list[str]]:
    """Every value of the fields of a form that were filled in: several checkboxes share a name."""
    found: dict[str, list[str]] = {}
    for name, value in (await csrf.form_of(request)).multi_items():
        if isinstance(value, str) and (text := value.replace("\x00", "").strip()):
            found.setdefault(name, []).append(text)
    return found


FormListsDep = Annotated[dict[str, list[str]], Depends(_filled_lists)]


def whole_numbers(texts: Iterable[str]) -> list[int]:
    """Those of the texts that are ids, each once, in their order; forged ones are left out."""
    return list(dict.fromkeys(int(text) for text in texts if text.isdecimal() and len(text) < LONGEST_ID))


async def _lists(request: Request) -> dict[str, list[str]]:
    """Every field of a form with all its values: boxes of one name that are ticked."""
    form = await csrf.form_of(request)
    return {name: [str(value) for value in form.getlist(name)] for name in form}


ListsDep = Annotated[dict[str, list[str]], Depends(_lists)]


def parse(model: type[Model], form: Mapping[str, Any]) -> Model:
    """A request `{configuration, seed}` out of a flat form.

    Raises:
        InputError: naming the fields that do not fit.
    """
    configuration = {name: value for name, value in form.items() if name != SEED}
    document: dict[str, Any] = {"configuration": configuration}
    if SEED in form:
        document[SEED] = form[SEED]
    return parse_document(model, document)


def parse_document(model: type[Model], document: Mapping[str, Any]) -> Model:
    """A request out of a document of texts.

    Raises:
        InputError: naming the fields that do not fit.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputError("Some settings do not fit.", errors=errors_of(error, _place)) from error


def _place(location: Sequence[int | str]) -> str:
    """A flat form shows a field's own name; those of a solver stand below it."""
    if "oracle_settings" in location:
        return place_of(location[location.index("oracle_settings") :])
    return place_of(location[-2:] if location and isinstance(location[-1], int) else location[-1:])
