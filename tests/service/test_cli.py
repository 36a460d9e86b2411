"""The command line on wrong input: one line, a remedy, exit status 2."""

import os
import subprocess
import sys

import pytest


def crashscout(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean | variables,
    )


URLS = {
    "CRASHSCOUT_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
    "CRASHSCOUT_BROKER_URL": "redis://127.0.0.1:1/0",
}


@pytest.mark.parametrize(
    ("arguments", "variables", "remedy"),
    [
        (["worker"], {}, "CRASHSCOUT_DATABASE_URL"),
        (["api"], {}, "crashscout serve"),
        (["beat"], {}, "CRASHSCOUT_BROKER_URL"),
        (["migrate"], {}, "CRASHSCOUT_DATABASE_URL"),
        (["worker", "--queues", "gpu,tpu"], URLS, "gpu, cpu and io"),
        (["worker"], URLS | {"CRASHSCOUT_DEVICE": "abacus"}, "abacus"),
        (["serve", "--host", "0.0.0.0"], {}, "CRASHSCOUT_API_KEY"),
        (["serve"], {"CRASHSCOUT_API_KEY": "changeme"}, "placeholder"),
        (["serve"], {"CRASHSCOUT_ENVIRONMENT": "production"}, "CRASHSCOUT_SECRET_KEY"),
        (["serve"], {"CRASHSCOUT_RUN_LEASE_S": "soon"}, "CRASHSCOUT_RUN_LEASE_S"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_2(
    arguments: list[str], variables: dict[str, str], remedy: str
) -> None:
    refused = crashscout(*arguments, **variables)
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.startswith("crashscout: ")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert remedy in refused.stderr


def test_help_names_every_command_of_both_packages() -> None:
    shown = crashscout("--help").stdout
    for command in ("serve", "demo", "rolc", "api", "worker", "beat", "migrate", "value"):
        assert f" {command} " in shown
