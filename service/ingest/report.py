"""Labels of one test as a JSON document or a small table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from service.ingest.labels import OccupantLabel
from service.ingest.model import CrashTest

Document = dict[str, object]


def as_document(test: CrashTest, labels: list[OccupantLabel]) -> Document:
    """What `crashscout rolc --json` prints; None where a label does not exist."""
    return {
        "test_number": test.test_number,
        "title": test.title,
        "format": test.format,
        "initial_speed_kmh": _rounded(test.initial_speed_mps * 3.6),
        "selection": [
            {"role": item.role, "channel": item.channel, "key": item.key, "reason": item.reason}
            for item in test.selection
        ],
        "occupants": [_label_document(label) for label in labels],
        "quarantined": [{"part": item.part, "reason": item.reason} for item in test.quarantined],
    }


def _label_document(label: OccupantLabel) -> Document:
    return {
        "occupant": label.role,
        "location": label.location,
        "rolc_g": _rounded(label.rolc_g),
        "olc_g": _rounded(label.olc_g),
        "t1_ms": _rounded(label.t1_ms),
        "t2_ms": _rounded(label.t2_ms),
        "label_definition": label.label_definition,
        "uncertainty_g": _rounded(label.uncertainty_g),
        "uncertainty_components_g": {k: _rounded(v) for k, v in label.uncertainty_components_g.items()},
        "rolc_by_definition_g": {k: _rounded(v) for k, v in label.rolc_by_definition_g.items()},
        "filters": dict(label.filters),
        "channels": list(label.channels),
        "flags": list(label.flags),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def print_table(test: CrashTest, labels: list[OccupantLabel], console: Console) -> None:
    """Print what people want to see; text from the file is never read as markup."""
    table = Table("occupant", "ROLC (g)", "± (g)", "t1 (ms)", "t2 (ms)", "OLC (g)", "definition", "flags")
    table.columns[-1].overflow = "fold"  # a flag that is cut off is no flag
    for label in labels:
        times = (_shown(label.t1_ms, 1), _shown(label.t2_ms, 1))
        load, vehicle_load = _shown(label.rolc_g, 2), _shown(label.olc_g, 2)
        flags = "\n".join(label.flags) or "none"
        trust = _shown(label.uncertainty_g, 2)
        table.add_row(label.role, load, trust, *times, vehicle_load, label.label_definition, flags)
    _line(console, f"Test {test.test_number}: {test.title}")
    console.print(table)
    for item in test.selection:
        _line(console, f"{item.role}: {item.channel} [{item.key}]: {item.reason}")
    for left_out in test.quarantined:
        _line(console, f"left out: {left_out.part}: {left_out.reason}")


def _shown(value: float | None, digits: int) -> str:
    return "missing" if value is None else f"{value:.{digits}f}"


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
