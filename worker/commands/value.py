"""`crashscout value`: data values of the rows of a table, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.progress import patient_progress

_METHODS = "lossval, knn_shapley, data_oob, lava, loo, knn_distance, out_of_fold_loss or random."


def value(
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="Rows to value: .csv, .csv.gz or .parquet.")],
    *,
    validation: Annotated[Path, typer.Option(help="Rows that stand for the target domain; same columns.")],
    target: Annotated[str, typer.Option(help="Column that is predicted.")],
    output: Annotated[Path, typer.Option(help="Gets row (from 0), value, value_std, rank (1 = best).")],
    task: Annotated[str, typer.Option(help="regression or classification.")] = "regression",
    method: Annotated[str, typer.Option(help=_METHODS)] = "lossval",
    mode: Annotated[str | None, typer.Option(help="Of lossval: normalized (default) or published.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over TRAIN; chosen by its size else.")] = None,
    ensemble: Annotated[int | None, typer.Option(help="Networks trained at once; 8 else.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, tables, machine: the same bytes.")] = 0,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column that is no feature; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; another count may change last digits.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Value the rows of a table: which help to predict the target domain, which are suspicious and why.

    All columns but the target are features, and every cell needs a value. VALIDATION needs the target only for
    knn_shapley, lava and loo; lossval never looks at it.
    """
    from worker.commands.value_options import ValueOptions
    from worker.commands.value_run import value_table

    options = ValueOptions(
        train=train,
        validation=validation,
        output=output,
        target=target,
        ignore=tuple(ignore or ()),
        task=task,
        method=method,
        mode=mode,
        epochs=epochs,
        ensemble=ensemble,
        seed=seed,
        device=device,
        threads=threads,
    )
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with patient_progress(errors, f"{method} values") as progress:
        valued = value_table(options, progress)
    for note in valued.summary["notes"]:
        errors.print(f"note: {note}")
    least = valued.least_valuable()
    if as_json:
        typer.echo(json.dumps(valued.summary | {"least_valuable": least}, indent=2))
    else:
        _show(valued.summary, least)


def _show(summary: dict[str, Any], least: list[dict[str, Any]]) -> None:
    console = Console(highlight=False, markup=False)
    console.print(f"{summary['rows']:,} values by {summary['method']} in {summary['output']}")
    if summary["rank_stability"] is not None:
        console.print(
            f"Rank stability {summary['rank_stability']:.2f} (1 = two halves of the ensemble rank alike)"
        )
    table = Table(title="Least valuable rows", title_justify="left", box=None)
    for name in ("row", "value", "value_std", summary["target"]):
        table.add_column(name, justify="right")
    table.add_column("what does not fit the others")
    for line in least:
        figures = (f"{line['value']:.4g}", f"{line['value_std']:.2g}", _cell(line["target"]))
        table.add_row(str(line["row"]), *figures, _suspicion(line))
    console.print(table)


def _cell(target: float | str) -> str:
    return f"{target:.5g}" if isinstance(target, float) else str(target)


def _suspicion(line: dict[str, Any]) -> str:
    if "value_target_loss" not in line or "value_transport" not in line:
        return ""
    return "its label" if line["value_target_loss"] <= line["value_transport"] else "its features"
