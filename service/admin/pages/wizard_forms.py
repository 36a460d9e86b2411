"""The steps of a new campaign between their forms and the API's own request.

The draft is the request as far as it was typed, with texts where the request has numbers. It travels in a hidden field:
nothing is stored before the campaign is, and going back loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.admin.contexts.wizard import SourceInputs
from service.admin.plain_errors import errors_of, place_of
from service.admin.solver_forms import inputs_of, settings_of, typed_solver
from service.campaigns.oracles import check_oracles
from service.campaigns.schemas import CampaignCreate
from service.errors import InputError
from service.vocabulary import Oracle

STEPS = {
    "basics": "Name",
    "features": "Features",
    "target": "Target and domain",
    "sources": "Sources",
    "budget": "Budget",
    "review": "Review",
}
Draft = dict[str, Any]
Lists = Mapping[str, Sequence[str]]
FEATURE_FIELDS = (
    "name", "unit", "kind", "minimum", "maximum", "categories", "required", "tolerance", "load_case", "description",
)  # fmt: skip
_FEATURE_TEXTS = ("name", "kind", "minimum", "maximum", "tolerance", "description")
CONDITION_FIELDS = ("feature", "minimum", "maximum", "categories")
SOURCE_FIELDS = ("name", "kind", "acquisition_cost", "lead_time_hours", "capacity", "oracle")
# What stands for the steps to come while one is checked: whatever is wrong then belongs to the step.
_PLACEHOLDERS: Draft = {
    "name": "-",
    "feature_schema": [{"name": "feature_to_come"}],
    "sources": [{"name": "source_to_come", "kind": "physical_test", "acquisition_cost": "1"}],
}


def draft_of(text: str) -> Draft:
    """The draft of the hidden field; an unreadable one is none."""
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def with_step(draft: Draft, step: str, lists: Lists) -> Draft:
    """The draft with what was typed in a step."""
    one = {name: values[0].replace("\x00", "").strip() for name, values in lists.items() if values}
    readers = {
        "basics": _basics,
        "features": _features,
        "target": _target,
        "sources": _sources,
        "budget": _budget,
    }
    reader = readers.get(step)
    return draft if reader is None else draft | reader(one, lists)


def _basics(one: Mapping[str, str], _: Lists) -> Draft:
    return {name: one.get(name, "") for name in ("name", "description", "currency")}


def _features(_: Mapping[str, str], lists: Lists) -> Draft:
    rows = _rows("feature", FEATURE_FIELDS, lists)
    return {"feature_schema": [_feature(row) for row in rows if row["name"]]}


def _feature(row: Mapping[str, str]) -> Draft:
    feature: Draft = {name: row[name] for name in _FEATURE_TEXTS if row[name]}
    feature |= {"unit": row["unit"] or "1", "required": row["required"] != "no"}
    feature["load_case"] = row["load_case"] == "yes"
    return feature | ({"categories": _split(row["categories"])} if row["categories"] else {})


def _target(one: Mapping[str, str], lists: Lists) -> Draft:
    names = ("name", "unit", "minimum", "maximum", "label_definition")
    target = {name: one.get(f"target_{name}") or None for name in names}
    rows = _rows("condition", CONDITION_FIELDS, lists)
    conditions = [_condition(row) for row in rows if row["feature"]]
    domain = {"description": one.get("domain_description", ""), "conditions": conditions}
    return {"target": target, "target_domain": domain}


def _condition(row: Mapping[str, str]) -> Draft:
    bounds: Draft = {name: row[name] for name in ("feature", "minimum", "maximum") if row[name]}
    return bounds | ({"categories": _split(row["categories"])} if row["categories"] else {})


def _sources(_: Mapping[str, str], lists: Lists) -> Draft:
    rows = enumerate(_rows("source", SOURCE_FIELDS, lists))
    return {"sources": [_source(row, lists, index) for index, row in rows if row["name"]]}


def _source(row: Mapping[str, str], lists: Lists, index: int) -> Draft:
    """A line with its solver, whose inputs carry the number of the line in their names."""
    return {name: text for name, text in row.items() if text} | {
        "solver": typed_solver(lists, f"source_{index}_")
    }


def _budget(one: Mapping[str, str], _: Lists) -> Draft:
    rule = {name: one.get(name) or None for name in ("target_error", "value_per_unit")}
    return {
        "budget": one.get("budget") or None,
        "stop_rule": rule if any(rule.values()) else None,
        "four_eyes": one.get("four_eyes") == "yes",
    }


def _rows(prefix: str, fields: Sequence[str], lists: Lists) -> list[dict[str, str]]:
    """Lines of inputs that share their names; forged forms may have columns of unequal length."""
    columns = [lists.get(f"{prefix}_{field}", []) for field in fields]
    lines = zip(*columns, strict=False)
    return [
        dict(zip(fields, (cell.replace("\x00", "").strip() for cell in line), strict=True)) for line in lines
    ]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def request_of(draft: Draft) -> CampaignCreate:
    """The whole request.

    Raises:
        InputError: naming the fields that do not fit.
    """
    currency = draft.get("currency") or "USD"
    sources = [
        _source_request(source, currency, f"sources row {index}")
        for index, source in enumerate(_documents(draft, "sources"), 1)
    ]
    document = {name: value for name, value in draft.items() if value is not None}
    document |= {"sources": sources, "currency": currency}
    try:
        return CampaignCreate.model_validate(document)
    except ValidationError as error:
        raise InputError("This does not fit yet.", errors=errors_of(error, place_of)) from error


def _source_request(source: Draft, currency: str, place: str) -> Draft:
    wanted = {name: value for name, value in source.items() if name != "solver"} | {"currency": currency}
    if (
        source.get("oracle") == Oracle.COMMAND
    ):  # what was typed for a solver that is not chosen waits in the draft
        wanted["oracle_settings"] = settings_of(part_of(source, "solver"), f"{place} solver")
    return wanted


def check(draft: Draft, step: str, oracle_commands: Sequence[Path] = ()) -> None:
    """Check the draft up to a step; `oracle_commands` as in `service.campaigns.oracles.check_oracles`.

    Raises:
        InputError: naming the fields that do not fit.
    """
    names = list(STEPS)
    known = {
        "basics": ("name", "description", "currency"), "features": ("feature_schema",),
        "target": ("target", "target_domain"), "sources": ("sources",), "budget": ("budget", "stop_rule", "four_eyes"),
    }  # fmt: skip
    so_far = {name for each in names[: names.index(step) + 1] for name in known.get(each, ())}
    request = request_of(_PLACEHOLDERS | {name: value for name, value in draft.items() if name in so_far})
    check_oracles(request.sources, request.feature_schema, oracle_commands)


def feature_rows(draft: Draft) -> list[dict[str, str]]:
    """The feature schema as texts of inputs, with an empty line for one more."""
    rows = [
        {name: _text(feature.get(name)) for name in FEATURE_FIELDS}
        for feature in _documents(draft, "feature_schema")
    ]
    return [*rows, dict.fromkeys(FEATURE_FIELDS, "")]


def condition_rows(draft: Draft) -> list[dict[str, str]]:
    found = _documents(part_of(draft, "target_domain"), "conditions")
    rows = [{name: _text(row.get(name)) for name in CONDITION_FIELDS} for row in found]
    return [*rows, dict.fromkeys(CONDITION_FIELDS, "")]


def source_rows(draft: Draft) -> list[SourceInputs]:
    """The sources as texts of inputs, with an empty one for one more."""
    return [
        SourceInputs(
            {name: _text(row.get(name)) for name in SOURCE_FIELDS}, inputs_of(part_of(row, "solver"))
        )
        for row in [*_documents(draft, "sources"), {}]
    ]


def part_of(draft: Draft, name: str) -> dict[str, Any]:
    """An object of the draft; empty when there is none."""
    value = draft.get(name)
    return value if isinstance(value, dict) else {}


def _documents(draft: Draft, name: str) -> list[dict[str, Any]]:
    """A list of objects of the draft; a forged hidden field may hold anything."""
    value = draft.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
