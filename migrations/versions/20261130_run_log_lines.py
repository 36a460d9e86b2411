"""what workers and solvers say while they work on a run

Old code may still run while this migration is applied: it writes no lines.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

TABLE = "run_log_lines"


def _words(name: str, *words: str) -> sa.Column:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_kind", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        _words("level", "info", "warning", "error"),
        _words("speaker", "worker", "solver"),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index(op.f(f"ix_{TABLE}_run_kind_run_id_id"), TABLE, ["run_kind", "run_id", "id"])
    op.create_index(op.f(f"ix_{TABLE}_said_at"), TABLE, ["said_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
