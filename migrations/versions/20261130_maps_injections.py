"""maps of the pool, and injections: designs that people want in the next round"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0016"

NUMBERS = ("x", "y", "predicted", "predicted_std")


def upgrade() -> None:
    _create_maps()
    _create_points()
    _create_injections()


def _create_maps() -> None:
    op.create_table(
        "pool_maps",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("explained_share", sa.Float(precision=53), nullable=False),
        sa.Column("axes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("candidates", sa.BigInteger(), nullable=False),
        sa.Column("candidates_shown", sa.BigInteger(), nullable=False),
        sa.Column("interval_level", sa.Float(precision=53), nullable=False),
        sa.CheckConstraint(
            "explained_share >= 0 AND explained_share <= 1",
            name=op.f("ck_pool_maps_explained_share_is_share"),
        ),
        sa.CheckConstraint(
            "candidates_shown >= 0 AND candidates_shown <= candidates", name=op.f("ck_pool_maps_shows_a_part")
        ),
        sa.CheckConstraint(
            "interval_level > 0 AND interval_level < 1", name=op.f("ck_pool_maps_interval_level_is_share")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["acquisition_rounds.id"], name=op.f("fk_pool_maps_round_id_acquisition_rounds")
        ),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_pool_maps")),
    )


def _create_points() -> None:
    role = sa.Enum(
        "labelled", "validation", "pending", "candidate", "target",
        name="role", native_enum=False, create_constraint=True, length=32,
    )  # fmt: skip
    op.create_table(
        "map_points",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=True),
        sa.Column("role", role, nullable=False),
        *(sa.Column(name, sa.Float(precision=53), nullable=False) for name in NUMBERS),
        sa.Column("half_width", sa.Float(precision=53), nullable=True),
        *(
            sa.CheckConstraint(
                f"{name} > '-Infinity'::float8 AND {name} < 'Infinity'::float8",
                name=op.f(f"ck_map_points_{name}_finite"),
            )
            for name in NUMBERS
        ),
        sa.CheckConstraint(
            "half_width >= 0 AND half_width < 'Infinity'::float8",
            name=op.f("ck_map_points_half_width_finite"),
        ),
        sa.CheckConstraint(
            "role = 'target' OR sample_id IS NOT NULL", name=op.f("ck_map_points_is_a_sample")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["pool_maps.round_id"], name=op.f("fk_map_points_round_id_pool_maps")
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_map_points_sample_id_samples")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_map_points")),
        sa.UniqueConstraint("round_id", "sample_id", name=op.f("uq_map_points_round_id_sample_id")),
    )
    op.create_index(op.f("ix_map_points_round_id"), "map_points", ["round_id"])


def _create_injections() -> None:
    split = sa.Enum(
        "train", "validation", "holdout",
        name="sample_split", native_enum=False, create_constraint=True, length=32,
    )  # fmt: skip
    op.create_table(
        "injections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_split", split, nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("sample_split = 'train'", name=op.f("ck_injections_only_from_pool")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)",
            name=op.f("ck_injections_withdrawn_by_somebody"),
        ),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_injections_has_reason")),
        sa.ForeignKeyConstraint(
            ["sample_id", "campaign_id", "sample_split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            name="fk_injections_sample",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_injections")),
    )
    op.create_index(op.f("ix_injections_campaign_id_id"), "injections", ["campaign_id", "id"])
    op.create_index(
        "uq_injections_standing",
        "injections",
        ["sample_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("injections")
    op.drop_table("map_points")
    op.drop_table("pool_maps")
