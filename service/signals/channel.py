"""One measured or simulated signal on an even time grid, with its unit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from service.signals.units import STANDARD_GRAVITY_MPS2, UNIT_FACTORS, factor

__all__ = ["STANDARD_GRAVITY_MPS2", "UNIT_FACTORS", "Channel"]

MIN_SAMPLES = 2
# Far beyond any signal; products of such numbers would overflow.
LARGEST_VALUE = 1e15
INTERVALS_S = (1e-9, 1e6)


@dataclass(frozen=True, eq=False)
class Channel:
    """A signal with constant sampling interval; sign as in SAE J211 (x forward, so braking is negative).

    Attributes:
        values: shape (n,), float64, finite, read-only.
        sample_interval_s: time between two samples, > 0.
        start_s: time of the first sample; t = 0 is the first contact.
        unit: unit of `values`, one of `UNIT_FACTORS[quantity]`: there is no channel without a unit.
        quantity: acceleration, velocity, displacement, force or angular_velocity.
        location: where the sensor sits, in the words of the source.
        direction: x, y, z or resultant.
        filter_class: CFC that the values have already passed, None when only anti-alias filtered.
        name: text by which people recognise the channel.
        status: as_measured, computed, simulated ...; the reader's word for the data status.

    Raises:
        InputError: fewer than two samples, not one-dimensional, not finite or beyond 1e15, interval
            not positive, or a unit that the quantity does not have.
    """

    values: NDArray[np.float64]
    sample_interval_s: float
    start_s: float
    unit: str
    quantity: str = "acceleration"
    location: str = ""
    direction: str = "x"
    filter_class: int | None = None
    name: str = ""
    status: str = "as_measured"

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        label = f"Channel {self.name!r}" if self.name else "A channel"
        if values.ndim != 1 or values.size < MIN_SAMPLES:
            raise InputError(f"{label} has shape {values.shape}; at least {MIN_SAMPLES} samples are needed.")
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputError(f"{label} is not finite at sample {first}.", hint="Export it again.")
        if np.abs(values).max() > LARGEST_VALUE:
            raise InputError(f"{label} has values beyond {LARGEST_VALUE:g}.", hint="Export it again.")
        if not INTERVALS_S[0] <= self.sample_interval_s <= INTERVALS_S[1]:
            raise InputError(
                f"{label} has sampling interval {self.sample_interval_s} s; it must be positive and no nonsense."
            )
        if not abs(self.start_s) <= INTERVALS_S[1]:
            raise InputError(
                f"{label} has the start time {self.start_s} s; it must be finite and no nonsense."
            )
        factor(self.unit, self.unit, self.quantity)
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Sample times, shape (n,)."""
        return self.start_s + self.sample_interval_s * np.arange(self.values.size, dtype=np.float64)

    @property
    def sample_rate_hz(self) -> float:
        return 1.0 / self.sample_interval_s

    def to_unit(self, unit: str) -> Channel:
        """The same signal in another unit of its quantity.

        Raises:
            InputError: the quantity has no such unit.
        """
        if unit == self.unit:
            return self
        return self.with_values(self.values * factor(self.unit, unit, self.quantity), unit=unit)

    def with_values(
        self, values: NDArray[np.float64], *, unit: str | None = None, filter_class: int | None = None
    ) -> Channel:
        """The same sensor with other values; unit and filter class stay unless given."""
        return replace(
            self, values=values, unit=unit or self.unit, filter_class=filter_class or self.filter_class
        )
