"""Declarative base, naming convention and the column types that tables share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Enum, Identity, MetaData, Numeric, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

from service.logs import log_fields

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Identity keys grow with time: the id alone is a stable order for keyset pages.
PrimaryKey = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Money = Annotated[Decimal, mapped_column(Numeric(14, 2))]
# The request that asked for the row, so that a process which takes it up later can name it in its log.
AskedIn = Annotated[str | None, mapped_column(String(64), default=lambda: log_fields().get("request_id"))]
Document = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar = {int: BigInteger}


def enum_column(kind: type[StrEnum], name: str) -> Enum:
    """A VARCHAR with a CHECK: as strict as a native enum, and a new word is one ordinary migration."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


def finite(column: str) -> str:
    """SQL condition: the float column is null or an ordinary number (Postgres sorts NaN above infinity)."""
    return f"{column} > '-Infinity'::float8 AND {column} < 'Infinity'::float8"
