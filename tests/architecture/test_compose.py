"""docker-compose.yml: its processes are those of `crashscout serve`, nothing is open, nothing has a default secret."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
from typer.main import get_command

from service.cli import app, join_commands
from service.settings import Settings
from service.stack import CHILDREN
from tests.compose import FILE, VARIABLE, document, example_variables

SECRETS = {"POSTGRES_PASSWORD": "p" * 24, "CRASHSCOUT_SECRET_KEY": "k" * 24}
SERVICES: dict[str, Any] = document(SECRETS)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ONE_SHOT = {"migrate"}


def has_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    version = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return version.returncode == 0


def test_what_production_consists_of() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "api", "beat", "worker", "worker-gpu"}
    assert {command[0] for command in CHILDREN.values()} <= {ours["command"][0] for ours in OURS.values()}


def test_every_container_runs_a_command_that_exists() -> None:
    join_commands(app)
    known = get_command(app).commands  # type: ignore[attr-defined]
    checks = [ours["healthcheck"]["test"][2:] for ours in OURS.values() if "healthcheck" in ours]
    for command, *options in [*(ours["command"] for ours in OURS.values()), *checks]:
        assert command in known
        offered = {text for parameter in known[command].params for text in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= offered, command


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_has_no_default(variable: str) -> None:
    with pytest.raises(KeyError, match=rf"{variable}: set it in \.env"):
        document({name: value for name, value in SECRETS.items() if name != variable})


def test_each_service_that_stays_has_health_check_restart_policy_and_limits() -> None:
    for name in set(SERVICES) - ONE_SHOT:
        service = SERVICES[name]
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
    assert SERVICES["migrate"]["restart"] == "no"


def test_nothing_of_ours_starts_before_the_migration() -> None:
    for name in set(OURS) - ONE_SHOT:
        assert OURS[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully", name
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_only_the_api_is_reached_from_outside_and_from_this_machine_alone() -> None:
    assert {name for name in SERVICES if "ports" in SERVICES[name]} == {"api"}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


def stages(dockerfile: str) -> dict[str, str]:
    parts = re.split(r"^FROM \S+ AS (\w+)$", dockerfile, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_images_run_as_nobody_in_particular_and_the_web_image_has_no_torch() -> None:
    for name, ours in OURS.items():
        stage = stages(ours["build"]["dockerfile_inline"])[ours["build"]["target"]]
        assert "USER crashscout" in stage, name
        assert ("torch" in stage) is name.startswith("worker"), name
        assert ours["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in ours["security_opt"], name


def test_the_gpu_is_reserved_in_its_profile_only() -> None:
    reserving = {
        name for name, service in SERVICES.items() if "reservations" in service.get("deploy", {})["resources"]
    }
    assert reserving == {"worker-gpu"}
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == reserving
    devices = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]


def test_every_volume_is_declared() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(document(SECRETS)["volumes"])


def test_the_example_names_variables_that_the_file_uses_and_settings_that_exist() -> None:
    used = {found[1] for found in VARIABLE.findall(FILE.read_text())}
    assert set(example_variables()) <= used
    fields = {f"CRASHSCOUT_{name.upper()}" for name in Settings.model_fields}
    for name, ours in OURS.items():
        assert set(ours["environment"]) <= fields, name


@pytest.mark.skipif(not has_compose(), reason="no docker with the compose plug-in on this machine")
def test_compose_itself_accepts_the_file() -> None:
    command = ["docker", "compose", "--file", str(FILE), "--profile", "gpu", "config", "--quiet"]
    subprocess.run(command, env={**os.environ, **SECRETS}, check=True, cwd=FILE.parent)
