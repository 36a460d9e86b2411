"""ranked candidates: as many rows of a round's ranking as it was asked to keep

Rounds that wait or run were requested before there was a choice: they get its default.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBERS = ("score", "information", "relevance", "predicted", "predicted_std")


def upgrade() -> None:
    op.create_table(
        "ranked_candidates",
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Float(precision=53), nullable=False) for name in NUMBERS),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.Column("affordable", sa.Boolean(), nullable=False),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_ranked_candidates_rank_positive")),
        *(
            sa.CheckConstraint(
                f"{name} > '-Infinity'::float8 AND {name} < 'Infinity'::float8",
                name=op.f(f"ck_ranked_candidates_{name}_finite"),
            )
            for name in NUMBERS
        ),
        sa.ForeignKeyConstraint(
            ["round_id"],
            ["acquisition_rounds.id"],
            name=op.f("fk_ranked_candidates_round_id_acquisition_rounds"),
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_ranked_candidates_sample_id_samples")
        ),
        sa.PrimaryKeyConstraint("round_id", "rank", name=op.f("pk_ranked_candidates")),
    )
    op.execute(
        "UPDATE acquisition_rounds SET configuration = configuration || '{\"stored_rows\": 1000}'::jsonb "
        "WHERE status IN ('queued', 'running')"
    )


def downgrade() -> None:
    op.drop_table("ranked_candidates")
