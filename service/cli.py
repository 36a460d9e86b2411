"""`crashscout`: the command line.

Commands that need torch live in the worker package and join by the entry point group
`crashscout.commands`, so that a web-only installation starts without it.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

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


@app.callback()
def _crashscout() -> None:
    # With a callback Typer keeps the command's name even where only one command is installed.
    pass


@app.command()
def rolc(
    path: Annotated[Path, typer.Argument(help="A crash test: an EV5 file, its folder, or a zip of it.")],
    file_format: Annotated[str, typer.Option("--format", help="auto or ev5.")] = "auto",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compute the ROLC label of each occupant of a crash test, with the channels and rule behind it."""
    from service.ingest import label_occupants, read_crash_test
    from service.ingest.report import as_document, print_table

    test = read_crash_test(path, file_format=file_format)
    labels = label_occupants(test)
    if as_json:
        typer.echo(json.dumps(as_document(test, labels), indent=2))
    else:
        print_table(test, labels, Console())


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
