"""What the demonstration shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

KEY_FEATURES = ("body_type", "test_mass_kg", "model_year", "impact_speed_kmh")
# The lowest share of the data values in which the planted corruptions are looked for.
LOWEST_SHARE = 0.10
# Detection is called clear from this multiple of what a random order would find.
CLEARLY = 2.0


@dataclass(frozen=True)
class Outcome:
    """Everything that came back over REST."""

    campaign_id: int
    samples: int
    valuation_run: dict[str, Any]
    data_values: list[dict[str, Any]]  # least valuable first
    corrupted: dict[int, str]  # sample id -> kind
    round: dict[str, Any]
    recommendations: list[dict[str, Any]]
    seconds: dict[str, float]

    @property
    def lowest(self) -> list[dict[str, Any]]:
        return self.data_values[: round(len(self.data_values) * LOWEST_SHARE)]

    @property
    def found(self) -> int:
        """Planted corruptions among the lowest tenth."""
        return sum(value["sample_id"] in self.corrupted for value in self.lowest)

    @property
    def expected_by_chance(self) -> float:
        return len(self.corrupted) * LOWEST_SHARE


def as_document(outcome: Outcome) -> dict[str, Any]:
    """The object that `--json` prints."""
    metrics = outcome.valuation_run["metrics"]
    return {
        "campaign_id": outcome.campaign_id,
        "samples": outcome.samples,
        "valuation_run": {
            key: outcome.valuation_run[key] for key in ("id", "status", "seed", "data_hash", "device", "metrics")
        },
        "surrogate": {
            "rmse_g": metrics["rmse"],
            "r2": metrics["r2"],
            "baseline_rmse_g": metrics["baseline_rmse"],
            "q95_error_g": metrics["holdout"]["q95_error"],
            "max_error_g": metrics["holdout"]["max_error"],
            "coverage_90": metrics["holdout"]["coverage_90"],
            "coefficient_of_prognosis": metrics["out_of_fold"][metrics["serving"]]["cop"],
            "serving": metrics["serving"],
            "serving_reason": metrics["serving_reason"],
        },
        "suspicious": {
            "found_in_lowest_10_percent": outcome.found,
            "planted": len(outcome.corrupted),
            "expected_by_chance": outcome.expected_by_chance,
        },
        "verdicts": verdicts(outcome),
        "acquisition_round": {key: outcome.round[key] for key in ("id", "status", "evidence", "metrics")},
        "recommendations": [
            {
                key: item[key]
                for key in (
                    "id", "rank", "external_id", "source", "arm", "score", "components", "reason",
                    "acquisition_cost", "currency", "lead_time_hours", "planned_features", "status",
                )
            }
            for item in outcome.recommendations
        ],
        "seconds": outcome.seconds,
    }  # fmt: skip


def verdicts(outcome: Outcome) -> list[str]:
    """Whether the demonstration shows what it promises, in words; bad news is said as plainly as good."""
    metrics = outcome.valuation_run["metrics"]
    better = metrics["rmse"] < 0.8 * metrics["baseline_rmse"]
    surrogate = (
        f"The surrogate's error on the target domain's holdout is {metrics['rmse']:.2f} g; predicting the mean "
        f"gives {metrics['baseline_rmse']:.2f} g: {'clearly better' if better else 'NOT clearly better'}."
    )
    holdout = metrics["holdout"]
    intervals = (
        f"The {metrics['serving'].replace('_', '-')} network serves; its 90 % intervals, {holdout['width_90']:.1f} g "
        f"wide on average, hold {holdout['coverage_90']:.0%} of the holdout's labels."
    )
    clear = outcome.found >= CLEARLY * outcome.expected_by_chance
    detection = (
        f"{outcome.found} of {len(outcome.corrupted)} planted wrong labels are among the lowest 10 % of the data "
        f"values; chance finds {outcome.expected_by_chance:.1f}: "
        f"{'clearly better' if clear else 'NOT clearly better'}."
    )
    return [surrogate, intervals, detection]


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Batch, suspicious tests and verdicts as tables."""
    _print_batch(outcome, console)
    console.print(f"Evidence: {outcome.round['metrics']['evidence_sentence']}", highlight=False)
    console.print(_suspicious(outcome))
    for verdict in verdicts(outcome):
        console.print(f"• {verdict}", highlight=False)
    console.print(f"{sum(outcome.seconds.values()):.0f} s in all: " + _seconds(outcome), highlight=False)


def _seconds(outcome: Outcome) -> str:
    return ", ".join(f"{name} {value:.1f} s" for name, value in outcome.seconds.items())


def _print_batch(outcome: Outcome, console: Console) -> None:
    """One line of figures and its reason per recommendation: readable at 80 columns and up."""
    spent = sum(float(item["acquisition_cost"]) for item in outcome.recommendations)
    console.print(f"\n[bold]What to acquire next[/bold]: {spent:,.0f} USD", highlight=False)
    head = f"{'#':>3}  {'source':<18}{'design':<33}{'ROLC, g':>11}{'info, g²':>10}{'USD':>9}"
    console.print(head, style="dim", highlight=False)
    for item in outcome.recommendations:
        parts, control = item["components"], item["arm"] == "control"
        line = (
            f"{item['rank']:>3}  {item['source'].replace('_', ' '):<18}{_design(item['planned_features']):<33}"
            f"{parts['predicted']:>5.1f} ± {parts['predicted_std']:<3.1f}{parts['information']:>10.3f}"
            f"{float(item['acquisition_cost']):>9,.0f}"
        )
        console.print(line, style="yellow" if control else "bold", highlight=False)
        console.print(Padding(item["reason"], (0, 0, 0, 5)), style="dim", highlight=False)


def _design(features: dict[str, Any]) -> str:
    body, mass, year, speed = (features[name] for name in KEY_FEATURES)
    return f"{body}, {mass:,.0f} kg, {year}, {speed:.0f} km/h"


def _suspicious(outcome: Outcome) -> Table:
    table = Table(title="\nThe ten most suspicious tests", title_justify="left", box=None)
    for name in ("test", "data value", "spread", "what does not fit the others", "really (provenance)"):
        table.add_column(name, justify="right" if name in {"data value", "spread"} else "left")
    for value in outcome.data_values[:10]:
        why = "label" if value["value_target_loss"] <= value["value_transport"] else "features"
        kind = outcome.corrupted.get(value["sample_id"])
        table.add_row(
            str(value["external_id"]),
            f"{value['value']:.2f}",
            f"{value['spread']:.2f}",
            f"its {why}",
            kind.replace("_", " ") if kind else "not corrupted",
        )
    return table
