"""accounts: users, their sessions, keys of tools, attempts at passwords; campaigns may demand four eyes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

LIMIT = "campaign_ids IS NULL OR cardinality(campaign_ids) > 0"


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.add_column(
        "campaigns", sa.Column("four_eyes", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    _create_users()
    _create_sessions()
    _create_keys()
    op.create_table(
        "login_attempts",
        _id(),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        _moment("tried_at", now=True),
        _moment("blocked_until"),
        sa.CheckConstraint("count >= 0", name=op.f("ck_login_attempts_count_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
        sa.UniqueConstraint("subject", name=op.f("uq_login_attempts_subject")),
    )


def _create_users() -> None:
    roles = ("viewer", "engineer", "approver", "admin")
    op.create_table(
        "users",
        _id(),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("issuer", sa.String(length=500), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column(
            "role",
            sa.Enum(*roles, name="role", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("campaign_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        _moment("created_at", now=True),
        _moment("signed_in_at", nullable=True),
        sa.CheckConstraint("name = lower(name)", name=op.f("ck_users_name_in_lower_case")),
        sa.CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name=op.f("ck_users_identity_whole")),
        sa.CheckConstraint(
            "password_hash IS NOT NULL OR issuer IS NOT NULL", name=op.f("ck_users_can_sign_in")
        ),
        sa.CheckConstraint(LIMIT, name=op.f("ck_users_limit_names_campaigns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_users_issuer_subject")),
    )


def _create_sessions() -> None:
    op.create_table(
        "user_sessions",
        _id(),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        _moment("created_at", now=True),
        _moment("seen_at", now=True),
        _moment("expires_at"),
        _moment("ended_at", nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"])


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        _id(),
        sa.Column("public_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=16)), nullable=False),
        sa.Column("campaign_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("replaces_id", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        _moment("created_at", now=True),
        _moment("expires_at", nullable=True),
        _moment("revoked_at", nullable=True),
        _moment("last_used_at", nullable=True),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_keys_has_scopes")),
        sa.CheckConstraint(
            "scopes <@ ARRAY['read', 'write', 'approve', 'admin']::varchar[]",
            name=op.f("ck_api_keys_scopes_known"),
        ),
        sa.CheckConstraint(LIMIT, name=op.f("ck_api_keys_limit_names_campaigns")),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["api_keys.id"], name=op.f("fk_api_keys_replaces_id_api_keys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_keys_public_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_keys_token_hash")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_api_keys_replaces_id")),
    )


def downgrade() -> None:
    for table in ("login_attempts", "api_keys", "user_sessions", "users"):
        op.drop_table(table)
    op.drop_column("campaigns", "four_eyes")
