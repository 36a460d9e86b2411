"""`crashscout import`, and its command `nhtsa`: ask a running service for an import, and show how it goes.

The work is done by the service's worker, so that a closed terminal costs nothing: the same command follows the
import that is under way, and a later one fetches only what is missing.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.errors import ConflictError, CrashscoutError, InputError
from service.imports.file_command import file
from service.imports.remote import LOCAL_SERVER, Server, read_answer, service_at
from service.terminal import console
from service.vocabulary import Split

if TYPE_CHECKING:
    import httpx

POLL_S = 1.0
ENDED = frozenset({"succeeded", "failed", "cancelled"})

app = typer.Typer(
    help="Bring crash tests into a campaign: files, and public databases.", no_args_is_help=True
)
app.command()(file)


@app.command()
def nhtsa(
    tests: Annotated[str, typer.Option(help="Test numbers and ranges: 9000-9100,10146.")],
    campaign: Annotated[int, typer.Option(help="Id of the campaign.")],
    source: Annotated[
        str | None, typer.Option(help="Name of its source; needed unless it has one physical test.")
    ] = None,
    split: Annotated[Split, typer.Option()] = Split.TRAIN,
    occupants: Annotated[str, typer.Option(help="driver or all.")] = "driver",
    server: Server = LOCAL_SERVER,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
) -> None:
    """Import tests of the NHTSA vehicle crash test database: label and features of each driver."""
    from service.imports.numbering import parse_tests

    try:
        parse_tests(tests)
    except ValueError as error:
        raise InputError(f"--tests: {error}.") from error
    request = {"database": "nhtsa", "tests": tests, "split": split.value, "occupants": occupants}
    with service_at(server) as http:
        run = _start(http, campaign, request | ({"source": source} if source else {}))
        try:
            run = _follow(http, run)
        except KeyboardInterrupt:
            message = f"No longer watching; import {run['id']} goes on."
            hint = f"The same command follows it; POST {server}/api/v1/imports/{run['id']}:cancel stops it."
            raise CrashscoutError(message, hint=hint) from None
    _show(run, as_json=as_json)


def _start(http: httpx.Client, campaign: int, request: dict[str, Any]) -> dict[str, Any]:
    """A new import, or the one of these tests that is under way."""
    path = f"/campaigns/{campaign}/imports"
    try:
        return read_answer(http.post(path, json=request))
    except ConflictError:
        cursor: dict[str, str] = {}
        while True:
            page = read_answer(http.get(path, params=cursor))
            for run in page["items"]:
                if run["status"] not in ENDED and run["configuration"]["tests"] == request["tests"]:
                    return dict(run)
            if page["next_cursor"] is None:
                raise
            cursor = {"cursor": page["next_cursor"]}


def _follow(http: httpx.Client, run: dict[str, Any]) -> dict[str, Any]:
    """Poll until the import has ended; the bar goes to standard error."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console(stderr=True)) as bar:
        line = bar.add_task("waiting for a worker", total=1.0)
        while run["status"] not in ENDED:
            time.sleep(POLL_S)
            run = read_answer(http.get(f"/imports/{run['id']}"))
            left = run["seconds_left"]
            estimate = (
                ""
                if left is None
                else f", about {left / 60:.0f} min left"
                if left > 90
                else f", {left:.0f} s left"
            )
            message = run["progress_message"].replace("[", "(")  # no markup
            bar.update(line, completed=run["progress"], description=f"{message}{estimate}")
    return run


def _show(run: dict[str, Any], *, as_json: bool) -> None:
    metrics = run["metrics"] or {}
    if as_json:
        shown = {"id": run["id"], "status": run["status"], "error": run["error_message"], **metrics}
        typer.echo(json.dumps(shown, indent=2))
    else:
        for test in metrics.get("tests", []):
            if test["outcome"] not in {"imported", "already_there"}:
                typer.echo(f"{test['test']}: {test['outcome']}: {test.get('detail', '')}")
            for note in test.get("notes", []):
                typer.echo(f"{test['test']}: {note}")
        counts = ", ".join(f"{count} {name}" for name, count in sorted(metrics.get("outcomes", {}).items()))
        typer.echo(f"import {run['id']} {run['status']}: {counts or 'nothing done'}")
    if run["status"] != "succeeded":
        reason = run["error_message"] or "it was cancelled"
        raise CrashscoutError(f"Import {run['id']} {run['status']}: {reason}")
