"""sources may have a command as their oracle; simulations are runs with a lease"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

RUN_STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
TABLE = "simulation_runs"


def upgrade() -> None:
    op.add_column(
        "sources", sa.Column("oracle_settings", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    _allow_oracles("occupant_model", "command")
    op.create_check_constraint(
        op.f("ck_sources_command_has_settings"),
        "sources",
        "(oracle IS NOT DISTINCT FROM 'command') = (oracle_settings IS NOT NULL)",
    )
    _create_runs()


def _allow_oracles(*oracles: str) -> None:
    op.drop_constraint(op.f("ck_sources_oracle"), "sources")
    words = ", ".join(f"'{oracle}'" for oracle in oracles)
    op.create_check_constraint(op.f("ck_sources_oracle"), "sources", f"oracle IN ({words})")


def _create_runs() -> None:
    status = sa.Enum(*RUN_STATUSES, name="status", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        TABLE,
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("recommendation_id", sa.BigInteger(), nullable=False),
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
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f(f"ck_{TABLE}_progress_is_share")),
        sa.CheckConstraint(
            "(status = 'failed') = (error_message IS NOT NULL)", name=op.f(f"ck_{TABLE}_failed_has_reason")
        ),
        sa.CheckConstraint(
            "status <> 'succeeded' OR data_hash IS NOT NULL", name=op.f(f"ck_{TABLE}_succeeded_has_snapshot")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f(f"fk_{TABLE}_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.id"],
            name=op.f(f"fk_{TABLE}_recommendation_id_recommendations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f(f"uq_{TABLE}_id_campaign_id")),
    )
    for column in ("campaign_id", "recommendation_id"):
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])
    op.create_index(
        "uq_simulation_runs_open",
        TABLE,
        ["recommendation_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_constraint(op.f("ck_sources_command_has_settings"), "sources")
    # The older schema knows no such oracle: people run these simulations themselves then.
    op.execute("UPDATE sources SET oracle = NULL WHERE oracle = 'command'")
    _allow_oracles("occupant_model")
    op.drop_column("sources", "oracle_settings")
