"""rounds that run by themselves: rounds, schedules, the outbox of events with its triggers, webhooks

Old code may still run while this migration is applied: its changes become events, too.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


# (table, noun, column of the state, columns that go into the payload)
OBSERVED = (
    ("valuation_runs", "valuation_run", "status", ("attempt", "requested_by", "error_code", "error_message")),
    ("acquisition_rounds", "acquisition_round", "status",
     ("surrogate_id", "attempt", "requested_by", "error_code", "error_message")),
    ("import_runs", "import_run", "status", ("attempt", "requested_by", "error_code", "error_message")),
    ("uploads", "upload", "status", ("filename", "requested_by", "error_code", "error_message")),
    ("recommendations", "recommendation", "status", ("round_id", "sample_id", "rank", "arm", "is_late")),
    ("campaign_rounds", "round", "step",
     ("number", "schedule_id", "follows_id", "valuation_run_id", "acquisition_round_id", "closed_reason", "detail",
      "stop_reason")),
    ("schedule_firings", "schedule", "outcome", ("schedule_id", "due_at", "reason", "round_id")),
)  # fmt: skip
# Arguments: noun, column of the state, columns of the payload. Runs in the transaction of the change.
RECORD_EVENT = """
CREATE FUNCTION record_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed jsonb := to_jsonb(NEW);
BEGIN
  INSERT INTO events (campaign_id, type, payload)
  SELECT NEW.campaign_id,
         TG_ARGV[0] || '.' || (changed ->> TG_ARGV[1]),
         jsonb_build_object('id', NEW.id, TG_ARGV[1], changed -> TG_ARGV[1])
           || jsonb_object_agg(name, changed -> name)
  FROM unnest(TG_ARGV[2:]) AS name;
  RETURN NULL;
END
$$
"""


def _observe(table: str, noun: str, state: str, columns: tuple[str, ...]) -> None:
    arguments = ", ".join(f"'{name}'" for name in (noun, state, *columns))
    op.execute(
        f"CREATE TRIGGER record_insert AFTER INSERT ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION record_event({arguments})"
    )
    op.execute(
        f"CREATE TRIGGER record_update AFTER UPDATE OF {state} ON {table} "
        f"FOR EACH ROW WHEN (OLD.{state} IS DISTINCT FROM NEW.{state}) EXECUTE FUNCTION record_event({arguments})"
    )


def upgrade() -> None:
    op.execute("CREATE SEQUENCE event_positions")
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_events_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("position", name=op.f("uq_events_position")),
    )
    op.create_index(
        op.f("ix_events_campaign_id_position"), "events", ["campaign_id", "position"], unique=False
    )
    op.create_index(op.f("ix_events_created_at"), "events", ["created_at"], unique=False)
    op.create_index(
        "ix_events_unnumbered", "events", ["id"], unique=False, postgresql_where=sa.text("position IS NULL")
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "active",
                "paused",
                "ended",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "trigger_kind",
            sa.Enum(
                "cron",
                "interval",
                "new_labels",
                "date",
                name="trigger_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("trigger", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column(
            "misfire",
            sa.Enum("run_once", "skip", name="misfire", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "action",
            sa.Enum("round", name="action", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "configuration", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False
        ),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labels_seen", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(trigger_kind = 'new_labels') = (labels_seen IS NOT NULL)",
            name=op.f("ck_schedules_new_labels_has_count"),
        ),
        sa.CheckConstraint(
            "status <> 'active' OR trigger_kind = 'new_labels' OR next_due_at IS NOT NULL",
            name=op.f("ck_schedules_active_is_due_some_time"),
        ),
        sa.CheckConstraint(
            "status <> 'ended' OR next_due_at IS NULL", name=op.f("ck_schedules_ended_is_never_due")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_schedules_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_schedules_id_campaign_id")),
    )
    op.create_index(op.f("ix_schedules_campaign_id_id"), "schedules", ["campaign_id", "id"], unique=False)
    op.create_index(
        "ix_schedules_due",
        "schedules",
        ["next_due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.String(length=64)), nullable=False),
        sa.Column("secret", sa.String(length=200), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("seen_position", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cardinality(events) > 0", name=op.f("ck_webhooks_wants_events")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_webhooks_campaign_id_campaigns")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_campaign_id"), "webhooks", ["campaign_id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("event_position", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "delivered",
                "failed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replay_of", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'pending') = (finished_at IS NULL)", name=op.f("ck_webhook_deliveries_ended_has_time")
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (next_attempt_at IS NOT NULL)",
            name=op.f("ck_webhook_deliveries_pending_is_due"),
        ),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_webhook_deliveries_attempt_not_negative")),
        sa.ForeignKeyConstraint(
            ["replay_of"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_deliveries_replay_of_webhook_deliveries"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_webhook_deliveries_webhook_id_webhooks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_webhook_id_id"), "webhook_deliveries", ["webhook_id", "id"], unique=False
    )
    op.create_index(
        "uq_webhook_deliveries_event",
        "webhook_deliveries",
        ["webhook_id", "event_position"],
        unique=True,
        postgresql_where=sa.text("replay_of IS NULL"),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=400), nullable=False),
        sa.Column("answer", sa.String(length=1000), nullable=False),
        sa.CheckConstraint(
            "status_code IS NOT NULL OR error <> ''", name=op.f("ck_webhook_attempts_tells_what_came")
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id_webhook_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
        sa.UniqueConstraint("delivery_id", "number", name=op.f("uq_webhook_attempts_delivery_id_number")),
    )
    op.create_table(
        "campaign_rounds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "freeze",
                "value",
                "rank",
                "propose",
                "decide",
                "order",
                "collect",
                "close",
                "closed",
                name="step",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "configuration", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False
        ),
        sa.Column("schedule_id", sa.BigInteger(), nullable=True),
        sa.Column("follows_id", sa.BigInteger(), nullable=True),
        sa.Column("valuation_run_id", sa.BigInteger(), nullable=True),
        sa.Column("acquisition_round_id", sa.BigInteger(), nullable=True),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collect_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "closed_reason",
            sa.Enum(
                "completed",
                "partial",
                "nothing_proposed",
                "nothing_approved",
                "cancelled",
                "failed",
                name="closed_reason",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.String(length=2000), nullable=False),
        sa.Column("stop_reason", sa.String(length=2000), nullable=True),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("step_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(step = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_campaign_rounds_closed_has_time")
        ),
        sa.CheckConstraint(
            "(step IN ('close', 'closed')) = (closed_reason IS NOT NULL)",
            name=op.f("ck_campaign_rounds_closed_has_reason"),
        ),
        sa.CheckConstraint(
            "step NOT IN ('propose', 'decide', 'order', 'collect') OR acquisition_round_id IS NOT NULL",
            name=op.f("ck_campaign_rounds_ranked_has_ranking"),
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_campaign_rounds_number_positive")),
        sa.ForeignKeyConstraint(
            ["acquisition_round_id", "campaign_id"],
            ["acquisition_rounds.id", "acquisition_rounds.campaign_id"],
            name=op.f("fk_campaign_rounds_acquisition_round_id_campaign_id_acquisition_rounds"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_rounds_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["follows_id", "campaign_id"],
            ["campaign_rounds.id", "campaign_rounds.campaign_id"],
            name=op.f("fk_campaign_rounds_follows_id_campaign_id_campaign_rounds"),
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id", "campaign_id"],
            ["schedules.id", "schedules.campaign_id"],
            name=op.f("fk_campaign_rounds_schedule_id_campaign_id_schedules"),
        ),
        sa.ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"],
            ["valuation_runs.id", "valuation_runs.campaign_id"],
            name=op.f("fk_campaign_rounds_valuation_run_id_campaign_id_valuation_runs"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_rounds")),
        sa.UniqueConstraint("acquisition_round_id", name=op.f("uq_campaign_rounds_acquisition_round_id")),
        sa.UniqueConstraint("id", "campaign_id", name=op.f("uq_campaign_rounds_id_campaign_id")),
    )
    op.create_index(
        op.f("ix_campaign_rounds_campaign_id_id"), "campaign_rounds", ["campaign_id", "id"], unique=False
    )
    op.create_index(
        "uq_campaign_rounds_open",
        "campaign_rounds",
        ["campaign_id"],
        unique=True,
        postgresql_where=sa.text("step <> 'closed'"),
    )
    op.create_table(
        "schedule_firings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "started", "skipped", name="outcome", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'started') = (round_id IS NOT NULL)",
            name=op.f("ck_schedule_firings_started_has_round"),
        ),
        sa.CheckConstraint(
            "outcome <> 'skipped' OR reason <> ''", name=op.f("ck_schedule_firings_skipped_has_reason")
        ),
        sa.ForeignKeyConstraint(
            ["round_id", "campaign_id"],
            ["campaign_rounds.id", "campaign_rounds.campaign_id"],
            name=op.f("fk_schedule_firings_round_id_campaign_id_campaign_rounds"),
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id", "campaign_id"],
            ["schedules.id", "schedules.campaign_id"],
            name=op.f("fk_schedule_firings_schedule_id_campaign_id_schedules"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_firings")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_schedule_firings_schedule_id_due_at")),
    )
    op.execute(RECORD_EVENT)
    for observed in OBSERVED:
        _observe(*observed)


def downgrade() -> None:
    for table, *_ in OBSERVED:
        op.execute(f"DROP TRIGGER record_update ON {table}")
        op.execute(f"DROP TRIGGER record_insert ON {table}")
    op.execute("DROP FUNCTION record_event()")
    op.drop_table("schedule_firings")
    op.drop_index(
        "uq_campaign_rounds_open", table_name="campaign_rounds", postgresql_where=sa.text("step <> 'closed'")
    )
    op.drop_index(op.f("ix_campaign_rounds_campaign_id_id"), table_name="campaign_rounds")
    op.drop_table("campaign_rounds")
    op.drop_table("webhook_attempts")
    op.drop_index(
        "uq_webhook_deliveries_event",
        table_name="webhook_deliveries",
        postgresql_where=sa.text("replay_of IS NULL"),
    )
    op.drop_index(op.f("ix_webhook_deliveries_webhook_id_id"), table_name="webhook_deliveries")
    op.drop_index(
        "ix_webhook_deliveries_due",
        table_name="webhook_deliveries",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_table("webhook_deliveries")
    op.drop_index(op.f("ix_webhooks_campaign_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_index("ix_schedules_due", table_name="schedules", postgresql_where=sa.text("status = 'active'"))
    op.drop_index(op.f("ix_schedules_campaign_id_id"), table_name="schedules")
    op.drop_table("schedules")
    op.drop_index("ix_events_unnumbered", table_name="events", postgresql_where=sa.text("position IS NULL"))
    op.drop_index(op.f("ix_events_created_at"), table_name="events")
    op.drop_index(op.f("ix_events_campaign_id_position"), table_name="events")
    op.drop_table("events")
    op.execute("DROP SEQUENCE event_positions")
