"""What a session may see: the one place where a principal's limit to campaigns is enforced.

`limit(session, ids)` makes the rows of all other campaigns invisible to every ORM statement of the session, whoever
writes it: they are not found, not counted, not changed. A table belongs to a campaign by its column `campaign_id`, or
by the row that a foreign key of it names (a data value by its valuation run, a delivery by its webhook). Rows of
another campaign cannot be added either.

Not covered: text() and Core tables (`Model.__table__`), which repositories use only behind a row that was found
through the ORM, and tables that `UNLIMITED` names.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache

from sqlalchemy import ColumnElement, event, select
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

from service.database.base import Base
from service.database.models import Campaign
from service.errors import ForbiddenError

# Execution option of statements that keep the outbox of all campaigns in order, whoever asks.
ALL_CAMPAIGNS = {"crashscout_all_campaigns": True}
_KEY = "campaign_ids"
# Tables of no campaign. Attempts, checkpoints and log lines name their run by kind and number: they are read
# through the run.
UNLIMITED = frozenset({
    "users", "user_sessions", "api_keys", "login_attempts", "processes", "run_attempts", "run_checkpoints",
    "run_log_lines", "stored_answers",
})  # fmt: skip


def limit(session: Session, campaign_ids: frozenset[int] | None) -> None:
    """From now on nothing but these campaigns exists for the session; None: no limit."""
    if campaign_ids is not None:
        session.info[_KEY] = campaign_ids


def belongs(model: type[Base], campaign_ids: Collection[int]) -> ColumnElement[bool] | None:
    """The condition that a row is one of these campaigns'; None for a table of no campaign."""
    if model is Campaign:
        return Campaign.id.in_(campaign_ids)
    if "campaign_id" in model.__table__.columns:
        return _column(model, "campaign_id").in_(campaign_ids)
    for name, parent, referred in _parents(model):
        among = belongs(parent, campaign_ids)
        if among is not None:
            return _column(model, name).in_(select(_column(parent, referred)).where(among))
    return None


def _column(model: type[Base], name: str) -> ColumnElement[int]:
    found: ColumnElement[int] = getattr(model, name)
    return found


@cache
def _parents(model: type[Base]) -> list[tuple[str, type[Base], str]]:
    """(attribute, model, its attribute) of the foreign keys that every row of the table has."""
    kinds = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    mapper: Mapper[Base] = model.__mapper__
    return [
        (mapper.get_property_by_column(column).key, kinds[key.column.table], key.column.name)
        for column in mapper.local_table.columns
        if not column.nullable
        for key in sorted(column.foreign_keys, key=lambda key: key.target_fullname)
        if key.column.table is not mapper.local_table
    ]


@cache
def models_of_campaigns() -> tuple[type[Base], ...]:
    """Every model whose rows belong to a campaign."""
    models = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
    return tuple(model for model in models if belongs(model, ()) is not None)


def _hide_the_rest(state: ORMExecuteState) -> None:
    campaign_ids = state.session.info.get(_KEY)
    if campaign_ids is None or "crashscout_all_campaigns" in state.execution_options:
        return
    # What an object refers to is loaded with the criteria of the statement that found it.
    if state.is_column_load or state.is_relationship_load or state.is_insert:
        return
    criteria = (_criteria(model, campaign_ids) for model in models_of_campaigns())
    state.statement = state.statement.options(*criteria)


@lru_cache(maxsize=4096)
def _criteria(model: type[Base], campaign_ids: frozenset[int]) -> ExecutableOption:
    condition = belongs(model, campaign_ids)
    assert condition is not None
    return with_loader_criteria(model, condition, include_aliases=True)


def _refuse_foreign_rows(session: Session, *_: object) -> None:
    campaign_ids = session.info.get(_KEY)
    if campaign_ids is None:
        return
    for row in session.new:
        if isinstance(row, Campaign):
            message = "Who is limited to campaigns cannot create another one."
            raise ForbiddenError(message, hint="Ask an administrator whom no campaigns limit.")
        campaign_id = getattr(row, "campaign_id", None)
        if campaign_id is not None and campaign_id not in campaign_ids:
            raise ForbiddenError(f"Campaign {campaign_id} is not one of yours.")


event.listen(Session, "do_orm_execute", _hide_the_rest)
event.listen(Session, "before_flush", _refuse_foreign_rows)
