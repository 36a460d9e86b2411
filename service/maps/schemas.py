"""What the map of a round looks like from outside."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.vocabulary import Arm, MapRole


class AxisDriver(BaseModel):
    """An encoded input that goes along with an axis; `column` is `name` or `name=category`."""

    column: str
    correlation: float = Field(description="In [-1, 1], over the designs of the map.")


class MapAxis(BaseModel):
    explained_share: float = Field(
        description="Of the variance in the surrogate's last hidden layer, in [0, 1]."
    )
    drivers: list[AxisDriver] = Field(description="The inputs that go along with it most; may be none.")


class MapColumns(BaseModel):
    """The n points column by column, in the order in which they are to be drawn; null: has none."""

    sample_id: list[int | None]
    role: list[MapRole]
    x: list[float]
    y: list[float]
    predicted: list[float]
    predicted_std: list[float]
    half_width: list[float | None] = Field(description="Half the interval around `predicted`.")
    name: list[str | None]
    source: list[str | None]
    target: list[float | None] = Field(description="Its label, as it is now.")
    value: list[float | None] = Field(
        description="Data value from the run that trained the round's surrogate."
    )
    recommendation_id: list[int | None]
    rank: list[int | None]
    arm: list[Arm | None]


class PoolMapRead(BaseModel):
    """Designs on the principal plane of the surrogate's last hidden layer: close together means alike to it."""

    round_id: int
    axes: list[MapAxis] = Field(min_length=2, max_length=2)
    explained_share: float = Field(description="Of both axes together: how much the plane shows.")
    candidates: int = Field(description="In the pool.")
    candidates_shown: int = Field(description="The batch, and the others drawn by lot.")
    interval_level: float
    points: MapColumns
