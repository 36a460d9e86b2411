"""Where `serve` and `api` listen: never open to others by accident, never beside somebody else."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service import stack
from service.errors import InputError, UnavailableError
from service.settings import Settings
from service.stack import (
    CHILDREN,
    MOST_FAILURES,
    Child,
    check_address,
    free_port,
    is_loopback,
    running_stack,
    url_of,
)

KEY = "k" * 24


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def settings(**values: str) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", "localhost.example.org", ""])
def test_other_addresses(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", ""])
def test_beyond_loopback_a_key_is_demanded(host: str) -> None:
    with pytest.raises(InputError, match="no API key is set") as caught:
        check_address(host, free_port(), settings())
    assert "CRASHSCOUT_API_KEY" in caught.value.hint


def test_the_proposed_key_is_a_good_one_and_new_each_time() -> None:
    hints = []
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            check_address("0.0.0.0", free_port(), settings())
        hints.append(caught.value.hint)
    keys = [hint.split(" to ")[1].split(",")[0] for hint in hints]
    assert keys[0] != keys[1]
    assert settings(api_key=keys[0]).api_key.get_secret_value() == keys[0]


def test_with_a_key_it_may_listen_to_others() -> None:
    check_address("0.0.0.0", free_port(), settings(api_key=KEY))


def test_loopback_needs_no_key() -> None:
    check_address("127.0.0.1", free_port(), settings())


def test_a_port_in_use_is_named_with_the_remedy(taken_port: int) -> None:
    with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1:{taken_port}") as caught:
        check_address("127.0.0.1", taken_port, settings())
    assert "--port" in caught.value.hint


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InputError, match="Cannot listen on"):
        check_address("192.0.2.1", free_port(), settings(api_key=KEY))


def test_api_worker_and_beat_run_as_children() -> None:
    assert set(CHILDREN) == {"api", "worker", "beat"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("192.168.1.1", "http://192.168.1.1:80"),
    ],
)
def test_the_address_to_connect_to(host: str, url: str) -> None:
    assert url_of(host, 80) == url


@pytest.mark.parametrize("names", ['["127.0.0.1"]', '["crashscout.example.org"]'])
def test_listening_to_all_it_becomes_ready_under_whatever_name_it_goes_by(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(stack.__file__).parents[1]))
    monkeypatch.setattr(stack, "CHILDREN", {"api": ["api"]})
    monkeypatch.setattr(stack, "START_TIMEOUT_S", 120.0)  # a busy machine imports for half a minute
    for name, value in {"API_KEY": KEY, "ALLOWED_HOSTS": names, "DATABASE_URL": database_url}.items():
        monkeypatch.setenv(f"CRASHSCOUT_{name}", value)
    monkeypatch.setenv("CRASHSCOUT_BROKER_URL", broker_url)
    with running_stack(
        Settings(), data_folder=tmp_path, host="0.0.0.0", port=free_port(), announce=print
    ) as running:
        answer = httpx.get(f"{running.url}/health/live", headers={"Host": "elsewhere.example.org"})
    assert answer.json()["code"] == "unknown_host"


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Child:
    """A child that runs a script in place of a command of ours."""
    monkeypatch.chdir(tmp_path)  # the first place where Python looks for a module
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").touch()
    (tmp_path / "service" / "cli.py").write_text(script)
    return Child("worker", ["worker"], tmp_path / "worker.log", dict(os.environ))


def test_a_child_that_was_killed_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeping = child(tmp_path, monkeypatch, "import time; time.sleep(60)")
    try:
        for _ in range(MOST_FAILURES + 1):
            assert not sleeping.mend()
            before = sleeping.process
            before.kill()
            before.wait()
            assert sleeping.mend()
            assert sleeping.process.pid != before.pid
    finally:
        sleeping.process.kill()
        sleeping.process.wait()


def test_a_child_that_fails_time_and_again_ends_the_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = child(tmp_path, monkeypatch, "raise SystemExit('no such device')")
    for _ in range(MOST_FAILURES - 1):
        failing.process.wait()
        assert failing.mend()
    failing.process.wait()
    with pytest.raises(UnavailableError, match=r"The worker ended with status 1:\n(?s:.*)no such device"):
        failing.mend()
