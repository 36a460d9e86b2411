"""dry runs of rounds with what they would have proposed, and standing vetoes of samples"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

ARMS = ("chosen", "control", "injected")
FINITE = "score > '-Infinity'::float8 AND score < 'Infinity'::float8"


def upgrade() -> None:
    op.add_column(
        "acquisition_rounds",
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    _create_previewed_picks()
    _create_vetoes()


def _create_previewed_picks() -> None:
    table = "previewed_picks"
    op.create_table(
        table,
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("is_repetition", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("components", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column(
            "arm",
            sa.Enum(*ARMS, name="arm", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("selection_probability", sa.Float(precision=53), nullable=True),
        sa.Column("acquisition_cost", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("rank >= 1", name=op.f(f"ck_{table}_rank_positive")),
        sa.CheckConstraint(FINITE, name=op.f(f"ck_{table}_score_finite")),
        sa.ForeignKeyConstraint(
            ["round_id"], ["acquisition_rounds.id"], name=op.f(f"fk_{table}_round_id_acquisition_rounds")
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f(f"fk_{table}_sample_id_samples")),
        sa.PrimaryKeyConstraint("round_id", "rank", name=op.f(f"pk_{table}")),
    )


def _create_vetoes() -> None:
    table = "sample_vetoes"
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("reason <> ''", name=op.f(f"ck_{table}_has_reason")),
        sa.CheckConstraint("lifted_at >= created_at", name=op.f(f"ck_{table}_lifted_later")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f(f"fk_{table}_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f(f"fk_{table}_sample_id_samples")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_campaign_id"), table, ["campaign_id"])
    op.create_index(op.f(f"ix_{table}_sample_id"), table, ["sample_id"])
    op.create_index(
        "uq_sample_vetoes_standing",
        table,
        ["sample_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("sample_vetoes")
    op.drop_table("previewed_picks")
    # The older code would take them for rounds that proposed nothing.
    op.execute("DELETE FROM replays USING acquisition_rounds r WHERE r.id = round_id AND r.dry_run")
    op.execute("DELETE FROM ranked_candidates USING acquisition_rounds r WHERE r.id = round_id AND r.dry_run")
    op.execute("DELETE FROM acquisition_rounds WHERE dry_run")
    op.drop_column("acquisition_rounds", "dry_run")
