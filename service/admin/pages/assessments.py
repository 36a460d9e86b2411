"""An assessment in lines, sentences and points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.admin.contexts.surrogate import CoverageLine, ResidualLine
from service.admin.formats import number, percent, words
from service.admin.pages.charts import evenly, short

# More points than these look the same and only make the page heavy.
POINTS_SHOWN = 1000
SENTENCES = {
    "holdout": "Holdout samples: never trained on, never used to choose.",
    "validation": "Validation samples: not trained on, but the network that serves was chosen by them.",
    "out_of_fold": "Training samples, each predicted by the members that did not train on it.",
}
# Two-sided 95 % limits of a share that is a mean of independent hits.
SURE_SD = 1.96


def set_note(name: str, chosen: Mapping[str, Any]) -> str:
    """What the rows are, and how many of them are drawn."""
    if not chosen:
        return ""
    total, shown = chosen["total"], min(len(chosen["label"]), POINTS_SHOWN)
    drawn = (
        f"All {total:,} are drawn" if shown == total else f"{shown:,} of {total:,} are drawn, evenly spread"
    )
    return f"{SENTENCES[name]} {drawn}."


def parity(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Points [label, predicted, half width or None, sample, load case or None] and the range of both axes."""
    if not chosen:
        return {"points": [], "range": [0, 1]}
    count = len(chosen["label"])
    nothing = [None] * count
    columns = (
        chosen["label"], chosen["predicted"], chosen["half_width"] or nothing, chosen["sample_ids"],
        chosen["load_case"] or nothing,
    )  # fmt: skip
    points = [
        [short(label), short(predicted), None if half is None else short(half), key, case]
        for label, predicted, half, key, case in evenly(list(zip(*columns, strict=True)), POINTS_SHOWN)
    ]
    ends = [value for point in points for value in (point[0], *_ends(point[1], point[2]))]
    return {"points": points, "range": round_range(min(ends), max(ends))}


def _ends(predicted: float, half_width: float | None) -> tuple[float, float]:
    return predicted - (half_width or 0.0), predicted + (half_width or 0.0)


def round_range(low: float, high: float) -> list[float]:
    """Round numbers that hold both, for axes that are to be alike; half a power of ten apart."""
    step = 10 ** math.floor(math.log10(high - low)) / 2 if high > low else 1.0
    return [math.floor(low / step) * step, (math.floor(high / step) + 1) * step]


def coverage_lines(chosen: Mapping[str, Any], unit: str) -> list[CoverageLine]:
    total = chosen.get("total", 0)
    return [
        CoverageLine(
            level=item["level"],
            observed=item["observed"],
            width=f"{number(item['width'])} {unit}",
            verdict=_verdict(item["level"], item["observed"], total),
        )
        for item in chosen.get("coverage") or []
    ]


def _verdict(level: float, observed: float, total: int) -> str:
    """Whether the difference is more than chance does with so many rows (normal limits of a binomial share)."""
    margin = SURE_SD * math.sqrt(level * (1 - level) / total) + 0.5 / total
    if abs(observed - level) <= margin:
        return f"as promised, within ± {percent(margin)}"
    return "too narrow" if observed < level else "wider than needed"


def coverage_note(name: str, chosen: Mapping[str, Any]) -> str:
    if not chosen:
        return ""
    if not chosen.get("coverage"):
        return "The intervals were calibrated on these rows: their coverage here would be no evidence."
    return (
        f"Share of {chosen['total']:,} {words(name)} labels inside their interval, by the level it promises."
    )


def residual_lines(chosen: Mapping[str, Any], unit: str) -> list[ResidualLine]:
    """One line per load case, the most rows first; quantiles at 5, 25, 50, 75 and 95 %."""
    found = sorted((chosen.get("residuals") or {}).items(), key=lambda item: (-item[1]["rows"], item[0]))
    return [_residual_line(name, item, unit) for name, item in found]


def _residual_line(name: str, item: Mapping[str, Any], unit: str) -> ResidualLine:
    lowest, low, _, high, highest = item["quantiles"]
    return ResidualLine(
        name=words(name),
        rows=item["rows"],
        mean=f"{number(item['mean'])} {unit}",
        middle=f"{number(low)} to {number(high)} {unit}",
        most=f"{number(lowest)} to {number(highest)} {unit}",
    )
