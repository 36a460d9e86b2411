"""Liveness and readiness, outside of the versioned API and without a key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from kombu.exceptions import OperationalError as BrokerError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError

from service.database.revision import is_current
from service.errors import UnavailableError
from service.problems import responses

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/live")
def live() -> Health:
    """The process answers."""
    return Health()


@router.get("/ready", responses=responses(503))
def ready(request: Request) -> Health:
    """Database at the newest migration, and broker: both answer."""
    try:
        with request.app.state.engine.connect() as connection:
            current = is_current(connection)
    except OperationalError as error:
        raise UnavailableError("The database does not answer.", hint="Is Postgres up?") from error
    if not current:
        raise UnavailableError(
            "The database is not at the newest migration.", hint="Run `crashscout migrate`."
        )
    try:
        request.app.state.queue.ping()
    except BrokerError as error:
        raise UnavailableError("The broker does not answer.", hint="Is Redis up?") from error
    return Health()
