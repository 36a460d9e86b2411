"""Does one part of the installation live on this machine?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from sqlalchemy.exc import SQLAlchemyError

from service.database.engine import make_engine, make_session_factory
from service.processes import service as processes
from service.vocabulary import ProcessKind

if TYPE_CHECKING:
    from service.settings import Settings

ANSWER_WITHIN_S = 5.0


def why_dead(part: str, settings: Settings, *, port: int) -> str | None:
    """The reason why it does not live; None when it does."""
    if part == "api":
        return _why_api_dead(settings, port)
    engine = make_engine(settings.database_url, pool_size=1)
    try:
        with make_session_factory(engine)() as session:
            lives = processes.lives_here(session, ProcessKind(part))
    except SQLAlchemyError as error:
        return f"The database cannot be asked: {type(error).__name__}."
    finally:
        engine.dispose()
    return (
        None
        if lives
        else f"No {part} on this machine gave a sign of life for {processes.SILENT_AFTER_S:.0f} s."
    )


def _why_api_dead(settings: Settings, port: int) -> str | None:
    url = f"http://127.0.0.1:{port}/health/ready"
    # Under a name that the service goes by: its address need not be one of them.
    headers = {"Host": settings.allowed_hosts[0]}
    try:
        answer = httpx.get(url, headers=headers, timeout=ANSWER_WITHIN_S)
    except httpx.TransportError as error:
        return f"Nobody answers on port {port}: {error}."
    return None if answer.is_success else f"The API says {answer.status_code}: {answer.text}"
