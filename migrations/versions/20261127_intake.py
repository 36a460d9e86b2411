"""intake: uploads are read by a worker and keep their originals, labels keep their history, imports are runs

Uploads of before stay as accepted ones without an original.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

STATUSES = ("queued", "running", "parsed", "accepted", "rejected", "failed")
RUN_STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
# Rows of before get a value in the migration; new ones name theirs themselves.
FILLED = ("status", "request", "label_definition", "attempt", "requested_by")


def _enum(*words: str) -> sa.Enum:
    return sa.Enum(*words, name="status", native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    _extend_uploads()
    op.create_table(
        "label_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Float(precision=53), nullable=False),
        sa.Column("label_definition", sa.String(length=64), nullable=False),
        sa.Column("label_details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "target > '-Infinity'::float8 AND target < 'Infinity'::float8",
            name=op.f("ck_label_changes_target_finite"),
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_label_changes_sample_id_samples")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_changes")),
    )
    op.create_index(op.f("ix_label_changes_sample_id"), "label_changes", ["sample_id"])
    op.execute(
        "INSERT INTO label_changes (sample_id, target, label_definition, label_details, actor, reason, created_at) "
        "SELECT id, target, label_definition, label_details, 'migration', 'the label when histories began', "
        "coalesce(labelled_at, created_at) FROM samples WHERE target IS NOT NULL ORDER BY id"
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON label_changes "
        "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
    )
    _create_import_runs()


def _extend_uploads() -> None:
    op.add_column("uploads", sa.Column("status", _enum(*STATUSES), nullable=True))
    op.add_column("uploads", sa.Column("storage_key", sa.String(length=64), nullable=True))
    op.add_column("uploads", sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("uploads", sa.Column("label_definition", sa.String(length=64), nullable=True))
    op.add_column("uploads", sa.Column("sample_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("uploads", sa.Column("attempt", sa.BigInteger(), nullable=True))
    op.add_column("uploads", sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("uploads", sa.Column("error_code", sa.String(length=64), nullable=True))
    op.add_column("uploads", sa.Column("error_message", sa.String(length=2000), nullable=True))
    op.add_column("uploads", sa.Column("requested_by", sa.String(length=200), nullable=True))
    op.add_column(
        "uploads",
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("uploads", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE uploads SET status = 'accepted', request = '{}'::jsonb, label_definition = 'rolc/1', "
        "attempt = 0, requested_by = 'unknown', decided_at = created_at"
    )
    for name in FILLED:
        op.alter_column("uploads", name, nullable=False)
    op.alter_column("uploads", "report", nullable=True)
    op.create_check_constraint(
        op.f("ck_uploads_failed_has_reason"), "uploads", "status <> 'failed' OR error_message IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("ck_uploads_read_has_report"),
        "uploads",
        "status NOT IN ('parsed', 'accepted') OR report IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_uploads_only_accepted_has_samples"),
        "uploads",
        "status = 'accepted' OR sample_ids IS NULL OR status IN ('queued', 'running')",
    )
    op.create_index(
        "uq_uploads_live_content",
        "uploads",
        ["campaign_id", "sha256"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('failed', 'rejected')"),
    )


def _create_import_runs() -> None:
    op.create_table(
        "import_runs",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("status", _enum(*RUN_STATUSES), nullable=False),
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
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_import_runs_progress_is_share")),
        sa.CheckConstraint(
            "(status = 'failed') = (error_message IS NOT NULL)", name=op.f("ck_import_runs_failed_has_reason")
        ),
        sa.CheckConstraint(
            "status <> 'succeeded' OR data_hash IS NOT NULL",
            name=op.f("ck_import_runs_succeeded_has_snapshot"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_import_runs_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_runs")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_import_runs_id_campaign_id")),
    )
    op.create_index(op.f("ix_import_runs_campaign_id"), "import_runs", ["campaign_id"])


def downgrade() -> None:
    op.drop_table("import_runs")
    op.drop_table("label_changes")
    op.drop_index("uq_uploads_live_content", table_name="uploads")
    # Uploads that never became samples have no place in the older schema.
    op.execute("DELETE FROM uploads WHERE report IS NULL")
    for name in ("only_accepted_has_samples", "read_has_report", "failed_has_reason"):
        op.drop_constraint(op.f(f"ck_uploads_{name}"), "uploads")
    op.alter_column("uploads", "report", nullable=False)
    for name in (
        "decided_at", "queued_at", "requested_by", "error_message", "error_code", "lease_expires_at", "attempt",
        "sample_ids", "label_definition", "request", "storage_key", "status",
    ):  # fmt: skip
        op.drop_column("uploads", name)
