"""`crashscout rank`: which rows of a table to test next, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker.commands.progress import patient_progress

_OUTPUT = (
    "Gets one line per row of POOL, best first: row (from 0), rank, score, information, relevance, predicted, "
    "predicted_std, arm (chosen, control, or empty outside the batch)."
)
_DOMAIN = "Rows that stand for what the surrogate must predict; POOL itself else."


def rank(
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED", help="Finished tests: .csv, .csv.gz or .parquet.")
    ],
    *,
    pool: Annotated[Path, typer.Option(help="Candidates; the same feature columns, no target needed.")],
    target: Annotated[str, typer.Option(help="Column that is predicted.")],
    output: Annotated[Path, typer.Option(help=_OUTPUT)],
    target_domain: Annotated[Path | None, typer.Option(metavar="DOMAIN", help=_DOMAIN)] = None,
    batch_size: Annotated[int, typer.Option(help="Rows to acquire next.")] = 20,
    strategy: Annotated[str, typer.Option(help="auto (by the evidence), or its name.")] = "auto",
    evidence: Annotated[
        Path | None, typer.Option(metavar="REPORT.json", help="Of `crashscout backtest`; auto follows it.")
    ] = None,
    cost_column: Annotated[str | None, typer.Option(help="Acquisition cost of a row of POOL.")] = None,
    currency: Annotated[str, typer.Option(help="Of the cost column.")] = "USD",
    budget: Annotated[float | None, typer.Option(help="Money for the batch.")] = None,
    cost_exponent: Annotated[
        float, typer.Option(help="How much the price counts: 0 = not at all, 1 = gain per money.")
    ] = 0.5,
    source_column: Annotated[
        str | None, typer.Option(help="Text column that says test or simulation; it stays a feature.")
    ] = None,
    source_budget: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE=MONEY", help="Pot of one source; repeatable.")
    ] = None,
    target_source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="The target domain is predicted for this source.")
    ] = None,
    control_fraction: Annotated[float, typer.Option(help="Part of the batch that is drawn at random.")] = 0.0,
    epochs: Annotated[int | None, typer.Option(help="Passes over LABELLED; chosen by its size else.")] = None,
    ensemble: Annotated[int | None, typer.Option(help="Networks trained at once; 8 else.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, tables, machine: the same bytes.")] = 0,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column that is no feature; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; another count may change last digits.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank candidates by what they would teach about the target domain; the first batch-size rows are the batch.

    A surrogate and the data values of LABELLED are trained first (10 rows at least): a suspicious test counts less
    as known. Without --target-domain the pool itself is what the surrogate must predict. Score and information are
    those before the batch grows; rows already tested and rows beyond the budget come last.
    """
    from worker.commands.rank_options import RankOptions
    from worker.commands.rank_run import rank_table

    options = RankOptions(
        labelled=labelled,
        pool=pool,
        target_domain=target_domain,
        output=output,
        target=target,
        batch_size=batch_size,
        strategy=strategy,
        evidence=evidence,
        cost_column=cost_column,
        currency=currency,
        budget=budget,
        cost_exponent=cost_exponent,
        source_column=source_column,
        source_budgets=tuple(source_budget or ()),
        target_source=target_source,
        control_fraction=control_fraction,
        epochs=epochs,
        ensemble=ensemble,
        seed=seed,
        ignore=tuple(ignore or ()),
        device=device,
        threads=threads,
    )
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with patient_progress(errors, "ranking") as progress:
        summary = rank_table(options, progress)
    if as_json:
        typer.echo(json.dumps(summary, indent=2, allow_nan=False))
    else:
        _show(summary)


def _show(summary: dict[str, Any]) -> None:
    console = Console(highlight=False, markup=False)
    console.print(
        f"{summary['pool_rows']:,} candidates ranked by {summary['strategy']} in {summary['output']}"
    )
    console.print(f"Evidence: {summary['evidence']['sentence']}", soft_wrap=True)
    console.print(
        f"Predictive sd on the target domain: {summary['target_sd_before']:.4g} now, "
        f"{summary['target_sd_after']:.4g} expected after the batch; it costs {summary['spent']:,.2f}.",
        soft_wrap=True,
    )
    table = Table(title="The batch", title_justify="left", box=None)
    for name in ("rank", "row", "predicted", "cost"):
        table.add_column(name, justify="right")
    table.add_column("arm")
    table.add_column("why")
    for line in summary["batch"]:
        predicted = f"{line['predicted']:.4g} ± {line['predicted_std']:.2g}"
        cost = f"{line['acquisition_cost']:,.2f}"
        table.add_row(str(line["rank"]), str(line["row"]), predicted, cost, line["arm"], line["reason"])
    console.print(table)
