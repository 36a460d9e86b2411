"""first schema

Old code may still run while this migration is applied: add first, remove in a later release.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


# History and audit rows are only ever added: the database itself refuses to change or delete them.
APPEND_ONLY = ("recommendation_changes", "audit_events")
FORBID_CHANGE = """
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(
        op.f("ix_audit_events_campaign_id_id"), "audit_events", ["campaign_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_audit_events_entity_entity_id"), "audit_events", ["entity", "entity_id"], unique=False
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=4000), nullable=False),
        sa.Column("feature_schema", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("target_domain", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("budget", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_campaigns_currency_iso_4217")),
        sa.CheckConstraint("budget >= 0", name=op.f("ck_campaigns_budget_not_negative")),
        sa.CheckConstraint(
            "jsonb_array_length(feature_schema) > 0", name=op.f("ck_campaigns_feature_schema_not_empty")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("id", "currency", name=op.f("uq_campaigns_id_currency")),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "physical_test",
                "simulation",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("acquisition_cost", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lead_time_hours", sa.Numeric(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        sa.Column(
            "oracle",
            sa.Enum("occupant_model", name="oracle", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.CheckConstraint(
            "oracle IS NULL OR kind = 'simulation'", name=op.f("ck_sources_oracle_needs_simulation")
        ),
        sa.CheckConstraint("acquisition_cost > 0", name=op.f("ck_sources_acquisition_cost_positive")),
        sa.CheckConstraint("capacity IS NULL OR capacity > 0", name=op.f("ck_sources_capacity_positive")),
        sa.CheckConstraint("lead_time_hours >= 0", name=op.f("ck_sources_lead_time_not_negative")),
        sa.ForeignKeyConstraint(
            ["campaign_id", "currency"],
            ["campaigns.id", "campaigns.currency"],
            name=op.f("fk_sources_campaign_id_currency_campaigns"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("campaign_id", "name", name=op.f("uq_sources_campaign_id_name")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_sources_id_campaign_id")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_uploads_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_campaign_id"), "uploads", ["campaign_id"], unique=False)
    op.create_table(
        "valuation_runs",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
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
        sa.CheckConstraint(
            "(status = 'failed') = (error_message IS NOT NULL)",
            name=op.f("ck_valuation_runs_failed_has_reason"),
        ),
        sa.CheckConstraint(
            "status <> 'succeeded' OR data_hash IS NOT NULL",
            name=op.f("ck_valuation_runs_succeeded_has_snapshot"),
        ),
        sa.CheckConstraint(
            "progress >= 0 AND progress <= 1", name=op.f("ck_valuation_runs_progress_is_share")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_valuation_runs_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_valuation_runs")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_valuation_runs_id_campaign_id")),
    )
    op.create_index(op.f("ix_valuation_runs_campaign_id"), "valuation_runs", ["campaign_id"], unique=False)
    op.create_table(
        "samples",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("upload_id", sa.BigInteger(), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "candidate",
                "labelled",
                "abandoned",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "split",
            sa.Enum(
                "train",
                "validation",
                "holdout",
                name="split",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("group_name", sa.String(length=200), nullable=True),
        sa.Column("planned_features", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("executed_features", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("target", sa.Float(precision=53), nullable=True),
        sa.Column("label_definition", sa.String(length=64), nullable=True),
        sa.Column("label_details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("provenance", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("labelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'labelled') = (target IS NOT NULL)", name=op.f("ck_samples_labelled_has_target")
        ),
        sa.CheckConstraint(
            "split <> 'holdout' OR status = 'labelled'", name=op.f("ck_samples_holdout_not_acquirable")
        ),
        sa.CheckConstraint(
            "target > '-Infinity'::float8 AND target < 'Infinity'::float8",
            name=op.f("ck_samples_target_finite"),
        ),
        sa.CheckConstraint(
            "target IS NULL OR label_definition IS NOT NULL", name=op.f("ck_samples_label_has_definition")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_samples_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["source_id", "campaign_id"],
            ["sources.id", "sources.campaign_id"],
            name=op.f("fk_samples_source_id_campaign_id_sources"),
        ),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name=op.f("fk_samples_upload_id_uploads")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint("campaign_id", "external_id", name=op.f("uq_samples_campaign_id_external_id")),
        sa.UniqueConstraint("id", "campaign_id", "split", name=op.f("uq_samples_id_campaign_id_split")),
    )
    op.create_index(op.f("ix_samples_campaign_id_id"), "samples", ["campaign_id", "id"], unique=False)
    op.create_index(
        op.f("ix_samples_campaign_id_status_split_id"),
        "samples",
        ["campaign_id", "status", "split", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_samples_upload_id"), "samples", ["upload_id"], unique=False)
    op.create_table(
        "surrogates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("valuation_run_id", sa.BigInteger(), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=True),
        sa.Column("artefact_sha256", sa.String(length=64), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"],
            ["valuation_runs.id", "valuation_runs.campaign_id"],
            name=op.f("fk_surrogates_valuation_run_id_campaign_id_valuation_runs"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surrogates")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_surrogates_id_campaign_id")),
        sa.UniqueConstraint("valuation_run_id", name=op.f("uq_surrogates_valuation_run_id")),
    )
    op.create_index(op.f("ix_surrogates_campaign_id"), "surrogates", ["campaign_id"], unique=False)
    op.create_table(
        "acquisition_rounds",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("surrogate_id", sa.BigInteger(), nullable=False),
        sa.Column("pool_size", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
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
        sa.CheckConstraint(
            "(status = 'failed') = (error_message IS NOT NULL)",
            name=op.f("ck_acquisition_rounds_failed_has_reason"),
        ),
        sa.CheckConstraint(
            "status <> 'succeeded' OR data_hash IS NOT NULL",
            name=op.f("ck_acquisition_rounds_succeeded_has_snapshot"),
        ),
        sa.CheckConstraint(
            "progress >= 0 AND progress <= 1", name=op.f("ck_acquisition_rounds_progress_is_share")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_acquisition_rounds_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["surrogate_id", "campaign_id"],
            ["surrogates.id", "surrogates.campaign_id"],
            name=op.f("fk_acquisition_rounds_surrogate_id_campaign_id_surrogates"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acquisition_rounds")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_acquisition_rounds_id_campaign_id")),
    )
    op.create_index(
        op.f("ix_acquisition_rounds_campaign_id"), "acquisition_rounds", ["campaign_id"], unique=False
    )
    op.create_table(
        "data_values",
        sa.Column("valuation_run_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("weight", sa.Float(precision=53), nullable=False),
        sa.Column("spread", sa.Float(precision=53), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("target_loss", sa.Float(precision=53), nullable=False),
        sa.Column("transport", sa.Float(precision=53), nullable=False),
        sa.CheckConstraint(
            "spread >= 0 AND spread < 'Infinity'::float8", name=op.f("ck_data_values_spread_finite")
        ),
        sa.CheckConstraint(
            "value > '-Infinity'::float8 AND value < 'Infinity'::float8",
            name=op.f("ck_data_values_value_finite"),
        ),
        sa.CheckConstraint(
            "weight >= 0 AND weight < 'Infinity'::float8", name=op.f("ck_data_values_weight_finite")
        ),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_data_values_rank_positive")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_data_values_sample_id_samples")),
        sa.ForeignKeyConstraint(
            ["valuation_run_id"],
            ["valuation_runs.id"],
            name=op.f("fk_data_values_valuation_run_id_valuation_runs"),
        ),
        sa.PrimaryKeyConstraint("valuation_run_id", "sample_id", name=op.f("pk_data_values")),
        sa.UniqueConstraint("valuation_run_id", "rank", name=op.f("uq_data_values_valuation_run_id_rank")),
    )
    op.create_index(op.f("ix_data_values_sample_id"), "data_values", ["sample_id"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "sample_split",
            sa.Enum(
                "train",
                "validation",
                "holdout",
                name="sample_split",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("components", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column(
            "arm",
            sa.Enum("chosen", "control", name="arm", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("selection_probability", sa.Float(precision=53), nullable=True),
        sa.Column("acquisition_cost", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "proposed",
                "approved",
                "rejected",
                "ordered",
                "running",
                "completed",
                "failed",
                "abandoned",
                "expired",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "arm <> 'control' OR selection_probability IS NOT NULL",
            name=op.f("ck_recommendations_control_is_drawn"),
        ),
        sa.CheckConstraint("sample_split = 'train'", name=op.f("ck_recommendations_only_from_pool")),
        sa.CheckConstraint(
            "score > '-Infinity'::float8 AND score < 'Infinity'::float8",
            name=op.f("ck_recommendations_score_finite"),
        ),
        sa.CheckConstraint("acquisition_cost > 0", name=op.f("ck_recommendations_acquisition_cost_positive")),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_recommendations_rank_positive")),
        sa.CheckConstraint(
            "selection_probability IS NULL OR (selection_probability > 0 AND selection_probability <= 1)",
            name=op.f("ck_recommendations_selection_probability_is_probability"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id", "currency"],
            ["campaigns.id", "campaigns.currency"],
            name=op.f("fk_recommendations_campaign_id_currency_campaigns"),
        ),
        sa.ForeignKeyConstraint(
            ["round_id", "campaign_id"],
            ["acquisition_rounds.id", "acquisition_rounds.campaign_id"],
            name=op.f("fk_recommendations_round_id_campaign_id_acquisition_rounds"),
        ),
        sa.ForeignKeyConstraint(
            ["sample_id", "campaign_id", "sample_split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            name="fk_recommendations_sample",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
        sa.UniqueConstraint("round_id", "rank", name=op.f("uq_recommendations_round_id_rank")),
        sa.UniqueConstraint("round_id", "sample_id", name=op.f("uq_recommendations_round_id_sample_id")),
    )
    op.create_index(
        op.f("ix_recommendations_campaign_id_status_id"),
        "recommendations",
        ["campaign_id", "status", "id"],
        unique=False,
    )
    op.create_index(
        "uq_recommendations_open_sample",
        "recommendations",
        ["sample_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('approved', 'ordered', 'proposed', 'running')"),
    )
    op.create_table(
        "recommendation_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("recommendation_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "from_status",
            sa.Enum(
                "proposed",
                "approved",
                "rejected",
                "ordered",
                "running",
                "completed",
                "failed",
                "abandoned",
                "expired",
                name="from_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "to_status",
            sa.Enum(
                "proposed",
                "approved",
                "rejected",
                "ordered",
                "running",
                "completed",
                "failed",
                "abandoned",
                "expired",
                name="to_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.id"],
            name=op.f("fk_recommendation_changes_recommendation_id_recommendations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_changes")),
    )
    op.create_index(
        op.f("ix_recommendation_changes_recommendation_id"),
        "recommendation_changes",
        ["recommendation_id"],
        unique=False,
    )
    op.execute(FORBID_CHANGE)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()"
        )


def downgrade() -> None:
    op.drop_index(op.f("ix_recommendation_changes_recommendation_id"), table_name="recommendation_changes")
    op.drop_table("recommendation_changes")
    op.drop_index(
        "uq_recommendations_open_sample",
        table_name="recommendations",
        postgresql_where=sa.text("status IN ('approved', 'ordered', 'proposed', 'running')"),
    )
    op.drop_index(op.f("ix_recommendations_campaign_id_status_id"), table_name="recommendations")
    op.drop_table("recommendations")
    op.drop_index(op.f("ix_data_values_sample_id"), table_name="data_values")
    op.drop_table("data_values")
    op.drop_index(op.f("ix_acquisition_rounds_campaign_id"), table_name="acquisition_rounds")
    op.drop_table("acquisition_rounds")
    op.drop_index(op.f("ix_surrogates_campaign_id"), table_name="surrogates")
    op.drop_table("surrogates")
    op.drop_index(op.f("ix_samples_upload_id"), table_name="samples")
    op.drop_index(op.f("ix_samples_campaign_id_status_split_id"), table_name="samples")
    op.drop_index(op.f("ix_samples_campaign_id_id"), table_name="samples")
    op.drop_table("samples")
    op.drop_index(op.f("ix_valuation_runs_campaign_id"), table_name="valuation_runs")
    op.drop_table("valuation_runs")
    op.drop_index(op.f("ix_uploads_campaign_id"), table_name="uploads")
    op.drop_table("uploads")
    op.drop_table("sources")
    op.drop_table("campaigns")
    op.drop_index(op.f("ix_audit_events_entity_entity_id"), table_name="audit_events")
    op.drop_index(op.f("ix_audit_events_campaign_id_id"), table_name="audit_events")
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION forbid_change()")
