"""`crashscout backtest`: would the advice have paid on the tests of a table, without a server?"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.progress import patient_progress

_DOMAIN = (
    "Rows that stand for what the surrogate must predict. If they have the target, the errors are measured on "
    "them; else on the rows of DATA that are like them."
)


def backtest(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Finished tests: .csv, .csv.gz or .parquet.")],
    *,
    target: Annotated[str, typer.Option(help="Column that is predicted.")],
    output: Annotated[Path, typer.Option(metavar="REPORT.json", help="Gets curves, intervals and verdicts.")],
    target_domain: Annotated[Path | None, typer.Option(metavar="DOMAIN", help=_DOMAIN)] = None,
    strategies: Annotated[
        str | None, typer.Option(help="Names with commas; few, as each one widens all intervals.")
    ] = None,
    initial: Annotated[int, typer.Option(help="Rows known at the start.")] = 50,
    batch_size: Annotated[int, typer.Option(help="Rows per batch.")] = 10,
    rounds: Annotated[int, typer.Option(help="Batches.")] = 5,
    repeats: Annotated[int, typer.Option(help="Of holdout, start and networks; at least 5.")] = 10,
    holdout_fraction: Annotated[float, typer.Option(help="Part of DATA that is held out.")] = 0.2,
    group_column: Annotated[
        str | None, typer.Option(help="Rows of one group, such as a platform, are held out together.")
    ] = None,
    order_column: Annotated[
        str | None, typer.Option(help="Rises as the tests were bought; as_bought then takes part.")
    ] = None,
    cost_column: Annotated[str | None, typer.Option(help="Acquisition cost of a row.")] = None,
    budget: Annotated[float | None, typer.Option(help="Money for each batch.")] = None,
    cost_exponent: Annotated[float, typer.Option(help="How much the price counts, from 0 to 1.")] = 0.5,
    source_column: Annotated[
        str | None, typer.Option(help="Text column that says test or simulation; it stays a feature.")
    ] = None,
    target_source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Errors are measured on rows of this source.")
    ] = None,
    label_precision: Annotated[
        str, typer.Option(help="lossval: suspicious labels count less; equal: faster.")
    ] = "lossval",
    ensemble: Annotated[int | None, typer.Option(help="Networks trained at once; 8 else.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, tables, machine: the same bytes.")] = 0,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column that is no feature; repeatable.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; another count may change last digits.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replay strategies on finished tests: batch by batch, with a held-out part, against random picks.

    The verdict is better, not_better, worse or not_enough_data. `crashscout rank --evidence REPORT.json` follows it.
    A few minutes for 200 rows on one core.
    """
    from worker.commands.backtest_options import BacktestOptions
    from worker.commands.backtest_run import backtest_table

    options = BacktestOptions(
        data=data,
        target=target,
        output=output,
        target_domain=target_domain,
        strategies=strategies,
        initial=initial,
        batch_size=batch_size,
        rounds=rounds,
        repeats=repeats,
        holdout_fraction=holdout_fraction,
        group_column=group_column,
        order_column=order_column,
        cost_column=cost_column,
        budget=budget,
        cost_exponent=cost_exponent,
        source_column=source_column,
        target_source=target_source,
        label_precision=label_precision,
        ensemble=ensemble,
        seed=seed,
        ignore=tuple(ignore or ()),
        threads=threads,
    )
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with patient_progress(errors, "backtest") as progress:
        document = backtest_table(options, progress)
    if as_json:
        typer.echo(json.dumps(document | {"output": str(output)}, indent=2, allow_nan=False))
    else:
        _show(document, output)


def _show(document: dict[str, Any], output: Path) -> None:
    console = Console(highlight=False, markup=False)
    console.print(
        f"Backtest on {document['labelled']:,} labelled rows in {output}: {document['verdict']}",
        soft_wrap=True,
    )
    table = Table(title="Against random picks", title_justify="left", box=None)
    table.add_column("strategy", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("RMSE", f"{100 * document['level']:.0f} % interval", "labels saved", "money saved"):
        table.add_column(name, justify="right")
    for line in document["strategies"]:
        table.add_row(line["strategy"], line["verdict"], *_figures(line))
    console.print(table)
    console.print(document["auto"]["sentence"], soft_wrap=True)


def _figures(line: dict[str, Any]) -> list[str]:
    if line["log_ratio"] is None:
        return []
    low, high = line["interval"]
    saved = (f"{100 * line[name]['share']:.0f} %" for name in ("labels_saved", "money_saved"))
    return [_change(line["log_ratio"]), f"{_change(low)} to {_change(high)}", *saved]


def _change(log_ratio: float) -> str:
    return f"{100 * math.expm1(log_ratio):+.0f} %"
