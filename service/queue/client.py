"""Enqueue after commit.

A message is buffered in its session and sent once the transaction stands: a worker never sees an id whose
row is not there. When the broker is away the row stays `queued` and the reaper sends it again.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from service.errors import UnavailableError
from service.logs import log_fields
from service.queue.messages import Message, Queue, TaskName

logger = logging.getLogger(__name__)
_BUFFER = "crashscout.messages"
# Header of a message: the log fields of whoever sent it.
ABOUT = "about"
# A request must not hang on a broker that is away; the reaper heals what was not sent.
BROKER_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
# Of the client for small things that a request does in Redis; at least the threads of the web process.
REDIS_CONNECTIONS = 64
REDIS_TIMEOUT_S = 0.5
# Longer than any run: else Redis delivers a message that is being worked on a second time.
VISIBILITY_TIMEOUT_S = 24 * 3600


def make_celery(broker_url: str) -> Celery:
    """The configuration that client and worker share."""
    celery = Celery("crashscout", broker=broker_url)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker however long that is away
        worker_cancel_long_running_tasks_on_connection_loss=False,  # the row tells whose a run is, not the broker
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_connect_timeout": BROKER_TIMEOUT_S,
        },
        timezone="UTC",
    )
    return celery


class QueueClient:
    """Sends messages by task name; knows nothing of the worker's code."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_celery(broker_url)
        self._connections: list[Any] = []
        # Else kombu tries for 6 s, `retry=False` or not: too long for a request.
        impatient = {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "socket_timeout": ANSWER_TIMEOUT_S,
        }
        self._celery.conf.broker_transport_options |= impatient

    def send(self, message: Message, about: Mapping[str, Any] | None = None) -> bool:
        """Hand the message to the broker; False (and a warning) when it cannot be reached.

        Its headers tell what it is about (request, round, campaign), for the log of the worker.
        """
        try:
            self._celery.send_task(
                message.task,
                args=[message.row_id],
                queue=message.queue,
                retry=False,
                headers={ABOUT: dict(about or {})},
            )
        except OperationalError as error:
            logger.warning("broker away, %s %s waits for the reaper: %s", message.task, message.row_id, error)
            return False
        return True

    def waiting(self) -> frozenset[Message]:
        """The messages that no worker has fetched yet.

        Raises:
            UnavailableError: if the broker does not answer.

        Cost: every waiting message is read, about 1 kB each.
        """
        try:
            with self._celery.connection_for_read() as connection:
                redis = connection.default_channel.client
                bodies = [body for queue in Queue for body in redis.lrange(queue.value, 0, -1)]
        except (OperationalError, RedisError) as error:
            raise UnavailableError(f"The broker cannot be used: {error}.") from error
        return frozenset(message for body in bodies if (message := _message_of(json.loads(body))))

    def depths(self) -> dict[Queue, int]:
        """How many messages of each queue no worker has fetched yet.

        Raises:
            UnavailableError: if the broker does not answer.
        """
        try:
            with self._celery.connection_for_read() as connection:
                redis = connection.default_channel.client
                return {queue: int(redis.llen(queue.value)) for queue in Queue}
        except (OperationalError, RedisError) as error:
            raise UnavailableError(f"The broker cannot be used: {error}.") from error

    def ping(self) -> None:
        """Raise `OperationalError` when the broker does not answer."""
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)

    def redis(self) -> Any:  # noqa: ANN401 - kombu publishes no types
        """A Redis client on the broker, for use by many threads; the caller keeps it.

        Raises:
            OperationalError: if the broker does not answer.
        """
        impatient = {
            "max_connections": REDIS_CONNECTIONS,
            "max_retries": 1,
            "interval_start": 0,
            "socket_connect_timeout": REDIS_TIMEOUT_S,
            "socket_timeout": REDIS_TIMEOUT_S,
        }
        connection = self._celery.connection_for_write(transport_options=impatient)
        connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
        client = connection.default_channel.client
        client.set_retry(Retry(NoBackoff(), 1))  # once more: what was idle may have been closed
        self._connections.append(connection)
        return client

    def close(self) -> None:
        for connection in self._connections:
            connection.release()
        self._celery.close()


def _message_of(envelope: dict[str, Any]) -> Message | None:
    """A message as kombu keeps it in Redis; None for one of another release."""
    task = envelope["headers"]["task"]
    if task not in set(TaskName):
        return None
    arguments, _options, _embedded = json.loads(base64.b64decode(envelope["body"]))
    return Message(TaskName(task), arguments[0])


def check_broker(broker_url: str) -> None:
    """Try the broker once, before anything waits for it.

    Raises:
        UnavailableError: if it does not answer.
    """
    client = QueueClient(broker_url)
    try:
        client.ping()
    except OperationalError as error:
        hint = "Start it, or correct CRASHSCOUT_BROKER_URL."
        raise UnavailableError(f"The broker cannot be used: {str(error).rstrip('.')}.", hint=hint) from error
    finally:
        client.close()


def enqueue(session: Session, message: Message) -> None:
    """Send `message` once the transaction of `session` has committed."""
    session.info.setdefault(_BUFFER, []).append((message, log_fields()))


def send_after_commit(sessions: sessionmaker[Session], client: QueueClient) -> None:
    """Make every session of the factory send its buffered messages when it commits."""

    def flush(session: Session) -> None:
        if session.in_nested_transaction():
            return  # the hook also fires when a savepoint is released: too early
        for message, about in session.info.pop(_BUFFER, []):
            client.send(message, about)

    def forget(session: Session) -> None:
        session.info.pop(_BUFFER, None)

    # A subclass of its own, so that two applications in one process do not share listeners.
    bound = type("BoundSession", (sessions.class_,), {})
    sessions.class_ = bound
    event.listen(bound, "after_commit", flush)
    event.listen(bound, "after_rollback", forget)
