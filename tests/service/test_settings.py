"""Configuration: what is missing or a placeholder is refused before anything starts."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.errors import InputError
from service.settings import PLACEHOLDERS, Settings, load_settings

KEY = "k" * 24
ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "environment": "production",
    "secret_key": KEY,
    "database_url": "postgresql://x",
    "broker_url": "redis://x",
}


def make(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without an .env file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["api_key", "secret_key"])
@pytest.mark.parametrize("key", [*sorted(PLACEHOLDERS - {""}), "ChangeMe", "k" * 23])
def test_a_placeholder_or_short_key_is_refused_everywhere(key: str, name: str) -> None:
    told = f"CRASHSCOUT_{name.upper()} is a placeholder or shorter than 24"
    with pytest.raises(ValidationError, match=told):
        make(**{name: key})


@pytest.mark.parametrize("name", ["secret_key", "database_url", "broker_url"])
def test_production_starts_with_no_default(name: str) -> None:
    with pytest.raises(ValidationError, match=f"set CRASHSCOUT_{name.upper()}:"):
        make(**PRODUCTION | {name: ""})


def test_production_starts_with_everything_set() -> None:
    assert make(**PRODUCTION).environment == "production"


def test_development_needs_nothing() -> None:
    assert make().database_url == ""


def test_the_key_is_not_printed() -> None:
    assert KEY not in repr(make(api_key=KEY, secret_key=KEY))
    assert make(api_key=KEY, secret_key=KEY).secrets()[:2] == [KEY, KEY]


def test_a_bad_variable_is_named(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHSCOUT_RUN_LEASE_S", "soon")
    with pytest.raises(InputError, match="CRASHSCOUT_RUN_LEASE_S: "):
        load_settings()


def test_an_env_file_is_read(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("CRASHSCOUT_MAX_BULK_ROWS=7\nOTHER=1\n")
    assert load_settings().max_bulk_rows == 7


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("DATABASE_URL", "foo", "postgresql://user:password@host"),
        ("DATABASE_URL", "mysql://u:topsecret@host/x", "postgresql://user:password@host"),
        ("DATABASE_URL", "postgresql://u:topsecret@host:port/x", "postgresql://user:password@host"),
        ("BROKER_URL", "localhost", "redis://host"),
        ("BROKER_URL", "amqp://u:topsecret@host", "redis://host"),
        ("DEVICE", "banana", "auto"),
        ("LOG_LEVEL", "LOUD", "INFO"),
        ("ALLOWED_HOSTS", "a,b", "JSON list"),
        ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8", "JSON list"),
        ("WEBHOOK_ALLOWED_NETWORKS", '["10.0.0.1/8"]', "networks like 10.0.0.0/8"),
        ("ORACLE_COMMANDS", "/opt/solver", "JSON list"),
        ("ORACLE_COMMANDS", '["solver"]', "no absolute path"),
        ("API_KEY", "changeme", "shorter than 24"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_and_remedy(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(f"CRASHSCOUT_{name}", value)
    with pytest.raises(InputError) as caught:
        load_settings()
    told = str(caught.value)
    assert f"CRASHSCOUT_{name}" in told
    assert remedy in told
    assert "\n" not in told
    assert "Value error" not in told
    assert "topsecret" not in told


@pytest.mark.parametrize(
    "values",
    [
        {
            "database_url": "postgresql+psycopg://u:p@/x?host=%2Ftmp%2Fa",
            "broker_url": "redis+socket:///tmp/a.sock",
        },
        {"database_url": "postgresql://u:p@h:5432/x", "broker_url": "rediss://h:6379/0"},
        {"device": "cuda:1", "log_level": "debug"},
    ],
)
def test_right_values_pass(values: dict[str, str]) -> None:
    make(**values)


@pytest.mark.parametrize(
    ("named", "value"),
    [("CRASHSCOUT_DATABASE_URL", "postgresql://x"), ("CRASHSCOUT_BROKER_URL", "redis://x"), (None, "")],
)
def test_a_lone_process_needs_both_engines_named(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, value: str
) -> None:
    if named:
        monkeypatch.setenv(named, value)
    with pytest.raises(InputError, match="crashscout serve"):
        load_settings(engines=True)


def test_an_empty_value_is_as_good_as_none_where_nothing_need_be_set(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optional = [name for name, value in Settings(_env_file=None) if value is None]
    assert set(optional) == {"data_dir", "files_dir", "solver_file_retention_days"}
    for name in optional:
        monkeypatch.setenv(f"CRASHSCOUT_{name.upper()}", "")
    found = make()
    assert [getattr(found, name) for name in optional] == [None] * 3
    monkeypatch.setenv("CRASHSCOUT_ENVIRONMENT", "")
    with pytest.raises(ValidationError):
        make()


@pytest.mark.skipif(not (ROOT / ".env.example").exists(), reason="this checkout has no .env.example")
def test_the_example_configuration_cannot_be_started_as_it_is() -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=ROOT / ".env.example")


@pytest.mark.parametrize("name", ["database_url", "broker_url"])
@pytest.mark.parametrize("password", ["changeme", "SECRET"])
def test_production_refuses_a_placeholder_in_an_address(name: str, password: str) -> None:
    scheme = PRODUCTION[name].partition(":")[0]
    url = f"{scheme}://u:{password}@host/0"
    with pytest.raises(ValidationError, match=rf"password in CRASHSCOUT_{name.upper()} is a placeholder"):
        make(**PRODUCTION | {name: url})
    assert make(**{name: url})


def test_a_secret_may_stand_in_a_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "key").write_text(f"{KEY}\n")
    (elsewhere / "hosts").write_text('["scout.example"]\n')
    (elsewhere / ".env").write_text("CRASHSCOUT_API_KEY=of-the-env-file-0123456789\n")
    monkeypatch.setenv("CRASHSCOUT_API_KEY_FILE", "key")
    monkeypatch.setenv("CRASHSCOUT_ALLOWED_HOSTS_FILE", "hosts")
    settings = load_settings()
    assert settings.api_key.get_secret_value() == KEY
    assert settings.allowed_hosts == ["scout.example"]
    assert KEY in settings.secrets()


def test_a_secret_in_a_file_wins_over_an_empty_variable(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "key").write_text(KEY)
    monkeypatch.setenv("CRASHSCOUT_API_KEY_FILE", "key")
    monkeypatch.setenv("CRASHSCOUT_API_KEY", "")
    assert load_settings().api_key.get_secret_value() == KEY


@pytest.mark.parametrize("days", ["0", "36501", "soon"])
@pytest.mark.parametrize("what", ["EVENT", "RUN_LOG", "SOLVER_FILE", "ARTEFACT"])
def test_days_are_a_day_to_a_century(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, what: str, days: str
) -> None:
    monkeypatch.setenv(f"CRASHSCOUT_{what}_RETENTION_DAYS", days)
    with pytest.raises(InputError, match=f"CRASHSCOUT_{what}_RETENTION_DAYS"):
        load_settings()


def test_a_secret_file_that_is_not_there_is_named(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHSCOUT_API_KEY_FILE", "/nowhere/key")
    with pytest.raises(InputError, match="CRASHSCOUT_API_KEY_FILE=/nowhere/key cannot be read: No such file"):
        load_settings()


def test_a_secret_in_two_places_is_refused(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "key").write_text(KEY)
    monkeypatch.setenv("CRASHSCOUT_API_KEY_FILE", "key")
    monkeypatch.setenv("CRASHSCOUT_API_KEY", KEY)
    with pytest.raises(InputError, match="Both CRASHSCOUT_API_KEY and CRASHSCOUT_API_KEY_FILE"):
        load_settings()


@pytest.mark.parametrize("proxies", [["*"], ["proxy.example"], ["10.0.0.1/8"]])
def test_proxies_are_addresses_and_not_everyone(proxies: list[str]) -> None:
    with pytest.raises(ValidationError, match="expects networks like"):
        make(trusted_proxies=proxies)
