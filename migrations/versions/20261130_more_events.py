"""backtests, replays and simulations are observed as other runs are: their changes of state become events"""

from alembic import op

revision = "0014"
down_revision = "0013"

_ENDS = ("attempt", "requested_by", "error_code", "error_message")
# Table, noun, columns of the payload beside id and status.
OBSERVED = (
    ("backtests", "backtest", _ENDS),
    ("replays", "replay", ("round_id", *_ENDS)),
    ("simulation_runs", "simulation_run", ("recommendation_id", *_ENDS)),
)


def upgrade() -> None:
    for table, noun, columns in OBSERVED:
        arguments = ", ".join(f"'{name}'" for name in (noun, "status", *columns))
        op.execute(
            f"CREATE TRIGGER record_insert AFTER INSERT ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION record_event({arguments})"
        )
        op.execute(
            f"CREATE TRIGGER record_update AFTER UPDATE OF status ON {table} "
            f"FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION record_event({arguments})"
        )


def downgrade() -> None:
    for table, *_ in OBSERVED:
        op.execute(f"DROP TRIGGER record_update ON {table}")
        op.execute(f"DROP TRIGGER record_insert ON {table}")
