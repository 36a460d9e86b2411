"""What authentication adds to a request: `python -m benchmarks.authentication [--output FILE]`.

The door of every route (`service.dependencies.principal_of`) on a real Postgres, without the route behind it: for a key
that this process verified just now, and for one that it must look up; the same for the cookie of a session. The rate
limit of whoever asks is counted too, as in each request.
Target: at most 1 ms at the median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr
from starlette.requests import Request

from service.accounts import login
from service.accounts import service as accounts
from service.accounts.authentication import Authenticator
from service.accounts.schemas import ApiKeyCreate, UserCreate
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.migrate import upgrade
from service.dependencies import principal_of
from service.embedded import EmbeddedEngines
from service.manners.limits import RateLimiter
from service.queue.client import QueueClient
from service.settings import Settings
from service.vocabulary import Role, Scope

SECRET = "a secret of the benchmark, 32 characters"  # noqa: S105
CALLS = 1000
MOST_MS = 1.0


def main() -> None:
    """Measure and print; exit 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="also write the figures to this JSON file")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="crashscout-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with EmbeddedEngines(folder) as engines:
            upgrade(engines.database_url)
            figures = _measure(engines.database_url, engines.broker_url)
    text = json.dumps(figures, indent=2)
    print(text)
    if output:
        output.write_text(text + "\n")
    if figures["key_remembered_ms"]["median"] > MOST_MS:
        raise SystemExit(1)


def _measure(database_url: str, broker_url: str) -> dict[str, Any]:
    settings = Settings(
        _env_file=None, database_url=database_url, broker_url=broker_url, secret_key=SecretStr(SECRET)
    )
    engine = make_engine(database_url)
    sessions = make_session_factory(engine)
    authenticator = Authenticator(sessions, settings)
    queue = QueueClient(broker_url)
    state = SimpleNamespace(settings=settings, authenticator=authenticator, rate_limiter=RateLimiter(queue))
    app = SimpleNamespace(state=state)
    with unit_of_work(sessions) as session:
        request = ApiKeyCreate(name="bench", scopes=frozenset(Scope))
        _, key = accounts.create_key(session, request, actor="bench", secret_key=SECRET)
        person = UserCreate(name="bench", role=Role.VIEWER, password=SecretStr("chalk otter sleeps twice"))
        user = accounts.create_user(session, person, actor="bench")
        cookie = login.begin_session(session, settings, user, address="", user_agent="").token
    shown = {
        "key": (b"authorization", f"Bearer {key}".encode()),
        "session": (b"cookie", f"crashscout_session={cookie}".encode()),
    }
    figures: dict[str, Any] = {"calls": CALLS}
    for kind, header in shown.items():
        figures[f"{kind}_remembered_ms"] = asyncio.run(_times(app, header, forget=False))
        figures[f"{kind}_looked_up_ms"] = asyncio.run(_times(app, header, forget=True))
    queue.close()
    engine.dispose()
    return figures


async def _times(app: SimpleNamespace, header: tuple[bytes, bytes], *, forget: bool) -> dict[str, float]:
    milliseconds = []
    for _ in range(CALLS):
        if forget:
            app.state.authenticator.forget()
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [header], "app": app}
        scope |= {"endpoint": _times, "state": {}}
        started_at = time.perf_counter()
        await principal_of(Request(scope))
        milliseconds.append((time.perf_counter() - started_at) * 1000)
    ordered = sorted(milliseconds)
    return {
        "median": round(statistics.median(ordered), 4),
        "p95": round(ordered[int(0.95 * CALLS)], 4),
        "p99": round(ordered[int(0.99 * CALLS)], 4),
    }


if __name__ == "__main__":
    main()
