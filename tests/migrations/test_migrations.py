"""The migrations, on an empty database of the real engine."""

from collections.abc import Iterable, Iterator
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from service.database.base import Base
from service.database.migrate import alembic_config, downgrade, upgrade
from service.database.revision import NEWEST, is_current
from service.embedded import EmbeddedEngines
from service.errors import UnavailableError
from service.stack import free_port
from tests.conftest import database_named
from tests.support import psycopg_url

APPEND_ONLY = (
    "recommendation_changes", "label_changes", "audit_events", "run_attempts", "reviews", "surrogate_promotions",
)  # fmt: skip


@pytest.fixture
def empty_database(engines: EmbeddedEngines, administrator: psycopg.Connection) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name}")
    yield database_named(engines, name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


def tables(database_url: str) -> set[str]:
    engine = create_engine(database_url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def functions(database_url: str) -> int:
    with psycopg.connect(psycopg_url(database_url)) as connection:
        query = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        return connection.execute(query).fetchone()[0]


def test_up_down_and_up_again(empty_database: str) -> None:
    wanted = set(Base.metadata.tables)
    upgrade(empty_database)
    assert tables(empty_database) == wanted | {"alembic_version"}
    downgrade(empty_database)
    assert tables(empty_database) == {"alembic_version"}
    assert functions(empty_database) == 0
    upgrade(empty_database)
    assert tables(empty_database) == wanted | {"alembic_version"}


SIDES = {"target_loss": "value_target_loss", "transport": "value_transport"}


def _sides(database_url: str, names: Iterable[str]) -> list[tuple[float, ...]]:
    with psycopg.connect(psycopg_url(database_url)) as connection:
        return connection.execute(f"SELECT {', '.join(names)} FROM data_values ORDER BY rank").fetchall()


def test_sides_of_data_values_turn_round_and_back(empty_database: str) -> None:
    upgrade(empty_database, "0001")
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        # Only this table: its rows need no run and no sample here.
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO data_values (valuation_run_id, sample_id, value, weight, spread, rank, target_loss, transport)"
            " VALUES (1, 1, -2.5, 1, 0, 2, 2.5, -0.5), (1, 2, 0, 1, 0, 1, 0, -1e300)"
        )
    upgrade(empty_database)
    assert _sides(empty_database, SIDES.values()) == [(0.0, 1e300), (-2.5, 0.5)]
    downgrade(empty_database, "0001")
    assert _sides(empty_database, SIDES) == [(0.0, -1e300), (2.5, -0.5)]


def test_a_database_that_is_away_is_one_line_with_the_remedy() -> None:
    url = f"postgresql+psycopg://u:topsecret@127.0.0.1:{free_port()}/x"
    with pytest.raises(UnavailableError, match=r"The database cannot be used: .*refused") as caught:
        upgrade(url)
    assert "CRASHSCOUT_DATABASE_URL" in caught.value.hint
    assert "\n" not in str(caught.value)
    assert "topsecret" not in str(caught.value)


def test_up_twice_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    assert set(Base.metadata.tables) <= tables(database_url)


def test_models_and_migrations_describe_the_same_tables(database_url: str) -> None:
    command.check(alembic_config(database_url))  # raises when a migration is missing


def test_uploads_and_labels_of_before_are_taken_along(empty_database: str) -> None:
    """Intake: old uploads stay as accepted ones without an original, old labels begin their history."""
    upgrade(empty_database, "0001")
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        connection.execute("""
            INSERT INTO campaigns (name, description, feature_schema, target, target_domain, currency)
            VALUES ('c', '', '[{"name": "x"}]', '{}', '{}', 'USD');
            INSERT INTO sources (campaign_id, name, kind, acquisition_cost, currency, lead_time_hours)
            VALUES (1, 's', 'physical_test', 1, 'USD', 0);
            INSERT INTO uploads (campaign_id, filename, sha256, size_bytes, report)
            VALUES (1, 'a.zip', 'abc', 1, '{}');
            INSERT INTO samples (campaign_id, source_id, upload_id, status, split, planned_features, provenance,
                                 target, label_definition, labelled_at)
            VALUES (1, 1, 1, 'labelled', 'train', '{}', '{}', 26.5, 'rolc/1', '2026-01-02T03:04:05Z'),
                   (1, 1, NULL, 'candidate', 'train', '{}', '{}', NULL, NULL, NULL)
        """)
    upgrade(empty_database)
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        upload = connection.execute("SELECT status, storage_key, label_definition FROM uploads").fetchall()
        assert upload == [("accepted", None, "rolc/1")]
        labels = connection.execute(
            "SELECT sample_id, target, actor, created_at::date::text FROM label_changes"
        )
        assert labels.fetchall() == [(1, 26.5, "migration", "2026-01-02")]
    downgrade(empty_database, "0001")
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        assert connection.execute("SELECT filename, report FROM uploads").fetchall() == [("a.zip", {})]


def test_rounds_that_wait_get_the_default_of_the_stored_rows(empty_database: str) -> None:
    upgrade(empty_database, "0004")
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        connection.execute("SET session_replication_role = replica")  # a round needs no campaign here
        connection.execute("""
            INSERT INTO acquisition_rounds (campaign_id, surrogate_id, status, configuration, seed, progress,
                                            progress_message, cancel_requested, attempt, requested_by, error_message)
            VALUES (1, 1, 'queued', '{"batch_size": 5}', 0, 0, '', false, 0, 'test', NULL),
                   (1, 1, 'failed', '{"batch_size": 5}', 0, 0, '', false, 1, 'test', 'it failed')
        """)
    upgrade(empty_database)
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        found = connection.execute("SELECT configuration FROM acquisition_rounds ORDER BY id").fetchall()
    assert found == [({"batch_size": 5, "stored_rows": 1000},), ({"batch_size": 5},)]


def test_sources_with_a_command_lose_their_oracle_on_the_way_back(empty_database: str) -> None:
    upgrade(empty_database)
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        connection.execute("""
            INSERT INTO campaigns (name, description, feature_schema, target, target_domain, currency)
            VALUES ('c', '', '[{"name": "x"}]', '{}', '{}', 'USD');
            INSERT INTO sources (campaign_id, name, kind, acquisition_cost, currency, lead_time_hours, oracle,
                                 oracle_settings)
            VALUES (1, 'a', 'simulation', 1, 'USD', 0, 'command', '{}'),
                   (1, 'b', 'simulation', 1, 'USD', 0, 'occupant_model', NULL)
        """)
    downgrade(empty_database, "0008")
    with psycopg.connect(psycopg_url(empty_database)) as connection:
        found = connection.execute("SELECT name, oracle FROM sources ORDER BY id").fetchall()
    assert found == [("a", None), ("b", "occupant_model")]


def test_readiness_tells_an_old_database_from_a_current_one(empty_database: str, database_url: str) -> None:
    for url, expected in ((empty_database, False), (database_url, True)):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert is_current(connection) is expected
        engine.dispose()


def test_the_code_names_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config("postgresql://")).get_heads() == [NEWEST]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = DEFAULT", "DELETE FROM {}", "TRUNCATE {}"])
def test_histories_are_append_only(database_url: str, table: str, statement: str) -> None:
    refused = pytest.raises(psycopg.errors.RestrictViolation, match="append-only")
    with psycopg.connect(psycopg_url(database_url)) as connection, refused:
        connection.execute(statement.format(table))
