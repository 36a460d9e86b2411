"""The commands of docs/operations.md: what they save comes back, in another database and folder, and works."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import make_engine, unit_of_work
from service.database.revision import is_current
from service.embedded import EmbeddedEngines
from service.embedded.binaries import choose_postgres
from service.settings import Settings
from tests.conftest import database_named
from tests.support import (
    API,
    add_finished_valuation,
    add_round,
    add_samples,
    create_campaign,
    open_client,
    psycopg_url,
    sample_documents,
)

pytestmark = pytest.mark.functional
DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
BINARIES = choose_postgres("auto", data_major=None).path.parent
PROGRAMS = ("pg_dump", "pg_restore")
missing = [name for name in PROGRAMS if not (BINARIES / name).is_file()]


def commands(name: str) -> str:
    """The shell block of the document with this comment in its first line."""
    [block] = re.findall(rf"```bash\n# {name}\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    return block


def run(name: str, database_url: str, files: Path, backup: Path) -> None:
    environment = os.environ | {
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
        "DATABASE_URL": psycopg_url(database_url),
        "FILES": str(files),
        "BACKUP": str(backup),
    }
    subprocess.run(["bash", "-euc", commands(name)], env=environment, check=True, timeout=120)


def rows(database_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and where each sequence stands."""
    with psycopg.connect(psycopg_url(database_url)) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        found = {
            name: sorted(connection.execute(f"SELECT {name}::text FROM {name}").fetchall()) for name in tables
        }
        sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        return found | {"sequences": connection.execute(sequences).fetchall()}


@pytest.fixture
def other_database(engines: EmbeddedEngines, administrator: psycopg.Connection) -> Iterator[str]:
    name = f"restored_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name}")
    yield database_named(engines, name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(bool(missing), reason=f"this Postgres comes without {', '.join(missing)}")
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_a_backup_comes_back_and_works(
    client: TestClient,
    sessions: sessionmaker[Session],
    settings: Settings,
    other_database: str,
    tmp_path: Path,
) -> None:
    campaign = create_campaign(client)
    samples = add_samples(client, campaign, sample_documents(3))
    surrogate = add_finished_valuation(sessions, campaign).surrogate_id
    [first, *_] = add_round(sessions, campaign, surrogate, samples)
    uploaded = client.post(
        f"{API}/uploads", files={"file": ("a.csv", b"a;b")},
        data={"campaign_id": campaign, "source": "full_vehicle"},
    )  # fmt: skip
    assert uploaded.status_code == 202, uploaded.text
    assert settings.files_dir is not None
    backup, restored_files = tmp_path / "backup", tmp_path / "restored"
    backup.mkdir()
    run("back up", settings.database_url, settings.files_dir, backup)
    run("restore", other_database, restored_files, backup)

    assert rows(other_database) == rows(settings.database_url)
    originals = {path.name: path.read_bytes() for path in settings.files_dir.rglob("*") if path.is_file()}
    assert originals
    assert {path.name: path.read_bytes() for path in restored_files.rglob("*") if path.is_file()} == originals
    engine = make_engine(other_database)
    with engine.connect() as connection:
        assert is_current(connection)
    engine.dispose()
    moved = settings.model_copy(update={"database_url": other_database, "files_dir": restored_files})
    with open_client(moved) as restored:
        approved = restored.post(f"{API}/recommendations/{first}:approve")
        assert approved.status_code == 200, approved.text  # triggers and constraints came along
        assert create_campaign(restored, name="after") > campaign
        with (
            unit_of_work(restored.app.state.sessions) as session,
            pytest.raises(Exception, match="append-only"),
        ):
            session.connection().exec_driver_sql("DELETE FROM recommendation_changes")
