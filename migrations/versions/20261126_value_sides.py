"""the two sides of a data value point in its direction: higher is more useful

They were losses (higher is worse) called target_loss and transport. Stop the old code first: it neither
writes nor reads the new names.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NEW_NAMES = {"target_loss": "value_target_loss", "transport": "value_transport"}


def _negate(names: list[str]) -> None:
    table = sa.table("data_values", *(sa.column(name, sa.Float(53)) for name in names))
    # 0 - x, not -x: a zero stays the zero that it was.
    op.execute(sa.update(table).values({name: 0 - table.c[name] for name in names}))


def upgrade() -> None:
    for old, new in NEW_NAMES.items():
        op.alter_column("data_values", old, new_column_name=new)
    _negate(list(NEW_NAMES.values()))


def downgrade() -> None:
    _negate(list(NEW_NAMES.values()))
    for old, new in NEW_NAMES.items():
        op.alter_column("data_values", new, new_column_name=old)
