"""What the caller of a reader says because the file cannot, or knows better than the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from service.errors import InputError

if TYPE_CHECKING:
    from service.ingest.archive import FileSet
    from service.ingest.model import CrashTest
    from service.ingest.table_mapping import TableMapping

NO_CHESTS: Mapping[str, str] = MappingProxyType({})

# Length and time of the unit systems of crash solvers in SI units; mass does not touch motion.
UNIT_SYSTEMS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "kg-mm-ms": ("mm/ms2", "mm/ms", "ms"),
        "g-mm-ms": ("mm/ms2", "mm/ms", "ms"),
        "t-mm-s": ("mm/s2", "mm/s", "s"),
        "kg-mm-s": ("mm/s2", "mm/s", "s"),
        "kg-m-s": ("m/s2", "m/s", "s"),
    }
)


@dataclass(frozen=True)
class ChannelChoice:
    """Channels chosen by hand instead of by the rules.

    Attributes:
        vehicle: keys of the channels whose mean is the vehicle pulse; empty = by the rules.
        chest: role of the occupant (driver, passenger ...) → key of its chest channel.
    """

    vehicle: tuple[str, ...] = ()
    chest: Mapping[str, str] = field(default_factory=lambda: NO_CHESTS)


@dataclass(frozen=True)
class ReadOptions:
    """Answers to what files leave open; what a reader does not need it ignores.

    Attributes:
        channels: channels chosen by hand.
        initial_speed_mps: speed at first contact instead of the file's, > 0.
        units: a key of `UNIT_SYSTEMS`; a binout holds numbers without units.
        mapping: the columns of a table.

    Raises:
        InputError: a speed that is not positive, or an unknown system of units.
    """

    channels: ChannelChoice = ChannelChoice()
    initial_speed_mps: float | None = None
    units: str | None = None
    mapping: TableMapping | None = None

    def __post_init__(self) -> None:
        speed = self.initial_speed_mps
        if speed is not None and not 0 < speed < float("inf"):
            raise InputError(f"The initial speed is {speed} m/s; it must be positive.")
        if self.units is not None and self.units not in UNIT_SYSTEMS:
            known = ", ".join(UNIT_SYSTEMS)
            raise InputError(f"{self.units!r} is not a system of units.", hint=f"Known: {known}.")


def parse_chests(pairs: Sequence[str]) -> dict[str, str]:
    """`driver=013` as people write it on a command line.

    Raises:
        InputError: not of that form, or an occupant twice.
    """
    chests: dict[str, str] = {}
    for pair in pairs:
        occupant, equals, key = pair.partition("=")
        if not (occupant and equals and key) or occupant in chests:
            raise InputError(f"--chest {pair!r} does not name one channel.", hint="Write it as driver=013.")
        chests[occupant] = key
    return chests


class Reader(Protocol):
    """Reads the files of one crash test.

    A channel that is broken, missing or contradicts itself costs that channel: it is quarantined with a
    reason and another sensor takes its place. What makes the whole test useless is one clear error.
    Only channels that a label needs are parsed. Same files, same options: same result.

    Raises:
        FileFormatError: not this format, truncated, or nothing in it that can be labelled.
        InputError: the options do not fit the file.
    """

    def __call__(self, files: FileSet, options: ReadOptions) -> CrashTest: ...
