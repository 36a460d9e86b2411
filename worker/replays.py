"""A ranking against what was stored of it: the same bytes, or what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.database.models import AcquisitionRound, Recommendation
from worker.acquisition.ranking import Ranking
from worker.loading import Snapshot

# Enough to see what kind of difference it is.
MOST_DIFFERENCES = 50
FIELDS = (
    "sample_id",
    "score",
    "components",
    "reason",
    "arm",
    "selection_probability",
    "acquisition_cost",
    "currency",
)
Line = Mapping[str, Any]


def stored_lines(batch: Sequence[Recommendation]) -> list[Line]:
    """The stored batch as plain JSON, in the order of its ranks.

    A repetition is named by what it repeats: the sample that was made for it has an id of its own in every round.
    """
    return [_plain(_stored_line(row)) for row in batch]


def _stored_line(row: Recommendation) -> dict[str, Any]:
    line = {"rank": row.rank} | {name: getattr(row, name) for name in FIELDS}
    return line | {"sample_id": row.sample.repeats_sample_id or row.sample_id}


def compared_ids(snapshot: Snapshot, ranking: Ranking) -> dict[int, int]:
    """The sample by which each picked row is compared with the stored one."""
    return {
        item.pick.index: int(snapshot.pool.ids[item.pick.index])
        if item.repeats is None
        else snapshot.train.ids[item.repeats]
        for item in ranking.recommendations
    }


def replayed_lines(rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """What a ranking would have stored, in the same form."""
    return [_plain({name: row[name] for name in ("rank", *FIELDS)}) for row in rows]


def _plain(line: dict[str, Any]) -> Line:
    # Through JSON as the database keeps it, so that 1 and 1.0 or a decimal's digits make no difference of their own.
    plain: Line = json.loads(json.dumps(line | {"acquisition_cost": f"{line['acquisition_cost']:.2f}"}))
    return plain


def compare(stored: Sequence[Line], replayed: Sequence[Line]) -> dict[str, Any]:
    """`same_bytes`, the two hashes, and the first differences by rank and field."""
    hashes = [
        hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest() for lines in (stored, replayed)
    ]
    return {
        "same_bytes": hashes[0] == hashes[1],
        "stored_sha256": hashes[0],
        "replayed_sha256": hashes[1],
        "differences": list(_differences(stored, replayed))[:MOST_DIFFERENCES],
    }


def _differences(stored: Sequence[Line], replayed: Sequence[Line]) -> Iterator[dict[str, Any]]:
    if len(stored) != len(replayed):
        yield {"rank": None, "field": "batch_size", "stored": len(stored), "replayed": len(replayed)}
    for old, new in zip(stored, replayed, strict=False):
        for name in ("rank", *FIELDS):
            if old[name] != new[name]:
                yield {"rank": old["rank"], "field": name, "stored": old[name], "replayed": new[name]}


def data_differences(round_: AcquisitionRound, sample_ids: Sequence[int]) -> list[str]:
    """How the data as of the round differ from what it saw, as far as the histories tell."""
    then, now = set(round_.sample_ids or ()), set(sample_ids)
    told = [_named("gone", then - now), _named("there that the round did not see", now - then)]
    changed = "The same samples: features, prices or the holdout have changed since the round."
    return [text for text in told if text] or [changed]


def _named(what: str, ids: set[int]) -> str:
    if not ids:
        return ""
    shown = ", ".join(map(str, sorted(ids)[:10]))
    return f"{len(ids)} samples are {what}: {shown}{' and more' if len(ids) > 10 else ''}."
