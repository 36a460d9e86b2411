"""When a schedule is due: cron expressions, intervals and dates, with daylight-saving changes.

Cron times are local and follow Debian's cron (as `cronsim` does): a fixed hour that a change to summer time
leaves out runs at the first minute after the gap, one that a change back repeats runs the first time only; with a
wildcard in the hour or minute it runs by elapsed time instead. Intervals are elapsed time and know no clock change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

CRON_FIELDS = 5
EXAMPLE = "minute hour day-of-month month day-of-week, for example 0 2 * * 1-5 (weekdays at 02:00)"


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """Names of the time zone database; reading them takes some milliseconds."""
    return frozenset(available_timezones())


def zone_of(name: str) -> ZoneInfo:
    """The time zone.

    Raises:
        ValueError: if there is none of this name.
    """
    if name not in known_zones():
        raise ValueError(f"unknown time zone '{name}': use a name like Europe/Berlin or UTC")
    return ZoneInfo(name)


def check_cron(expression: str) -> None:
    """Refuse an expression that is none, or never comes due.

    Raises:
        ValueError: with what is wrong and an example.
    """
    if len(expression.split()) != CRON_FIELDS:
        raise ValueError(f"'{expression}' is no cron expression: give {EXAMPLE}")
    try:
        due = next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        raise ValueError(f"'{expression}' can never be due: {str(error).lower()}; give {EXAMPLE}") from error
    if due is None:
        raise ValueError(f"'{expression}' can never be due: no such day in fifty years; give {EXAMPLE}")


def local_moment(moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment in UTC; without an offset it is the clock time of the zone.

    Raises:
        ValueError: if the clock shows this time never, or twice.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != moment:
        raise ValueError(f"{moment} does not exist in {zone.key}: the clock is put forward over it")
    if first != second:
        raise ValueError(f"{moment} is there twice in {zone.key}: add the offset that you mean")
    return first


def cron_times(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Due times in UTC behind `after`, each later than the one before."""
    last = after
    for found in CronSim(expression, after.astimezone(zone)):
        # In a repeated hour the library begins with its first run, which may have been.
        if (due := found.astimezone(UTC)) > last:
            last = due
            yield due


def interval_times(every: timedelta, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """Anchor plus whole intervals, behind `after`."""
    due = anchor if anchor > after else anchor + ((after - anchor) // every + 1) * every
    while True:
        yield due
        due += every


def first_of(times: Iterator[datetime], count: int) -> list[datetime]:
    return list(islice(times, count))
