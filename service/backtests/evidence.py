"""What a stored report says about a strategy; its sentences were written by who computed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.backtests.schemas import EvidenceRead
from service.database.models import Backtest
from service.vocabulary import Evidence, Strategy

_COMPARATOR = "Random picks are what the other strategies are compared with."
_UNKNOWN = "Not enough data to say whether this strategy beats random picks here."


def evidence_from(backtest: Backtest, strategy: str) -> EvidenceRead:
    """What a succeeded backtest says about a strategy, of `auto` about the one that it takes.

    It says `not_enough_data` of a strategy that it did not replay.
    """
    if strategy == Strategy.RANDOM:
        return _comparator()
    entry = _entry(backtest.metrics or {}, strategy)
    if entry is None:
        sentence = f"{_UNKNOWN} Backtest {backtest.id} did not replay it."
        return _nothing_known(strategy, sentence, backtest.id)
    return EvidenceRead(
        strategy=entry["strategy"],
        verdict=Evidence(entry["verdict"]),
        sentence=entry["sentence"],
        backtest_id=backtest.id,
        log_ratio=entry["log_ratio"],
        interval=entry["interval"],
    )


def _entry(report: Mapping[str, Any], strategy: str) -> Mapping[str, Any] | None:
    if strategy == Strategy.AUTO:
        return report.get("auto")
    found: list[Mapping[str, Any]] = report.get("strategies", [])
    return next((entry for entry in found if entry["strategy"] == strategy), None)


def without_backtest(strategy: str, labelled: int) -> EvidenceRead:
    """The only honest evidence before a backtest has succeeded."""
    if strategy == Strategy.RANDOM:
        return _comparator()
    return _nothing_known(
        strategy, f"{_UNKNOWN} No backtest has run on its {labelled} labelled samples.", None
    )


def _comparator() -> EvidenceRead:
    return EvidenceRead(strategy=Strategy.RANDOM, verdict=Evidence.NOT_BETTER, sentence=_COMPARATOR)


def _nothing_known(strategy: str, sentence: str, backtest_id: int | None) -> EvidenceRead:
    return EvidenceRead(
        strategy=strategy, verdict=Evidence.NOT_ENOUGH_DATA, sentence=sentence, backtest_id=backtest_id
    )
