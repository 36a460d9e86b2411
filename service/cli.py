"""`crashscout`: the command line.

Commands that need torch live in the worker package and join by the entry point group
`crashscout.commands`, so that a web-only installation starts without it.
"""

from __future__ import annotations

import gc
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from service.accounts.cli import app as admin
from service.doctor.cli import alive, doctor
from service.errors import CrashscoutError, InputError, UnavailableError
from service.imports.cli import app as imports
from service.settings import load_settings
from service.terminal import console

KMH_PER_MPS = 3.6
# Packages that only the worker extra brings.
WORKER_EXTRA = frozenset({"torch", "ot", "pyarrow", "safetensors"})

app = typer.Typer(
    name="crashscout",
    help="Which crash test or simulation to run next, why, and how sure we are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(imports, name="import")
app.add_typer(admin, name="admin")
app.command()(alive)
app.command()(doctor)


@app.callback()
def _crashscout() -> None:
    # With a callback Typer keeps the command's name even where only one command is installed.
    pass


@app.command()
def rolc(
    path: Annotated[
        Path, typer.Argument(help="A crash test: its main file, its folder, or a zip or tar of it.")
    ],
    file_format: Annotated[
        str, typer.Option("--format", help="auto, ev5, iso_mme, tdms, binout or csv.")
    ] = "auto",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    units: Annotated[
        str | None,
        typer.Option(help="binout: the model's mass, length and time, such as kg-mm-ms or t-mm-s."),
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="csv: JSON file that explains the columns.")] = None,
    initial_speed_kmh: Annotated[
        float | None, typer.Option(help="Speed at first contact, instead of the file's.")
    ] = None,
    vehicle_channel: Annotated[
        list[str] | None, typer.Option(help="Key of a channel for the vehicle pulse; several are averaged.")
    ] = None,
    chest: Annotated[
        list[str] | None, typer.Option(help="OCCUPANT=KEY: chest channel by hand, such as driver=013.")
    ] = None,
    definition: Annotated[str, typer.Option(help="Label definition; docs/readers.md lists them.")] = "rolc/1",
) -> None:
    """Compute the ROLC label of each occupant of a crash test, with the channels and rule behind it."""
    from service.ingest import ChannelChoice, ReadOptions, label_occupants, load_mapping, read_crash_test
    from service.ingest.options import parse_chests
    from service.ingest.report import as_document, print_table

    options = ReadOptions(
        channels=ChannelChoice(tuple(vehicle_channel or ()), parse_chests(chest or [])),
        initial_speed_mps=None if initial_speed_kmh is None else initial_speed_kmh / KMH_PER_MPS,
        units=units,
        mapping=load_mapping(mapping) if mapping else None,
    )
    try:
        # Absolute: the complaint about `.` shall name the folder.
        test = read_crash_test(path.absolute(), file_format=file_format, options=options)
    except OSError as error:
        hint = "Check its permissions, or copy it to a folder of yours."
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    labels = label_occupants(test, definition=definition)
    if as_json:
        typer.echo(json.dumps(as_document(test, labels), indent=2))
    else:
        print_table(test, labels, console())


DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the embedded Postgres and Redis; CRASHSCOUT_DATA_DIR else.")
]
Host = Annotated[str, typer.Option(help="Address to listen on; beyond loopback an API key is demanded.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Processes = Annotated[
    int, typer.Option(min=1, max=64, help="How many share the port: one for each core that they may use.")
]


@app.command()
def serve(host: Host = "127.0.0.1", port: Port = 8000, data_dir: DataDir = None) -> None:
    """Run everything on this machine: engines (unless their URLs are set), API, dashboard, one worker."""
    from service.stack import keep_running, running_stack

    show = console(stderr=True).print
    with running_stack(load_settings(), data_folder=data_dir, host=host, port=port, announce=show) as stack:
        if stack.ready_key:
            show(f"API key for your tools: in {stack.ready_key.path}, for you alone")
        show(f"Crashscout answers on {stack.url} (Ctrl-C stops it)")
        keep_running(stack, show)


@app.command()
def api(host: Host = "127.0.0.1", port: Port = 8000, processes: Processes = 1) -> None:
    """Run the web process alone; database and broker are named by their URLs."""
    gc.disable()  # until `application` has made it: of what is imported nothing is garbage
    from service.accounts.bootstrap import secret_key_of
    from service.embedded import default_data_folder
    from service.http_server import check_address
    from service.web_process import run

    settings = load_settings(engines=True)
    check_address(host, port, settings)
    secret_key_of(settings, settings.data_dir or default_data_folder())  # before several make one each
    run(host, port, processes)


@app.command()
def beat() -> None:
    """Keep the house: runs of lost workers, lost messages. One process beside any number of workers."""
    from service.beat import run_beat

    run_beat(load_settings(engines=True))


@app.command()
def migrate() -> None:
    """Bring the database of CRASHSCOUT_DATABASE_URL up to date."""
    from service.database.migrate import upgrade

    settings = load_settings()
    if not settings.database_url:
        raise InputError("No database is named.", hint="Set CRASHSCOUT_DATABASE_URL; `serve` needs none.")
    upgrade(settings.database_url)
    typer.echo("The database is up to date.")


def join_commands(application: typer.Typer) -> None:
    """Add the commands that other packages offer; their modules import torch only when they run."""
    for entry in sorted(entry_points(group="crashscout.commands"), key=lambda found: found.name):
        application.command(entry.name)(entry.load())


def main() -> None:
    """Run the command line; an expected error is one line on standard error and exit status 2."""
    try:
        if sys.argv[1:2] != ["api"]:  # others may be asked for, or listed; it starts faster and smaller alone
            join_commands(app)
        app()
    except KeyboardInterrupt:  # while commands are being imported; Typer knows of later ones
        sys.exit(130)
    except CrashscoutError as error:
        _complain(error)
    except ModuleNotFoundError as error:
        if error.name not in WORKER_EXTRA:
            raise
        hint = "Install it: pip install 'crashscout[worker]'."
        _complain(UnavailableError(f"This command needs the package {error.name}.", hint=hint))


def _complain(error: CrashscoutError) -> NoReturn:
    console(stderr=True).print(f"crashscout: {error}", markup=False, soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
