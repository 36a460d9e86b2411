"""Which part of the target domain a pick serves, in the words of the campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worker.acquisition.problem import BoolArray, FloatArray

MOST_FEATURES = 3
MOST_ROWS = 3
# The core makes up this share of the fall; one that needs so many of the points is no region.
CORE_SHARE = 0.5
EVEN_SHARE = 0.4
# A feature that sets the core apart by less than this many standard deviations is not worth a word.
LEAST_CONTRAST = 0.5


@dataclass(frozen=True)
class FeatureWording:
    """One feature of the target points in original units.

    Attributes:
        name: as users know it.
        unit: empty or "1" for none.
        values: (t,) numbers, or words of a categorical feature; None where it is not known.
    """

    name: str
    unit: str
    values: tuple[float | str | None, ...]


@dataclass(frozen=True)
class RegionWording:
    """What is known of the t target points beside their encoded features.

    Attributes:
        load_case: (t,) name of the load case of each point, or empty.
        features: those that may describe a region.
    """

    load_case: tuple[str, ...] = ()
    features: tuple[FeatureWording, ...] = ()


@dataclass(frozen=True)
class Region:
    """The part of the target domain where a pick lowers the variance most.

    Attributes:
        rows: target points that make up half of the fall, the most served first.
        share: their share of the fall, in [0, 1].
        load_case: the load case with the largest share of the fall, and that share; None if not given.
        text: description such as "load case offset (62% of its gain), test mass 2,200 to 2,450 kg".
    """

    rows: tuple[int, ...]
    share: float
    load_case: str | None
    load_case_share: float | None
    text: str


def served_region(falls: FloatArray, wording: RegionWording) -> Region:
    """Describe where a pick lowers the predictive variance.

    The core are the fewest points that make up half of the fall. It is described by the load case with the
    largest share of the fall and by up to three features that set the core apart most, by the difference of
    the means in standard deviations; without such words by its rows.

    Args:
        falls: (t,) fall of the variance at each point, >= 0.
        wording: names, units and original values of the points.

    Cost: O(t (log t + features)).
    """
    order = np.argsort(-falls, kind="stable")
    running = np.cumsum(falls[order])
    total = float(running[-1])
    if total <= 0.0:
        return Region((), 0.0, None, None, "none of the target domain")
    size = int(np.searchsorted(running, CORE_SHARE * total)) + 1
    rows = order[:size]
    core = np.zeros(len(falls), dtype=np.bool_)
    core[rows] = True
    load_case, load_case_share = _largest_load_case(falls, wording.load_case)
    share = float(running[size - 1]) / total
    parts = (
        [] if load_case is None else [f"load case {_plain(load_case)} ({load_case_share:.0%} of its gain)"]
    )
    parts += _contrasts(core, wording.features)
    text = ", ".join(parts) or _by_rows(rows.tolist(), len(falls), share)
    return Region(tuple(rows.tolist()), share, load_case, load_case_share, text)


def _largest_load_case(falls: FloatArray, load_case: Sequence[str]) -> tuple[str | None, float | None]:
    shares: Counter[str] = Counter()
    for name, fall in zip(load_case, (falls / falls.sum()).tolist(), strict=bool(load_case)):
        shares[name] += fall
    return shares.most_common(1)[0] if shares else (None, None)


def _by_rows(rows: Sequence[int], points: int, share: float) -> str:
    if len(rows) >= EVEN_SHARE * points:
        return "the whole target domain evenly"
    named = ", ".join(str(row) for row in rows[:MOST_ROWS])
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return f"rows {named}{more} of the target domain ({share:.0%} of its gain)"


def _contrasts(core: BoolArray, features: Sequence[FeatureWording]) -> list[str]:
    """What sets the core apart from the whole domain, the clearest first."""
    if core.sum() >= EVEN_SHARE * len(core):
        return []
    found = [_words(core, f) if _is_words(f) else _numbers(core, f) for f in features]
    clear = [(contrast, text) for contrast, text in found if contrast >= LEAST_CONTRAST]
    clear.sort(key=lambda item: -item[0])  # stable: equal contrasts keep the order of the features
    return [text for _, text in clear[:MOST_FEATURES]]


def _is_words(feature: FeatureWording) -> bool:
    return any(isinstance(value, str) for value in feature.values)


def _numbers(core: BoolArray, feature: FeatureWording) -> tuple[float, str]:
    values = np.array([np.nan if value is None else float(value) for value in feature.values])
    known, inside = values[np.isfinite(values)], values[core & np.isfinite(values)]
    if not len(inside) or not known.std() > 0:
        return 0.0, ""
    least, most = _figure(inside.min()), _figure(inside.max())
    span = least if least == most else f"{least} to {most}"
    unit = "" if feature.unit in {"", "1"} else f" {feature.unit}"
    return float(abs(inside.mean() - known.mean()) / known.std()), f"{feature.name} {span}{unit}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _words(core: BoolArray, feature: FeatureWording) -> tuple[float, str]:
    values = np.array(["" if value is None else str(value) for value in feature.values])
    names, counts = np.unique(values[core], return_counts=True)
    name = names[counts.argmax()]
    everywhere, inside = float((values == name).mean()), float((values[core] == name).mean())
    if not name or everywhere == 1.0:
        return 0.0, ""
    contrast = (inside - everywhere) / np.sqrt(everywhere * (1.0 - everywhere))
    return float(contrast), f"{feature.name} {_plain(name)}"


def _plain(category: str) -> str:
    return category.replace("_", " ")
