from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from service.admin import formats
from service.quantities import quantity


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.567, 2, "1,234.57"),
        (-0.5, 1, "−0.5"),
        (-0.001, 2, "0.00"),
        (None, 2, "–"),
        (-12000, 0, "−12,000"),
    ],
)
def test_number(value: float | None, digits: int, text: str) -> None:
    assert formats.number(value, digits) == text


def test_money_names_its_currency() -> None:
    assert formats.money(Decimal("1250000.00"), "USD") == "1,250,000 USD"
    assert formats.money(None, "USD") == "–"


@pytest.mark.parametrize(
    ("hours", "text"), [(0, "0 h"), (6, "6 h"), (47.5, "47.5 h"), (48, "2 days"), (1008, "42 days")]
)
def test_lead_times_in_days_from_two_days_on(hours: float, text: str) -> None:
    assert formats.hours(hours) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (None, "–")],
)
def test_durations(value: float | None, text: str) -> None:
    assert formats.seconds(value) == text


def test_moments_are_utc_whatever_their_zone() -> None:
    moment = datetime(2026, 11, 23, 20, 5, tzinfo=timezone(timedelta(hours=2)))
    assert formats.moment(moment) == "2026-11-23T18:05:00Z"
    assert formats.moment_utc(moment.astimezone(UTC)) == "2026-11-23 18:05 UTC"


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("test_mass_kg", "kg", "test mass"),
        ("impact_speed_kmh", "km/h", "impact speed"),
        ("model_year", "1", "model year"),
        ("front_stiffness_kn_per_m", "kN/m", "front stiffness"),
        ("webbing_elongation_percent", "%", "webbing elongation"),
        ("weight_class", "kg", "weight class"),
        ("kg", "kg", "kg"),
        ("model_year", "year", "model year"),
    ],
)
def test_names_lose_the_unit_that_stands_beside_them(name: str, unit: str, text: str) -> None:
    assert quantity(name, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2310.0, "kg", "2,310 kg"),
        (2026, "1", "2026"),
        (2026, "year", "2026"),
        (True, "1", "yes"),
        (None, "kg", "missing"),
        ("sedan", "1", "sedan"),
        ("battery_electric", "1", "battery electric"),
        (-3.5, "mm", "−3.5 mm"),
    ],
)
def test_feature_values(value: object, unit: str, text: str) -> None:
    assert formats.feature_value(value, unit) == text


@pytest.mark.parametrize(
    ("values", "digits"), [([7.2, -0.1], 2), ([0.021], 4), ([5000.0], 0), ([], 2), ([0.0], 2)]
)
def test_digits_show_three_figures_of_the_largest(values: list[float], digits: int) -> None:
    assert formats.digits_for(values) == digits
