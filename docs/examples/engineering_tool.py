"""An engineering tool that works with Crashscout from end to end: run it against `crashscout serve`.

    python engineering_tool.py tests.csv --signals v10146.zip --spend 600000

1. It makes a campaign (or goes on with `--campaign`) and pushes finished tests: a table, and a file with signals.
2. It asks for a round: value the data, train the surrogate, rank the candidates.
3. It approves the best recommendations as long as the money of `--spend` lasts, and orders them.
4. It reports results: here those of a table of the workshop (`--results`: external_id, target).
5. It asks for the next round and prints the new ranking, which has learned from them.

The address of the server is CRASHSCOUT_SERVER, its key CRASHSCOUT_API_KEY.
"""

from __future__ import annotations

import argparse
import csv
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from crashscout_client import Crashscout, CrashscoutError

Document = dict[str, Any]
CAMPAIGN: Document = {
    "name": "Frontal 2027",
    "feature_schema": [
        {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
        {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
    ],
    "target_domain": {"conditions": [{"feature": "test_mass_kg", "minimum": 2000}]},
    "sources": [{"name": "full_vehicle", "kind": "physical_test", "acquisition_cost": "300000"}],
    "budget": "3000000",
}
# What is not a feature in the table.
OTHER_COLUMNS = {"external_id", "source", "target"}


def main() -> None:
    """The whole way; an error of the API is one line and exit 2."""
    options = parse()
    try:
        with Crashscout() as crashscout:
            work(crashscout, options)
    except CrashscoutError as error:
        # The id is the one under which the server's log speaks of the request.
        print(f"crashscout: {error} (request {error.request_id or 'without an answer'})", file=sys.stderr)
        sys.exit(2)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Push tests, ask, approve, report, ask again.")
    parser.add_argument(
        "tests", type=Path, help="CSV: external_id, source, features, target (empty: candidate)"
    )
    parser.add_argument(
        "--signals", type=Path, help="a crash test with signals: EV5, ISO-MME, TDMS, binout, ..."
    )
    parser.add_argument("--results", type=Path, help="CSV of the workshop: external_id, target")
    parser.add_argument("--campaign", type=int, help="id of a campaign that exists")
    parser.add_argument("--spend", type=Decimal, default=Decimal(600_000), help="money for one batch")
    return parser.parse_args()


def work(crashscout: Crashscout, options: argparse.Namespace) -> None:
    campaign = options.campaign or crashscout.post("/campaigns", CAMPAIGN)["id"]
    print(f"campaign {campaign}")
    push(crashscout, campaign, options)
    for recommendation in approve(crashscout, ask(crashscout, campaign), options.spend):
        crashscout.post(f"/recommendations/{recommendation['id']}:order")
    report(crashscout, campaign, results_of(options.results))
    print_ranking(crashscout, ask(crashscout, campaign))


def push(crashscout: Crashscout, campaign: int, options: argparse.Namespace) -> None:
    """Finished tests and candidates; what is there already is left out, so that a second run does no harm."""
    known = {sample["external_id"] for sample in crashscout.items(f"/campaigns/{campaign}/samples")}
    rows = [row for row in rows_of(options.tests) if row["external_id"] not in known]
    print(f"{len(crashscout.add_samples(campaign, rows))} samples sent")
    if options.signals:
        upload = crashscout.upload(campaign, options.signals, source="full_vehicle")
        (sample,) = crashscout.post(f"/uploads/{upload['id']}:accept")["samples"]
        print(f"{options.signals.name} gives {sample['target']:.1f} g for {sample['external_id']}")


def rows_of(table: Path) -> list[Document]:
    with table.open(newline="") as lines:
        return [sample_of(line) for line in csv.DictReader(lines)]


def sample_of(line: dict[str, str]) -> Document:
    sample: Document = {"external_id": line["external_id"], "source": line["source"]}
    sample["planned_features"] = {
        name: float(text) for name, text in line.items() if name not in OTHER_COLUMNS and text
    }
    if line.get("target"):
        sample["target"] = float(line["target"])
    return sample


def ask(crashscout: Crashscout, campaign: int) -> int:
    """Value, train and rank; the id of the acquisition round."""
    crashscout.run(f"/campaigns/{campaign}/valuation-runs", {"configuration": {"epochs": 100, "ensemble": 4}})
    # New designs only: a service that also doubts old labels would propose to repeat tests.
    wanted = {"configuration": {"batch_size": 3, "control_fraction": 0, "retests": False}}
    done = crashscout.run(f"/campaigns/{campaign}/acquisition-rounds", wanted)
    print(f"acquisition round {done['id']}: {done['evidence_sentence']}")
    return int(done["id"])


def approve(crashscout: Crashscout, acquisition_round: int, money: Decimal) -> list[Document]:
    """Best first, as long as the money lasts; the rest is rejected with the reason."""
    approved: list[Document] = []
    for row in crashscout.items(f"/acquisition-rounds/{acquisition_round}/recommendations"):
        action, price = f"/recommendations/{row['id']}", Decimal(row["acquisition_cost"])
        if price > money:
            crashscout.post(
                f"{action}:reject", {"reason": f"{money} {row['currency']} are left for this batch"}
            )
            continue
        crashscout.post(f"{action}:approve", {"reason": "within the budget of the batch"})
        money -= price
        approved.append(row)
        print(f"approved {row['external_id']} for {price} {row['currency']}: {row['reason']}")
    return approved


def results_of(table: Path | None) -> dict[str, float]:
    if table is None:
        return {}
    with table.open(newline="") as lines:
        return {line["external_id"]: float(line["target"]) for line in csv.DictReader(lines)}


def report(crashscout: Crashscout, campaign: int, results: dict[str, float]) -> None:
    """What the workshop has measured of that which is ordered."""
    for row in crashscout.items(f"/campaigns/{campaign}/recommendations", status="ordered"):
        if row["external_id"] in results:
            result = {"target": results[row["external_id"]]}
            done = crashscout.post(f"/recommendations/{row['id']}:complete", result)
            print(f"{row['external_id']} is {done['status']} with {result['target']} g")


def print_ranking(crashscout: Crashscout, acquisition_round: int) -> None:
    for row in crashscout.items(f"/acquisition-rounds/{acquisition_round}/ranking"):
        print(
            f"{row['rank']:3d}. {row['external_id']}: score {row['score']:.4g}, {row['predicted']:.1f} g "
            f"± {row['predicted_std']:.1f} g"
        )


if __name__ == "__main__":
    main()
