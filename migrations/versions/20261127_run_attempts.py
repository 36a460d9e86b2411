"""run attempts: how each attempt at a run ended, and when its message was last sent

Old code may still run while this migration is applied: it writes no attempts, and what it queues counts as sent
when it was created.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

RUN_TABLES = ("valuation_runs", "acquisition_rounds", "import_runs", "backtests", "replays")
OUTCOMES = ("succeeded", "failed", "cancelled", "lost", "handed_back", "late")


def upgrade() -> None:
    for table in RUN_TABLES:
        op.add_column(table, sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "run_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_kind", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(*OUTCOMES, name="outcome", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("artefact_sha256", sa.String(length=64), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "outcome = 'late' OR (metrics IS NULL AND artefact_sha256 IS NULL)",
            name=op.f("ck_run_attempts_only_late_keeps_result"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_attempts")),
    )
    op.create_index(op.f("ix_run_attempts_run_kind_run_id"), "run_attempts", ["run_kind", "run_id"])
    op.create_index(
        "uq_run_attempts_success",
        "run_attempts",
        ["run_kind", "run_id"],
        unique=True,
        postgresql_where=sa.text("outcome = 'succeeded'"),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON run_attempts "
        "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
    )


def downgrade() -> None:
    op.drop_table("run_attempts")
    for table in RUN_TABLES:
        op.drop_column(table, "sent_at")
