"""decisions about suspicious tests; which surrogate serves; predictions beside labels of each surrogate

No promotion stands for surrogates of before: without any, the newest one serves, as until now.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

OUTCOMES = ("first", "not_worse", "worse", "not_measured", "overridden")
DECISIONS = ("confirmed", "dismissed", "corrected", "retested")
TABLES = ("surrogate_promotions", "reviews")


def _words(name: str, *words: str) -> sa.Column:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=False)


def _document(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=nullable)


def _created() -> sa.Column:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.add_column("surrogates", _document("assessment", nullable=True))
    _create_promotions()
    _create_reviews()
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
        )


def _create_promotions() -> None:
    table = "surrogate_promotions"
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("surrogate_id", sa.BigInteger(), nullable=False),
        sa.Column("replaced_surrogate_id", sa.BigInteger(), nullable=True),
        _words("outcome", *OUTCOMES),
        _document("comparison"),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        _created(),
        sa.CheckConstraint(
            "outcome <> 'overridden' OR reason <> ''", name=op.f(f"ck_{table}_override_has_reason")
        ),
        sa.CheckConstraint(
            "replaced_surrogate_id <> surrogate_id", name=op.f(f"ck_{table}_replaces_another")
        ),
        sa.CheckConstraint(
            "(outcome = 'first') = (replaced_surrogate_id IS NULL)",
            name=op.f(f"ck_{table}_only_first_replaces_none"),
        ),
        sa.CheckConstraint("outcome <> 'worse'", name=op.f(f"ck_{table}_worse_does_not_serve")),
        sa.ForeignKeyConstraint(
            ["surrogate_id", "campaign_id"],
            ["surrogates.id", "surrogates.campaign_id"],
            name=op.f(f"fk_{table}_surrogate_id_surrogates"),
        ),
        sa.ForeignKeyConstraint(
            ["replaced_surrogate_id"],
            ["surrogates.id"],
            name=op.f(f"fk_{table}_replaced_surrogate_id_surrogates"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_campaign_id_id"), table, ["campaign_id", "id"])
    op.create_index(op.f(f"ix_{table}_surrogate_id"), table, ["surrogate_id"])


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("valuation_run_id", sa.BigInteger(), nullable=False),
        _words("decision", *DECISIONS),
        _document("evidence"),
        sa.Column("retest_sample_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        _created(),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_reviews_has_reason")),
        sa.CheckConstraint(
            "(decision = 'retested') = (retest_sample_id IS NOT NULL)",
            name=op.f("ck_reviews_only_retested_has_retest"),
        ),
        sa.CheckConstraint("retest_sample_id <> sample_id", name=op.f("ck_reviews_retests_another")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_reviews_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_reviews_sample_id_samples")),
        sa.ForeignKeyConstraint(
            ["retest_sample_id"], ["samples.id"], name=op.f("fk_reviews_retest_sample_id_samples")
        ),
        sa.ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"],
            ["valuation_runs.id", "valuation_runs.campaign_id"],
            name=op.f("fk_reviews_valuation_run_id_valuation_runs"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_campaign_id_id"), "reviews", ["campaign_id", "id"])
    op.create_index(op.f("ix_reviews_sample_id"), "reviews", ["sample_id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("surrogates", "assessment")
