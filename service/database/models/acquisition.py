"""Acquisition rounds, their recommendations, and every change that a recommendation went through."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Document, Moment, Money, PrimaryKey, enum_column, finite
from service.database.models.run import RunColumns, large_id_list, run_constraints
from service.database.models.sample import Sample
from service.lifecycles import OPEN, RecommendationStatus
from service.vocabulary import Arm, Split

_OPEN_SQL = ", ".join(f"'{status.value}'" for status in sorted(OPEN))


class AcquisitionRound(RunColumns, Base):
    """One ranking of the pool under a budget with a frozen surrogate."""

    __tablename__ = "acquisition_rounds"
    __table_args__ = (
        *run_constraints(),
        ForeignKeyConstraint(["surrogate_id", "campaign_id"], ["surrogates.id", "surrogates.campaign_id"]),
        ForeignKeyConstraint(["backtest_id", "campaign_id"], ["backtests.id", "backtests.campaign_id"]),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    surrogate_id: Mapped[int]
    # The evidence that `auto` decides by, frozen like everything else that the result depends on.
    backtest_id: Mapped[int | None]
    sample_ids: Mapped[list[int] | None] = large_id_list()
    pool_size: Mapped[int | None]
    # Ranks like any other, proposes nothing, and is deleted after a while with its `previewed_picks`.
    dry_run: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # The moment of the snapshot by the database's clock: a replay looks at the rows as they stood then.
    frozen_at: Mapped[Moment | None]


class Replay(RunColumns, Base):
    """A round ranked once more on what it saw; `metrics` tells whether the same bytes came out.

    It stores nothing else: `configuration` and `seed` are those of the round.
    """

    __tablename__ = "replays"
    __table_args__ = (
        *run_constraints(),
        ForeignKeyConstraint(
            ["round_id", "campaign_id"], ["acquisition_rounds.id", "acquisition_rounds.campaign_id"]
        ),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    round_id: Mapped[int] = mapped_column(index=True)


class Recommendation(Base):
    """One candidate that a round proposes to acquire."""

    __tablename__ = "recommendations"
    __table_args__ = (
        UniqueConstraint("round_id", "rank"),
        UniqueConstraint("round_id", "sample_id"),
        # The split travels with the key: a sample that may not be acquired cannot be recommended, and one
        # that was recommended cannot be moved into the holdout afterwards.
        ForeignKeyConstraint(
            ["sample_id", "campaign_id", "sample_split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            onupdate="CASCADE",
            name="fk_recommendations_sample",
        ),
        ForeignKeyConstraint(
            ["round_id", "campaign_id"], ["acquisition_rounds.id", "acquisition_rounds.campaign_id"]
        ),
        ForeignKeyConstraint(["campaign_id", "currency"], ["campaigns.id", "campaigns.currency"]),
        Index(
            "uq_recommendations_open_sample",
            "sample_id",
            unique=True,
            postgresql_where=text(f"status IN ({_OPEN_SQL})"),
        ),
        Index(None, "campaign_id", "status", "id"),
        CheckConstraint("sample_split = 'train'", name="only_from_pool"),
        CheckConstraint("rank >= 1", name="rank_positive"),
        CheckConstraint(finite("score"), name="score_finite"),
        CheckConstraint("acquisition_cost > 0", name="acquisition_cost_positive"),
        CheckConstraint(
            "selection_probability IS NULL OR (selection_probability > 0 AND selection_probability <= 1)",
            name="selection_probability_is_probability",
        ),
        CheckConstraint("arm <> 'control' OR selection_probability IS NOT NULL", name="control_is_drawn"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int]
    round_id: Mapped[int]
    sample_id: Mapped[int]
    sample_split: Mapped[Split] = mapped_column(enum_column(Split, "sample_split"), default=Split.TRAIN)
    rank: Mapped[int]
    score: Mapped[float] = mapped_column(Float(53))
    components: Mapped[Document]
    reason: Mapped[str] = mapped_column(String(2000))
    arm: Mapped[Arm] = mapped_column(enum_column(Arm, "arm"))
    selection_probability: Mapped[float | None] = mapped_column(Float(53))
    acquisition_cost: Mapped[Money]
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[RecommendationStatus] = mapped_column(
        enum_column(RecommendationStatus, "status"), default=RecommendationStatus.PROPOSED
    )
    is_late: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    changed_at: Mapped[Moment | None]

    sample: Mapped[Sample] = relationship(lazy="raise", viewonly=True)
    history: Mapped[list[RecommendationChange]] = relationship(
        lazy="raise", order_by="RecommendationChange.id", viewonly=True
    )


class RankedCandidate(Base):
    """One line of a round's ranking, as many as the round was asked to keep; written by COPY, never changed.

    Scores and information are those before any pick: the batch, which comes first, was chosen one by one.
    """

    __tablename__ = "ranked_candidates"
    __table_args__ = (
        CheckConstraint("rank >= 1", name="rank_positive"),
        *(
            CheckConstraint(finite(column), name=f"{column}_finite")
            for column in ("score", "information", "relevance", "predicted", "predicted_std")
        ),
    )

    round_id: Mapped[int] = mapped_column(ForeignKey("acquisition_rounds.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    score: Mapped[float] = mapped_column(Float(53))
    information: Mapped[float] = mapped_column(Float(53))
    relevance: Mapped[float] = mapped_column(Float(53))
    predicted: Mapped[float] = mapped_column(Float(53))
    predicted_std: Mapped[float] = mapped_column(Float(53))
    eligible: Mapped[bool]
    affordable: Mapped[bool]


class PreviewedPick(Base):
    """One line of the batch that a dry run would have proposed; it commits nobody to anything.

    A repetition of a test, for which a dry run makes no sample, stands there with the sample that it repeats.
    """

    __tablename__ = "previewed_picks"
    __table_args__ = (
        CheckConstraint("rank >= 1", name="rank_positive"),
        CheckConstraint(finite("score"), name="score_finite"),
    )

    round_id: Mapped[int] = mapped_column(ForeignKey("acquisition_rounds.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    is_repetition: Mapped[bool]
    score: Mapped[float] = mapped_column(Float(53))
    components: Mapped[Document]
    reason: Mapped[str] = mapped_column(String(2000))
    arm: Mapped[Arm] = mapped_column(enum_column(Arm, "arm"))
    selection_probability: Mapped[float | None] = mapped_column(Float(53))
    acquisition_cost: Mapped[Money]
    currency: Mapped[str] = mapped_column(String(3))

    sample: Mapped[Sample] = relationship(lazy="raise", viewonly=True)


class RecommendationChange(Base):
    """One step of a recommendation's life; rows are only ever added (a trigger refuses the rest)."""

    __tablename__ = "recommendation_changes"

    id: Mapped[PrimaryKey]
    recommendation_id: Mapped[int] = mapped_column(ForeignKey("recommendations.id"), index=True)
    from_status: Mapped[RecommendationStatus | None] = mapped_column(
        enum_column(RecommendationStatus, "from_status")
    )
    to_status: Mapped[RecommendationStatus] = mapped_column(enum_column(RecommendationStatus, "to_status"))
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[Created]
