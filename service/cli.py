"""`crashscout`: the command line.

Commands that need torch live in the worker package and join by the entry point group
`crashscout.commands`, so that a web-only installation starts without it.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer
from rich.console import Console

from service.errors import CrashscoutError

app = typer.Typer(
    name="crashscout",
    help="Which crash test or simulation to run next, why, and how sure we are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def join_commands(application: typer.Typer) -> None:
    """Add the commands that other installed packages offer; one whose extra is missing is left out."""
    for entry in sorted(entry_points(group="crashscout.commands"), key=lambda found: found.name):
        try:
            command = entry.load()
        except ModuleNotFoundError:
            continue  # the worker extra (torch) is not installed
        application.command(entry.name)(command)


def main() -> None:
    """Run the command line; an expected error is one line on standard error and exit status 2."""
    join_commands(app)
    try:
        app()
    except CrashscoutError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"crashscout: {error}", markup=False)
        sys.exit(2)
