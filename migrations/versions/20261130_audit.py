"""audit events: the principal's id and the request, and no right to change or remove what stands there

The trigger refuses every change, also to a superuser and in a replica's session; the right is taken away as well, so
that an application role which is no superuser cannot even try. Who must remove old events: docs/audit.md.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TABLE = "audit_events"
RIGHTS = "UPDATE, DELETE, TRUNCATE"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("principal_id", sa.String(length=64), nullable=True))
    op.add_column(TABLE, sa.Column("request_id", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_audit_events_actor_id"), TABLE, ["actor", "id"])
    op.create_index(op.f("ix_audit_events_created_at"), TABLE, ["created_at"])
    op.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER append_only")
    op.execute(f"REVOKE {RIGHTS} ON {TABLE} FROM PUBLIC, CURRENT_USER")


def downgrade() -> None:
    op.execute(f"GRANT {RIGHTS} ON {TABLE} TO CURRENT_USER")
    op.execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER append_only")
    op.drop_index(op.f("ix_audit_events_created_at"), table_name=TABLE)
    op.drop_index(op.f("ix_audit_events_actor_id"), table_name=TABLE)
    op.drop_column(TABLE, "request_id")
    op.drop_column(TABLE, "principal_id")
