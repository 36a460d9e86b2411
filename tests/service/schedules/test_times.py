"""Due times, above all where the clock changes: Europe/Berlin goes forward on 2027-03-28, back on 2027-10-31."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from service.schedules.times import (
    check_cron,
    cron_times,
    first_of,
    interval_times,
    known_zones,
    local_moment,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(times: Iterator[datetime], count: int) -> list[str]:
    return [due.astimezone(BERLIN).isoformat() for due in islice(times, count)]


def test_a_time_that_summer_time_leaves_out_runs_after_the_gap_once() -> None:
    times = cron_times("30 2 * * *", BERLIN, utc("2027-03-26T12:00"))
    assert local(times, 4) == [
        "2027-03-27T02:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
        "2027-03-30T02:30:00+02:00",
    ]


def test_a_time_that_the_change_back_repeats_runs_once() -> None:
    times = cron_times("30 2 * * *", BERLIN, utc("2027-10-30T12:00"))
    assert local(times, 2) == ["2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"]


@pytest.mark.parametrize("after", ["2027-10-31T00:30", "2027-10-31T01:10", "2027-10-31T01:30"])
def test_asked_within_the_repeated_hour_it_does_not_run_again(after: str) -> None:
    """00:30 UTC is the first 02:30; from 01:00 UTC on the clock shows the hour from 02:00 a second time."""
    times = cron_times("30 2 * * *", BERLIN, utc(after))
    assert local(times, 1) == ["2027-11-01T02:30:00+01:00"]


def test_the_local_hour_stays_over_both_changes() -> None:
    for after in ("2027-03-20T00:00", "2027-10-25T00:00"):
        due = first_of(cron_times("0 6 * * 1-5", BERLIN, utc(after)), 15)
        assert {moment.astimezone(BERLIN).hour for moment in due} == {6}
        assert len({moment.hour for moment in due}) == 2  # and in UTC it moves


def test_every_hour_is_an_hour_apart_over_both_changes() -> None:
    for after in ("2027-03-27T20:00", "2027-10-30T20:00"):
        due = first_of(cron_times("0 * * * *", BERLIN, utc(after)), 12)
        assert {second - first for first, second in pairwise(due)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    "expression", ["30 2 * * *", "*/15 2 * * *", "0,30 1-3 * * *", "0 */2 * * *", "7 * * * *"]
)
@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_going_on_from_any_due_time_gives_the_same_times(expression: str, day: str) -> None:
    """The schedule asks anew after each firing: nothing may be doubled, left out or out of order."""
    start = utc(f"{day}T00:00") - timedelta(hours=12)
    at_once = first_of(cron_times(expression, BERLIN, start), 40)
    assert at_once == sorted(set(at_once))
    one_by_one = [start]
    for _ in at_once:
        one_by_one += first_of(cron_times(expression, BERLIN, one_by_one[-1]), 1)
    assert one_by_one[1:] == at_once


@pytest.mark.parametrize(
    "expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "60 * * * *", "0 24 * * *", "0 0 * * MONDAY"]
)
def test_an_impossible_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"can never be due: bad .* for example 0 2 \* \* 1-5"):
        check_cron(expression)


@pytest.mark.parametrize("expression", ["", "* * * *", "* * * * * *", "@daily", "nightly"])
def test_another_number_of_fields_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="is no cron expression: give minute hour"):
        check_cron(expression)


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 L * *", "0 9 * * MON#1", "*/5 0-6 1,15 JAN-MAR 7"])
def test_a_rare_expression_is_accepted(expression: str) -> None:
    check_cron(expression)


def test_a_leap_day_is_found() -> None:
    assert first_of(cron_times("0 0 29 2 *", ZoneInfo("UTC"), utc("2026-01-01T00:00")), 2) == [
        utc("2028-02-29T00:00"),
        utc("2032-02-29T00:00"),
    ]


@pytest.mark.parametrize("name", ["Europe/Bonn", "europe/berlin", "Europe", "", "../../etc/passwd", "CET "])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown time zone .* use a name like Europe/Berlin"):
        zone_of(name)


def test_the_zones_of_the_world_are_there() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"} <= known_zones()


def test_a_date_without_offset_is_the_clock_of_the_zone() -> None:
    assert local_moment(datetime(2027, 1, 1, 12), BERLIN) == utc("2027-01-01T11:00")
    assert local_moment(datetime(2027, 7, 1, 12), BERLIN) == utc("2027-07-01T10:00")
    assert local_moment(utc("2027-07-01T12:00"), BERLIN) == utc("2027-07-01T12:00")


def test_a_date_that_the_clock_never_shows_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist in Europe/Berlin"):
        local_moment(datetime(2027, 3, 28, 2, 30), BERLIN)


def test_a_date_that_the_clock_shows_twice_needs_its_offset() -> None:
    with pytest.raises(ValueError, match="twice in Europe/Berlin: add the offset"):
        local_moment(datetime(2027, 10, 31, 2, 30), BERLIN)
    meant = datetime.fromisoformat("2027-10-31T02:30+01:00")
    assert local_moment(meant, BERLIN) == utc("2027-10-31T01:30")


def test_an_interval_counts_from_its_anchor() -> None:
    anchor, every = utc("2027-01-01T00:00"), timedelta(hours=7)
    assert first_of(interval_times(every, anchor, utc("2027-01-01T20:00")), 2) == [
        utc("2027-01-01T21:00"),
        utc("2027-01-02T04:00"),
    ]
    assert first_of(interval_times(every, anchor, utc("2026-12-01T00:00")), 1) == [anchor]
    assert first_of(interval_times(every, anchor, anchor), 1) == [anchor + every]
