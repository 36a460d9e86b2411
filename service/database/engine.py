"""The engine and the unit of work: the only place that commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

# Connections of one process: transactions of requests take `TRANSACTIONS` of them at most, which leaves some for
# short looks beside them (who asks, what a stream has to tell).
POOL_SIZE = 10
MOST_OVERFLOW = 10
TRANSACTIONS = 12
# Seconds after which a statement is given up: a request must not hang on a lock for ever.
STATEMENT_TIMEOUT_S = 60


def make_engine(
    database_url: str, *, pool_size: int = POOL_SIZE, statement_timeout_s: int = STATEMENT_TIMEOUT_S
) -> Engine:
    """An engine for one process; create it after any fork. Its errors do not show what was sent: it may be secret."""
    return create_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=MOST_OVERFLOW,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": f"-c statement_timeout={statement_timeout_s * 1000} -c timezone=UTC"},
    )


def make_session_factory(engine: Engine) -> sessionmaker[Session]:
    """A factory whose sessions keep their objects readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def unit_of_work(sessions: sessionmaker[Session], *, frozen: bool = False) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    A frozen one reads everything as it stood at its first statement, whatever others commit meanwhile.
    """
    with sessions() as session:
        try:
            if frozen:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
