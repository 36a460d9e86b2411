"""backtests and replays are runs; rounds freeze their evidence and moment; repetitions, injected picks, stop rules"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

RUN_STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
ARMS = ("chosen", "control")


def upgrade() -> None:
    _create_run_table("backtests")
    _create_run_table("replays", sa.Column("round_id", sa.BigInteger(), nullable=False))
    op.create_foreign_key(
        op.f("fk_replays_round_id_campaign_id_acquisition_rounds"),
        "replays",
        "acquisition_rounds",
        ["round_id", "campaign_id"],
        ["id", "campaign_id"],
    )
    op.create_index(op.f("ix_replays_round_id"), "replays", ["round_id"])
    op.add_column("acquisition_rounds", sa.Column("backtest_id", sa.BigInteger(), nullable=True))
    op.add_column("acquisition_rounds", sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_acquisition_rounds_backtest_id_campaign_id_backtests"),
        "acquisition_rounds",
        "backtests",
        ["backtest_id", "campaign_id"],
        ["id", "campaign_id"],
    )
    op.add_column("campaigns", sa.Column("stop_rule", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    _allow_arms(*ARMS, "injected")
    _add_repetitions()


def _create_run_table(table: str, *columns: sa.Column[int]) -> None:
    status = sa.Enum(*RUN_STATUSES, name="status", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        table,
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        *columns,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("status", status, nullable=False),
        sa.Column("configuration", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("sample_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("data_hash", sa.String(length=64), nullable=True),
        sa.Column("progress", sa.Float(precision=53), nullable=False),
        sa.Column("progress_message", sa.String(length=400), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("device", sa.String(length=64), nullable=True),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(length=2000), nullable=True),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f(f"ck_{table}_progress_is_share")),
        sa.CheckConstraint(
            "(status = 'failed') = (error_message IS NOT NULL)", name=op.f(f"ck_{table}_failed_has_reason")
        ),
        sa.CheckConstraint(
            "status <> 'succeeded' OR data_hash IS NOT NULL", name=op.f(f"ck_{table}_succeeded_has_snapshot")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f(f"fk_{table}_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f(f"uq_{table}_id_campaign_id")),
    )
    op.create_index(op.f(f"ix_{table}_campaign_id"), table, ["campaign_id"])


def _allow_arms(*arms: str) -> None:
    op.drop_constraint(op.f("ck_recommendations_arm"), "recommendations")
    words = ", ".join(f"'{arm}'" for arm in arms)
    op.create_check_constraint(op.f("ck_recommendations_arm"), "recommendations", f"arm IN ({words})")


def _add_repetitions() -> None:
    op.add_column("samples", sa.Column("repeats_sample_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "fk_samples_repeated",
        "samples",
        "samples",
        ["repeats_sample_id", "campaign_id", "split"],
        ["id", "campaign_id", "split"],
        onupdate="CASCADE",
    )
    op.create_check_constraint(op.f("ck_samples_repeats_another"), "samples", "repeats_sample_id <> id")
    op.create_index(
        "uq_samples_candidate_repetition",
        "samples",
        ["repeats_sample_id"],
        unique=True,
        postgresql_where=sa.text("status = 'candidate'"),
    )


def downgrade() -> None:
    op.drop_index("uq_samples_candidate_repetition", table_name="samples")
    op.drop_constraint("fk_samples_repeated", "samples")
    op.drop_column("samples", "repeats_sample_id")
    # The older schema has no word for them; what a person chose was chosen.
    op.execute("UPDATE recommendations SET arm = 'chosen' WHERE arm = 'injected'")
    _allow_arms(*ARMS)
    op.drop_column("campaigns", "stop_rule")
    op.drop_column("acquisition_rounds", "frozen_at")
    op.drop_column("acquisition_rounds", "backtest_id")
    op.drop_table("replays")
    op.drop_table("backtests")
