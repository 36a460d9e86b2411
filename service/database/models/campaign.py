"""Campaigns and the sources that they buy from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, String, UniqueConstraint, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Document, Money, PrimaryKey, enum_column
from service.vocabulary import Oracle, SourceKind


class Campaign(Base):
    """One surrogate: its feature schema, target, target domain, sources and budget."""

    __tablename__ = "campaigns"
    __table_args__ = (
        # Sources must be priced in the campaign's currency; their foreign key needs this pair.
        UniqueConstraint("id", "currency"),
        CheckConstraint("budget >= 0", name="budget_not_negative"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_iso_4217"),
        CheckConstraint("jsonb_array_length(feature_schema) > 0", name="feature_schema_not_empty"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(4000), default="")
    feature_schema: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    target: Mapped[Document]
    target_domain: Mapped[Document]
    currency: Mapped[str] = mapped_column(String(3))
    budget: Mapped[Money | None]
    # When to stop acquiring; null: only when the money or the candidates are used up.
    stop_rule: Mapped[Document | None]
    # Who asked for a round does not approve what it proposes.
    four_eyes: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[Created]

    sources: Mapped[list[Source]] = relationship(
        back_populates="campaign", lazy="selectin", order_by="Source.id", cascade="all, delete-orphan"
    )


class Source(Base):
    """Where a label comes from, with what it costs and how long it takes."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("campaign_id", "name"),
        UniqueConstraint("id", "campaign_id"),
        ForeignKeyConstraint(["campaign_id", "currency"], ["campaigns.id", "campaigns.currency"]),
        CheckConstraint("acquisition_cost > 0", name="acquisition_cost_positive"),
        CheckConstraint("lead_time_hours >= 0", name="lead_time_not_negative"),
        CheckConstraint("capacity IS NULL OR capacity > 0", name="capacity_positive"),
        CheckConstraint("oracle IS NULL OR kind = 'simulation'", name="oracle_needs_simulation"),
        CheckConstraint(
            "(oracle IS NOT DISTINCT FROM 'command') = (oracle_settings IS NOT NULL)",
            name="command_has_settings",
        ),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[SourceKind] = mapped_column(enum_column(SourceKind, "kind"))
    acquisition_cost: Mapped[Money]
    currency: Mapped[str] = mapped_column(String(3))
    lead_time_hours: Mapped[Decimal]
    capacity: Mapped[int | None]
    oracle: Mapped[Oracle | None] = mapped_column(enum_column(Oracle, "oracle"))
    oracle_settings: Mapped[Document | None]

    campaign: Mapped[Campaign] = relationship(back_populates="sources", lazy="raise")
