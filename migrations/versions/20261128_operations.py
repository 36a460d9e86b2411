"""operations: signs of life of processes, the request behind each run, artefacts that retention removed"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

ASKED_FOR = (
    "valuation_runs", "acquisition_rounds", "import_runs", "backtests", "replays", "uploads", "campaign_rounds",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("worker", "beat", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("queues", postgresql.ARRAY(sa.String(length=32)), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        sa.UniqueConstraint("host", "pid", "kind", name=op.f("uq_processes_host_pid_kind")),
    )
    for table in ASKED_FOR:
        op.add_column(table, sa.Column("request_id", sa.String(length=64), nullable=True))
    op.alter_column("surrogates", "artefact", nullable=True)


def downgrade() -> None:
    op.execute("UPDATE surrogates SET artefact = '' WHERE artefact IS NULL")
    op.alter_column("surrogates", "artefact", nullable=False)
    for table in ASKED_FOR:
        op.drop_column(table, "request_id")
    op.drop_table("processes")
