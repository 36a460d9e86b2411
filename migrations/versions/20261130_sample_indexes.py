"""samples: groups are found by an index, and rows that no upload and no repetition concerns cost none

Each index that a row stands in costs a bulk insert a microsecond or two of Postgres.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

UPLOADS = "ix_samples_upload_id"
GROUPS = "ix_samples_campaign_id_group_name_split"
REPETITIONS = "uq_samples_candidate_repetition"


def upgrade() -> None:
    op.drop_index(op.f(UPLOADS), table_name="samples")
    op.create_index(
        op.f(UPLOADS), "samples", ["upload_id"], postgresql_where=sa.text("upload_id IS NOT NULL")
    )
    op.create_index(
        op.f(GROUPS),
        "samples",
        ["campaign_id", "group_name", "split"],
        postgresql_where=sa.text("group_name IS NOT NULL"),
    )
    _repetitions("status = 'candidate' AND repeats_sample_id IS NOT NULL")


def downgrade() -> None:
    _repetitions("status = 'candidate'")
    op.drop_index(op.f(GROUPS), table_name="samples")
    op.drop_index(op.f(UPLOADS), table_name="samples")
    op.create_index(op.f(UPLOADS), "samples", ["upload_id"])


def _repetitions(condition: str) -> None:
    op.drop_index(REPETITIONS, table_name="samples")
    op.create_index(
        REPETITIONS, "samples", ["repeats_sample_id"], unique=True, postgresql_where=sa.text(condition)
    )
