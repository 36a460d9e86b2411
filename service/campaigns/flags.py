"""JSON's true is no 1 and 0 is no false, though pydantic reads one for the other."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

_NULL = type(None)


def refuse_mixed_up(model: type[BaseModel], value: Any) -> None:  # noqa: ANN401 - what came in
    """Before a document is validated.

    Raises:
        ValidationError: naming each number that is given as true or false, and each flag that is given as a number.
    """
    if not isinstance(value, dict):
        return
    details = [
        InitErrorDetails(type=error, loc=(name,), input=value[name])
        for name, wrong, error in _told_apart(model)
        if type(value.get(name)) in wrong
    ]
    if details:
        raise ValidationError.from_exception_data(model.__name__, details)


@cache
def _told_apart(model: type[BaseModel]) -> list[tuple[str, set[type], PydanticCustomError]]:
    """Name, types that it must not have, complaint; texts are left to pydantic: forms send nothing else."""
    found: list[tuple[str, set[type], PydanticCustomError]] = []
    for name, field in model.model_fields.items():
        members = _members(field.annotation) - {_NULL}
        if members and members <= {int, float}:
            found.append((name, {bool}, PydanticCustomError("number", "expects a number, not true or false")))
        elif members == {bool}:
            found.append(
                (name, {int, float}, PydanticCustomError("flag", "expects true or false, not a number"))
            )
    return found


def _members(annotation: Any) -> set[Any]:  # noqa: ANN401 - any annotation
    """The types of a union, without what pydantic is told about them."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return set().union(*map(_members, get_args(annotation)))
    return {annotation}
