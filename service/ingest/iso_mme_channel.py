"""One channel file of an ISO-MME test, checked against everything its header says about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError
from service.ingest.archive import FileSet
from service.ingest.iso_mme_files import ChannelCode, Header, parse_code, parse_header, parse_samples
from service.ingest.numbers import finite_number
from service.ingest.text import decode
from service.signals.channel import Channel
from service.signals.units import parse_unit

# The 16th character of a channel code: CFC that the values have passed, None = no lower than CFC1000.
FILTER_CLASS = {
    "0": None, "P": None, "?": None, "A": 1000, "E": 1000, "B": 600, "F": 600, "C": 180, "G": 180, "D": 60, "H": 60,
}  # fmt: skip
STATUS = {
    "ok": "as_measured", "good": "as_measured", "valid": "as_measured", "as measured": "as_measured",
    "computed": "computed",
}  # fmt: skip
# How far a header's extreme may be from the data's, as a share of the range: rounding, not another file.
EXTREME_TOLERANCE = 0.005
EXTREMES = (("maximum", np.argmax), ("minimum", np.argmin))


def read_channel(files: FileSet, file: str, expected: ChannelCode, name: str) -> Channel:
    """The acceleration in a channel file.

    Args:
        files: files of the test.
        file: name of the channel file.
        expected: what the index says about it.
        name: how people recognise the channel.

    Raises:
        InputError: with the reason when it cannot be used.
    """
    header, lines = parse_header(decode(files.read(file)))
    _check_code(header, expected)
    status = _status(header)
    if (header.get("reference channel") or "implicit").casefold() != "implicit":
        raise FileFormatError(
            "its times are in another channel (reference channel explicit), which is not read."
        )
    unit = parse_unit(header.need("unit"), "acceleration")
    interval_s = _number(header, "sampling interval")
    start_s = _number(header, "time of first sample")
    if interval_s <= 0:
        raise FileFormatError(f"its sampling interval is {interval_s:g} s; it must be positive.")
    values = parse_samples(lines)
    _check_count(header, values.size)
    for word, find in EXTREMES:
        _check_extreme(header, word, values, int(find(values)), start_s, interval_s)
    return Channel(
        values=values, sample_interval_s=interval_s, start_s=start_s, unit=unit, location=expected.location,
        filter_class=_filter_class(expected), name=name, status=status,
    )  # fmt: skip


def _number(header: Header, key: str) -> float:
    text = header.need(key)
    try:
        return finite_number(text)
    except ValueError as error:
        raise FileFormatError(f"its {key} {text[:40]!r} {error}.") from error


def _check_code(header: Header, expected: ChannelCode) -> None:
    """The index may be of another test, or files renumbered: then nobody knows what this file is."""
    given = header.get("channel code")
    if given is None:
        return
    code = parse_code(given)
    for part in ("test_object", "position", "location", "dimension", "direction"):
        ours, theirs = getattr(code, part), getattr(expected, part)
        if ours != theirs and "?" not in ours + theirs:
            raise FileFormatError(f"the index says {part} {theirs}, the file itself {ours} ({given}).")


def _status(header: Header) -> str:
    given = header.get("data status")
    status = STATUS.get((given or "ok").casefold())
    if status is None:
        raise FileFormatError(f"its data status is {given!r}.")
    return status


def _filter_class(code: ChannelCode) -> int | None:
    if code.filter_class not in FILTER_CLASS:
        raise FileFormatError(f"filter class {code.filter_class} of its code is too low or not a CFC.")
    return FILTER_CLASS[code.filter_class]


def _check_count(header: Header, samples: int) -> None:
    declared = header.need("number of samples")
    if not (declared.isascii() and declared.isdigit()):
        raise FileFormatError(f"its number of samples {declared[:40]!r} is not a whole number.")
    if int(declared[:12]) != samples:
        raise FileFormatError(
            f"it has {samples} samples, its header says {declared[:12]}: it is truncated or mixed up."
        )


def _check_extreme(
    header: Header, word: str, values: NDArray[np.float64], at: int, start_s: float, interval_s: float
) -> None:
    """Extreme and its time, where the header gives them, are a checksum of values, interval and start."""
    declared = _optional_number(header, f"first global {word} value")
    if declared is None:
        return
    tolerance = EXTREME_TOLERANCE * float(np.ptp(values))
    if abs(declared - values[at]) > tolerance:
        raise FileFormatError(
            f"its {word} is {values[at]:.6g}, its header says {declared:.6g}: other data or unit."
        )
    declared_s = _optional_number(header, f"time of {word} value")
    if declared_s is None:
        return
    index = round((declared_s - start_s) / interval_s) if abs(declared_s) < 1e3 else -1
    near = values[max(index - 1, 0) : max(index + 2, 0)]
    if near.size == 0 or np.abs(near - values[at]).min() > tolerance:
        raise FileFormatError(
            f"its {word} is at {start_s + at * interval_s:.6g} s, its header says {declared_s:.6g} s: "
            "its sampling interval or start is wrong."
        )


def _optional_number(header: Header, key: str) -> float | None:
    """None when the header does not give it, or not as a number: it is a check and no demand."""
    try:
        return finite_number(header.get(key) or "")
    except ValueError:
        return None
