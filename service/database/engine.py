"""The engine and the unit of work: the only place that commits."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.pool import ConnectionPoolEntry

# Connections of one process: transactions of requests take `TRANSACTIONS` of them at most, which leaves some for
# short looks beside them (who asks, what a stream has to tell).
POOL_SIZE = 10
MOST_OVERFLOW = 10
TRANSACTIONS = 12
# Seconds after which a statement is given up: a request must not hang on a lock for ever.
STATEMENT_TIMEOUT_S = 60
# A connection that rested longer is asked whether it still stands: a firewall may have dropped it without a word.
RESTED_S = 5.0
READS_ALONE = "A session for reads changes nothing: the route must not be a GET."
_RESTS_SINCE = "crashscout.rests_since"


def make_engine(
    database_url: str, *, pool_size: int = POOL_SIZE, statement_timeout_s: int = STATEMENT_TIMEOUT_S
) -> Engine:
    """An engine for one process; create it after any fork. Its errors do not show what was sent: it may be secret."""
    engine = create_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=MOST_OVERFLOW,
        hide_parameters=True,
        json_deserializer=from_json,  # several times faster than the standard library's
        connect_args={"options": f"-c statement_timeout={statement_timeout_s * 1000} -c timezone=UTC"},
    )
    _replace_dead_connections(engine)
    return engine


def _replace_dead_connections(engine: Engine) -> None:
    """Like `pool_pre_ping`, without a round trip for each transaction: a server that ends closes its sockets.

    A connection whose socket has something to read while nothing was asked is closed or about to be.
    """

    def look(connection: psycopg.Connection, record: ConnectionPoolEntry, _: object) -> None:
        rests_since = record.info.get(_RESTS_SINCE)
        if rests_since is None:  # it was opened just now
            return
        is_old = time.monotonic() - rests_since > RESTED_S
        if connection.closed or _has_word(connection) or (is_old and not _answers(connection)):
            raise DisconnectionError

    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info[_RESTS_SINCE] = time.monotonic()

    event.listen(engine, "checkout", look)
    event.listen(engine, "checkin", note)


def _has_word(connection: psycopg.Connection) -> bool:
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("")
        connection.rollback()
    except connection.Error:
        return False
    return True


def make_session_factory(engine: Engine) -> sessionmaker[Session]:
    """A factory whose sessions keep their objects readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


def make_read_factory(engine: Engine) -> sessionmaker[Session]:
    """A factory for reads: each statement sees what is committed when it begins, and none begins a transaction.

    That saves two round trips a request, and the end of the session waits for nothing. A change is refused.
    """
    reading = type("ReadSession", (Session,), {})
    event.listen(reading, "before_flush", _refuse_flush)
    event.listen(reading, "do_orm_execute", _refuse_statements)
    return sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), class_=reading)


def _refuse_flush(session: Session, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    if session.new or session.dirty or session.deleted:
        raise AssertionError(READS_ALONE)


def _refuse_statements(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise AssertionError(READS_ALONE)


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
