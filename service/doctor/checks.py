"""The checks of `crashscout doctor`; each says what it saw, and what to do when that is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from service.accounts.oidc.errors import ProviderUnavailableError
from service.database.clock import database_time
from service.database.engine import make_engine, make_session_factory
from service.database.revision import is_current
from service.errors import UnavailableError
from service.processes import service as processes
from service.queue.client import check_broker
from service.queue.messages import Queue
from service.uploads.originals import files_folder
from service.vocabulary import ProcessKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from service.settings import Settings

# Originals are up to 256 MiB each, and unpacked beside their archives.
LEAST_FREE_BYTES = 2 * 2**30
# Times in the rows are the database's: a wrong clock here misleads people who read logs, and TLS.
MOST_OFFSET_S = 5.0


@dataclass(frozen=True)
class Finding:
    """One check: what was seen; a `remedy` when it is not well."""

    check: str
    seen: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        return not self.remedy

    def as_document(self) -> dict[str, Any]:
        return {"well": self.well, **asdict(self)}

    def as_line(self) -> str:
        mark = "ok  " if self.well else "BAD "
        return f"{mark} {self.check}: {self.seen}" + (f"\n     -> {self.remedy}" if self.remedy else "")


def examine(settings: Settings) -> list[Finding]:
    """All checks; those that need the database are left out when it does not answer."""
    return [
        *_with_database(settings), _broker(settings), _disk(files_folder(settings)), *_provider(settings),
    ]  # fmt: skip


def _with_database(settings: Settings) -> Iterator[Finding]:
    with _session(settings) as (session, trouble):
        if session is None:
            remedy = "Start Postgres, or correct CRASHSCOUT_DATABASE_URL; the other checks need it."
            yield Finding("database", trouble, remedy)
            return
        yield Finding("database", "answers")
        yield _migrations(session)
        yield _clock(session)
        yield from _guarded(session, "workers", _workers)
        yield from _guarded(session, "beat", _beat)


@contextmanager
def _session(settings: Settings) -> Iterator[tuple[Session | None, str]]:
    engine = make_engine(settings.database_url, pool_size=1)
    session, trouble = make_session_factory(engine)(), ""
    try:
        session.connection()
    except SQLAlchemyError as error:
        trouble = f"does not answer: {_cause(error)}"
    yield (None if trouble else session), trouble
    session.close()
    engine.dispose()


def _cause(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _migrations(session: Session) -> Finding:
    if is_current(session.connection()):
        return Finding("migrations", "the database is up to date")
    remedy = (
        "Run `crashscout migrate`; where that is done, this release is older than the database: update it."
    )
    return Finding("migrations", "the database fits another release", remedy)


def _clock(session: Session) -> Finding:
    before = datetime.now(UTC)
    moment = database_time(session)
    after = datetime.now(UTC)
    offset_s = (before + (after - before) / 2 - moment).total_seconds()
    offset_s = round(offset_s, 1) + 0.0  # without a negative zero
    remedy = "" if abs(offset_s) <= MOST_OFFSET_S else "Set the clocks, best by NTP on both machines."
    return Finding("clock", f"{offset_s:+.1f} s against the database", remedy)


def _guarded(session: Session, check: str, examine_it: Callable[[Session], Finding]) -> Iterator[Finding]:
    """A check whose table an old database may lack."""
    try:
        yield examine_it(session)
    except SQLAlchemyError as error:
        session.rollback()
        yield Finding(check, f"cannot be seen: {_cause(error)}", "Run `crashscout migrate`.")


def _workers(session: Session) -> Finding:
    found = processes.workers_by_queue(session)
    seen = ", ".join(f"{found[queue]} on {queue}" for queue in Queue)
    unserved = [queue.value for queue in Queue if not found[queue]]
    if not unserved:
        return Finding("workers", seen)
    remedy = (
        f"Nobody works on {', '.join(unserved)}: start `crashscout worker --queues {','.join(unserved)}`."
    )
    return Finding("workers", seen, remedy)


def _beat(session: Session) -> Finding:
    count = sum(process.kind is ProcessKind.BEAT for process in processes.living(session))
    remedy = "Start `crashscout beat`: lost runs, schedules, rounds and webhooks wait for it."
    return Finding("beat", f"{count} alive", "" if count else remedy)


def _broker(settings: Settings) -> Finding:
    try:
        check_broker(settings.broker_url)
    except UnavailableError as error:
        return Finding("broker", error.message, error.hint)
    return Finding("broker", "answers")


def _provider(settings: Settings) -> Iterator[Finding]:
    """The OIDC provider, where there should be one: its description and its keys."""
    if not settings.oidc_issuer:
        return
    from service.accounts.oidc.provider import Provider  # see service.main: few need its cryptography

    provider = Provider(settings)
    try:
        metadata, keys = provider.metadata(), provider.keys()
    except ProviderUnavailableError as error:
        remedy = error.hint or "Correct CRASHSCOUT_OIDC_ISSUER, or ask who runs the provider."
        yield Finding("oidc", error.message, remedy)
        return
    seen = f"{metadata.issuer} answers, keys: {len(keys.keys)}, signatures: {', '.join(metadata.algorithms)}"
    yield Finding("oidc", seen, _without_administrator(settings))


def _without_administrator(settings: Settings) -> str:
    if settings.password_login or "admin" in settings.oidc_roles.values():
        return ""
    return "Nobody can become admin: map a value to it in CRASHSCOUT_OIDC_ROLES."


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    seen = f"{free / 2**30:.1f} GiB free for {folder}"
    remedy = f"Free some: at least {LEAST_FREE_BYTES / 2**30:.0f} GiB, uploads fail without."
    return Finding("disk", seen, "" if free >= LEAST_FREE_BYTES else remedy)
