"""Two batches beside each other: which designs enter, which leave, and what that does to money and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from service.acquisitions import dry_runs
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import PreviewedPickRead
from service.admin.contexts.what_if import BatchView, ComparedLine, Comparison
from service.admin.formats import money, number, percent, words
from service.admin.pages.run_lines import round_result
from service.database.models import AcquisitionRound, Campaign
from service.pagination import PageRequest
from service.vocabulary import Arm

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LARGEST_BATCH = 1000
CHANGES = ("entering", "leaving", "stays")


@dataclass(frozen=True)
class Pick:
    """One design of a batch."""

    sample_id: int
    name: str
    source: str
    rank: int
    arm: Arm
    predicted: float | None
    cost: Decimal


def batch(session: Session, round_: AcquisitionRound) -> list[Pick]:
    """The batch of a round in its order."""
    page = PageRequest(after=0, limit=LARGEST_BATCH)
    if round_.dry_run:
        previewed, _ = dry_runs.preview_page(session, round_.id, page)
        return [_previewed(row) for row in previewed]
    rows, _ = acquisitions.recommendations_of_round(session, round_.id, page)
    return [
        Pick(
            sample_id=row.sample_id,
            name=row.external_id or f"sample {row.sample_id}",
            source=row.source,
            rank=row.rank,
            arm=row.arm,
            predicted=row.components.get("predicted"),
            cost=row.acquisition_cost,
        )
        for row in rows
    ]


def _previewed(row: PreviewedPickRead) -> Pick:
    name = row.external_id or f"sample {row.sample_id}"
    return Pick(row.sample_id, name, row.source, row.rank, row.arm, row.predicted, row.acquisition_cost)


def compare(
    campaign: Campaign,
    before: tuple[AcquisitionRound, Sequence[Pick]],
    after: tuple[AcquisitionRound, Sequence[Pick]],
) -> Comparison:
    """What changes from one batch to the other."""
    hours = {source.name: source.lead_time_hours for source in campaign.sources}
    old, new = ({pick.sample_id: pick for pick in picks} for _, picks in (before, after))
    lines = [_line(old.get(key), new.get(key), hours) for key in {**new, **old}]
    lines.sort(key=lambda line: (CHANGES.index(line.change), line.rank_after or line.rank_before or 0))
    counts = Counter(line.change for line in lines)
    return Comparison(
        before=_view(campaign, *before, hours),
        after=_view(campaign, *after, hours),
        lines=lines,
        entering=counts["entering"],
        leaving=counts["leaving"],
    )


def _line(old: Pick | None, new: Pick | None, hours: Mapping[str, Decimal]) -> ComparedLine:
    pick = new or old
    assert pick is not None
    return ComparedLine(
        name=pick.name,
        source=pick.source,
        arm=pick.arm,
        change="entering" if old is None else "leaving" if new is None else "stays",
        rank_before=old.rank if old else None,
        rank_after=new.rank if new else None,
        predicted=pick.predicted,
        cost=pick.cost,
        lead_time_hours=hours[pick.source],
    )


def _view(
    campaign: Campaign, round_: AcquisitionRound, picks: Sequence[Pick], hours: Mapping[str, Decimal]
) -> BatchView:
    counts = Counter(pick.source for pick in picks)
    return BatchView(
        round_id=round_.id,
        settings=_settings(round_, campaign.currency),
        designs=len(picks),
        by_source=", ".join(f"{count} × {words(name)}" for name, count in counts.most_common()),
        cost=sum((pick.cost for pick in picks), Decimal(0)),
        lead_time_hours=max((hours[name] for name in counts), default=None),
        result=round_result(round_.metrics or {}, campaign.target["unit"], campaign.currency),
    )


def _settings(round_: AcquisitionRound, currency: str) -> list[tuple[str, str]]:
    document = round_.configuration
    budget = document.get("budget")
    return [
        ("strategy", words(acquisitions.strategy_of(round_))),
        ("budget", money(None if budget is None else Decimal(budget), currency)),
        ("cost exponent", number(document.get("cost_exponent"))),
        ("control arm", percent(document.get("control_fraction"))),
        ("batch size", number(document.get("batch_size"), 0)),
    ]
