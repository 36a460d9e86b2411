"""Questions and answers that live in the broker alone, for a while: nothing of them reaches the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from service.errors import UnavailableError
from service.queue.client import make_celery

KEPT_FOR_S = 3600
_PREFIX = "crashscout.mailbox"


class Mailbox:
    """Texts under a name and a part of it, each gone an hour after it was written, or with the broker's memory."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_celery(broker_url)

    def put(self, name: str, part: str, content: bytes) -> None:
        """Keep a text.

        Raises:
            UnavailableError: if the broker does not answer or has no room.
        """
        with self._redis() as redis:
            redis.set(f"{_PREFIX}.{name}.{part}", content, ex=KEPT_FOR_S)

    def get(self, name: str, part: str) -> bytes | None:
        """The text; None when there is none (any more).

        Raises:
            UnavailableError: if the broker does not answer.
        """
        with self._redis() as redis:
            content: bytes | None = redis.get(f"{_PREFIX}.{name}.{part}")
            return content

    def close(self) -> None:
        self._celery.close()

    @contextmanager
    def _redis(self) -> Iterator[Any]:
        # Through kombu, which knows every form of address that a broker may have.
        try:
            with self._celery.connection_or_acquire() as connection:
                yield connection.default_channel.client
        except (OperationalError, RedisError) as error:
            raise UnavailableError(f"The broker cannot be used: {error}.") from error
