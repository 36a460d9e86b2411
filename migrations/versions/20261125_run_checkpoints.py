"""run checkpoints

Old code may still run while this migration is applied: add first, remove in a later release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "run_checkpoints",
        sa.Column("run_kind", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run_kind", "run_id", name=op.f("pk_run_checkpoints")),
    )
    # Floats of a training do not compress: do not try each time.
    op.execute("ALTER TABLE run_checkpoints ALTER COLUMN state SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("run_checkpoints")
