"""`crashscout demo`: the whole thread on one machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from service.settings import load_settings
from worker.demo.client import DemoClient
from worker.demo.report import Outcome, as_document, print_outcome

HOST = "127.0.0.1"


def demo(
    *,
    serve: Annotated[bool, typer.Option(help="Serve API and dashboard afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 8000,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Same seed, same data, same list.")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded Postgres and Redis.")] = None,
) -> None:
    """Create a demonstration campaign, value its tests, rank what to acquire next, and show it."""
    # Here, because this module is imported whatever command is called.
    from service.stack import free_port, keep_running, running_stack

    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    port = port if serve else free_port(HOST)
    with running_stack(settings, data_folder=data_dir, host=HOST, port=port, announce=console.print) as stack:
        ready = stack.ready_key
        key = ready.key if ready else settings.api_key.get_secret_value()
        with closing(DemoClient(stack.url, key)) as client:
            outcome = _run(client, seed, console)
        if as_json:
            typer.echo(json.dumps(as_document(outcome), indent=2))
        else:
            print_outcome(outcome, Console())
        if ready and ready.is_new:
            console.print(
                f"API key for your tools, shown this once: {ready.key}\nIt stands in {ready.path}, for you alone."
            )
        if serve:
            console.print(f"Dashboard: {stack.url}/campaigns/{outcome.campaign_id} (Ctrl-C stops it)")
            keep_running(stack, console.print)


def _run(client: DemoClient, seed: int, console: Console) -> Outcome:
    seconds: dict[str, float] = {}
    with _progress(console) as progress:

        @contextmanager
        def step(name: str, title: str) -> Iterator[_Bar]:
            started = time.perf_counter()
            bar = _Bar(progress, title)
            yield bar
            bar(1.0, "")
            seconds[name] = round(time.perf_counter() - started, 2)

        with step("data", "crash tests of the occupant model"):
            from worker.demo.data import BATCH_SIZE, ROUND_BUDGETS_USD, campaign_document, make_data

            data = make_data(seed)
        with step("store", f"{len(data.rows):,} samples over the API"):
            name = f"Demonstration {datetime.now(UTC):%Y-%m-%d %H:%M}"
            campaign_id = client.post("/campaigns", campaign_document(name))["id"]
            base = f"/campaigns/{campaign_id}"
            stored = client.post_rows(f"{base}/samples:bulk", data.rows)
        with step("valuation", "LossVal values and surrogate") as bar:
            run = client.post(f"{base}/valuation-runs", {"seed": seed})
            run = client.follow(f"/valuation-runs/{run['id']}", bar)
        with step("ranking", "ranking of the pool") as bar:
            configuration = {
                "batch_size": BATCH_SIZE,
                "source_budgets": {name: str(money) for name, money in ROUND_BUDGETS_USD.items()},
            }
            round_ = client.post(f"{base}/acquisition-rounds", {"seed": seed, "configuration": configuration})
            round_ = client.follow(f"/acquisition-rounds/{round_['id']}", bar)
    labelled = client.all_items(f"{base}/samples", status="labelled")
    kinds = {sample["id"]: sample["provenance"].get("corruption") for sample in labelled}
    return Outcome(
        campaign_id=campaign_id,
        samples=stored["created"],
        valuation_run=run,
        data_values=client.all_items(f"/valuation-runs/{run['id']}/data-values", order="least_valuable"),
        corrupted={key: kind for key, kind in kinds.items() if kind},
        round=round_,
        recommendations=client.all_items(f"/acquisition-rounds/{round_['id']}/recommendations"),
        seconds=seconds,
    )


class _Bar:
    """One line of the progress display; also the callback that a followed run reports to."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=1.0, message="")

    def __call__(self, share: float, message: str) -> None:
        self._progress.update(self._task, completed=share, message=message)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[message]}"),
        console=console,
    )
