"""The containers run the commands that `crashscout serve` starts as children."""

import re
from pathlib import Path

from typer.main import get_command

from service.cli import app, join_commands
from service.stack import CHILDREN

COMPOSE = (Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text()


def services() -> dict[str, list[str]]:
    """Name of each container of ours -> its command line."""
    found = {}
    for block in re.split(r"\n(?=  [a-z-]+:\n)", COMPOSE[COMPOSE.index("\nservices:") :]):
        name = re.match(r"\s*([a-z-]+):", block)
        command = re.search(r'\n    command: \[(".*?")\]', block)
        if name and command and "*crashscout" in block:
            found[name[1]] = re.findall(r'"([^"]*)"', command[1])
    return found


def test_every_child_of_the_embedded_mode_is_a_container() -> None:
    commands = [command[0] for command in services().values()]
    assert {command[0] for command in CHILDREN.values()} <= set(commands)
    assert "migrate" in commands


def test_every_container_runs_a_command_that_exists() -> None:
    join_commands(app)
    known = get_command(app).commands  # type: ignore[attr-defined]
    assert services()
    for name, (command, *options) in services().items():
        assert command in known, name
        offered = {text for parameter in known[command].params for text in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= offered, name


def test_no_secret_has_a_default() -> None:
    for variable in ("POSTGRES_PASSWORD", "CRASHSCOUT_API_KEY"):
        assert f"${{{variable}:?" in COMPOSE
        assert f"${{{variable}:-" not in COMPOSE
