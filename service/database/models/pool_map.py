"""The map of a round: its designs on a plane, as the surrogate sees their likeness."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Float, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, Document, PrimaryKey, enum_column, finite
from service.vocabulary import MapRole


class PoolMap(Base):
    """What is said of the map as a whole; `axes` names the inputs that go along with each axis."""

    __tablename__ = "pool_maps"
    __table_args__ = (
        CheckConstraint("explained_share >= 0 AND explained_share <= 1", name="explained_share_is_share"),
        CheckConstraint("candidates_shown >= 0 AND candidates_shown <= candidates", name="shows_a_part"),
        CheckConstraint("interval_level > 0 AND interval_level < 1", name="interval_level_is_share"),
    )

    round_id: Mapped[int] = mapped_column(ForeignKey("acquisition_rounds.id"), primary_key=True)
    explained_share: Mapped[float] = mapped_column(Float(53))
    axes: Mapped[Document]
    candidates: Mapped[int]
    candidates_shown: Mapped[int]
    interval_level: Mapped[float] = mapped_column(Float(53))


class MapPoint(Base):
    """One design on the map of a round; written by COPY, never changed.

    `half_width` is half the interval of the map's level; null where the surrogate has none.
    """

    __tablename__ = "map_points"
    __table_args__ = (
        UniqueConstraint("round_id", "sample_id"),
        CheckConstraint("role = 'target' OR sample_id IS NOT NULL", name="is_a_sample"),
        CheckConstraint("half_width >= 0 AND half_width < 'Infinity'::float8", name="half_width_finite"),
        *(
            CheckConstraint(finite(column), name=f"{column}_finite")
            for column in ("x", "y", "predicted", "predicted_std")
        ),
    )

    id: Mapped[PrimaryKey]
    round_id: Mapped[int] = mapped_column(ForeignKey("pool_maps.round_id"), index=True)
    sample_id: Mapped[int | None] = mapped_column(ForeignKey("samples.id"))
    role: Mapped[MapRole] = mapped_column(enum_column(MapRole, "role"))
    x: Mapped[float] = mapped_column(Float(53))
    y: Mapped[float] = mapped_column(Float(53))
    predicted: Mapped[float] = mapped_column(Float(53))
    predicted_std: Mapped[float] = mapped_column(Float(53))
    half_width: Mapped[float | None] = mapped_column(Float(53))
