"""Each thing that can be wrong is found and comes with its remedy."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import Process
from service.doctor import checks
from service.doctor.alive import why_dead
from service.doctor.checks import Finding, examine
from service.embedded import EmbeddedEngines
from service.embedded.engines import running_urls
from service.settings import Settings
from service.stack import free_port
from service.vocabulary import ProcessKind
from tests.oidc_provider import running_provider
from tests.service.test_cli import crashscout

Sessions = sessionmaker[Session]


@pytest.fixture
def complete(sessions: Sessions) -> None:
    """A worker and a beat that live somewhere."""
    with unit_of_work(sessions) as session:
        session.add(Process(kind=ProcessKind.WORKER, host="a", pid=1, queues=["gpu", "cpu", "io"]))
        session.add(Process(kind=ProcessKind.BEAT, host="a", pid=2, queues=[]))


def bad(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings) if not finding.well}


def test_a_complete_installation_is_well(settings: Settings, complete: None) -> None:
    assert bad(settings) == {}
    names = [finding.check for finding in examine(settings)]
    assert names == ["database", "migrations", "clock", "workers", "beat", "broker", "disk"]


def test_without_processes_it_says_what_to_start(settings: Settings) -> None:
    found = bad(settings)
    assert set(found) == {"workers", "beat"}
    assert "crashscout worker --queues gpu,cpu,io" in found["workers"].remedy
    assert "crashscout beat" in found["beat"].remedy


def test_a_queue_that_nobody_serves_is_named(settings: Settings, sessions: Sessions, complete: None) -> None:
    with unit_of_work(sessions) as session:
        session.execute(text("UPDATE processes SET queues = '{gpu,io}' WHERE kind = 'worker'"))
    found = bad(settings)
    assert set(found) == {"workers"}
    assert "--queues cpu`" in found["workers"].remedy


def test_a_database_that_is_away_is_one_finding_and_the_rest_is_looked_at(settings: Settings) -> None:
    url = f"postgresql+psycopg://u:topsecret@127.0.0.1:{free_port()}/x"
    findings = examine(settings.model_copy(update={"database_url": url}))
    assert [finding.check for finding in findings] == ["database", "broker", "disk"]
    assert "CRASHSCOUT_DATABASE_URL" in findings[0].remedy
    assert "topsecret" not in findings[0].seen
    assert findings[1].well


def test_the_oidc_provider_is_asked_where_there_is_one(settings: Settings, complete: None) -> None:
    roles = {"crash-engineers": "engineer"}
    with running_provider() as provider:
        changes = {"oidc_issuer": provider.url, "oidc_client_id": "c", "oidc_roles": roles}
        configured = settings.model_copy(update=changes)
        assert bad(configured) == {}
        seen = next(finding.seen for finding in examine(configured) if finding.check == "oidc")
        assert seen == f"{provider.url} answers, keys: 1, signatures: ES256, RS256"
        lonely = bad(configured.model_copy(update={"password_login": False}))
        assert "CRASHSCOUT_OIDC_ROLES" in lonely["oidc"].remedy
        provider.metadata = {"issuer": "https://login.example.com"}
        assert "calls itself https://login.example.com" in bad(configured)["oidc"].seen
        assert "CRASHSCOUT_OIDC_ISSUER" in bad(configured)["oidc"].remedy
    away = bad(configured)
    assert set(away) == {"oidc"}
    assert "CRASHSCOUT_OIDC_ISSUER" in away["oidc"].remedy


def test_an_old_database_is_found(settings: Settings, sessions: Sessions, complete: None) -> None:
    with unit_of_work(sessions) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0008'"))
        session.execute(text("DROP TABLE processes"))
    found = bad(settings)
    assert set(found) == {"migrations", "workers", "beat"}
    assert all("crashscout migrate" in finding.remedy for finding in found.values())


def test_a_broker_that_is_away_is_found(settings: Settings, complete: None) -> None:
    found = bad(settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"}))
    assert set(found) == {"broker"}
    assert "CRASHSCOUT_BROKER_URL" in found["broker"].remedy


def test_a_full_disk_is_found_also_where_the_folder_is_not_there_yet(
    settings: Settings, complete: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 2**60)
    found = bad(settings.model_copy(update={"files_dir": tmp_path / "not" / "there"}))
    assert set(found) == {"disk"}
    assert "GiB" in found["disk"].seen


def test_a_clock_that_is_off_is_found(
    settings: Settings, complete: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_OFFSET_S", -1.0)  # no clock is better than that
    assert set(bad(settings)) == {"clock"}


def test_the_command_says_it_in_lines_or_json_and_by_its_exit(settings: Settings) -> None:
    urls = {"CRASHSCOUT_DATABASE_URL": settings.database_url, "CRASHSCOUT_BROKER_URL": settings.broker_url}
    said = crashscout("doctor", **urls)
    assert said.returncode == 1
    assert "BAD  beat: 0 alive\n     -> Start `crashscout beat`" in said.stdout
    document = json.loads(crashscout("doctor", "--json", **urls).stdout)
    assert document["well"] is False
    assert {"check": "database", "well": True, "seen": "answers", "remedy": ""} in document["checks"]


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_a_part_that_is_not_here_is_dead(settings: Settings, complete: None, part: str) -> None:
    assert f"No {part} on this machine" in (why_dead(part, settings, port=1) or "")


def test_an_api_that_does_not_listen_is_dead(settings: Settings) -> None:
    port = free_port()
    assert f"port {port}" in (why_dead("api", settings, port=port) or "")


def test_without_a_database_nobody_can_be_seen(settings: Settings) -> None:
    url = f"postgresql+psycopg://u:topsecret@127.0.0.1:{free_port()}/x"
    reason = why_dead("beat", settings.model_copy(update={"database_url": url}), port=1)
    assert reason == "The database cannot be asked: OperationalError."


def test_it_finds_the_engines_of_a_folder_by_itself(data_folder: Path) -> None:
    with EmbeddedEngines(data_folder, durable=False) as engines:
        assert running_urls(data_folder) == (engines.database_url, engines.broker_url)
        said = crashscout("doctor", "--json", "--data-dir", str(data_folder))
    found = {check["check"]: check for check in json.loads(said.stdout)["checks"]}
    assert found["database"]["well"]
    assert found["broker"]["well"]
    assert not found["migrations"]["well"]
    assert str(data_folder / "files") in found["disk"]["seen"]
