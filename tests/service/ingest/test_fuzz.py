"""Damaged files of every format: never a programming error, never a wrong label without a word.

`make test` reads 500 mutated files, `make test-fuzz` 10,000 with other seeds each time. What a mutation may
do: a clear error of one line; a label as before; another label, if a flag, a quarantined channel or the
selection says that something is different.
"""

import io
import os
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from service.errors import CrashscoutError
from service.ingest import label_occupants, read_crash_test
from tests.crash_files import FORMATS, OPTIONS
from tests.ev5_writer import write_folder, zipped

FILES = int(os.environ.get("FUZZ_FILES", "500"))
IS_LONG = FILES > 500
SHARED_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Beyond this a changed label is a wrong one. It is half of a label's usual standard uncertainty, and what can hide
# below the checks: a sample off by 35 g moves a label by 0.05 g, a hole of 5 ms at the foot of a pulse by up to 0.2 g.
TOLERANCE_G = 0.2

LINES = [
    b"nan", b"inf", b"-1e999", b"1e308", b"0,5", b"1_5", b"", b"NOVALUE", b"-", b"9" * 400, b"\xff\xfe", b"\x00",
    "½".encode(), b"Sampling interval           :0", b"Sampling interval           :-0.0001",
    b"Sampling interval           :0.0002", b"Unit                        :G'S", b"Unit :foo", b"Unit :",
    b"Number of samples :475", b"Number of samples :1e3", b"Time of first sample        :-0.0225",
    b"Velocity test object 1      :50 km/h", b"Velocity test object 1 :13,92", b"Data status :failed",
    b"Reference channel :explicit", b"----- END -----", b"----- VEHICLE -----", b"|" * 19,
]  # fmt: skip
WORDS = [
    (b"|100|", b"|0|"), (b"|100|", b"|200|"), (b"|100|", b"|50|"), (b"|-200|", b"|-210|"), (b"G'S", b"METERS/SEC**2"),
    (b"G'S", b"MM"), (b"G'S", b"FOO"), (b"|AM|", b"|QD|"), (b"|P|", b"|R|"), (b"56.3", b"35.0"), (b"56.3", b"0"),
    (b"CHST", b"ENGN"), (b"FLLR", b"FLRR"), (b"XL", b"YL"), (b"0.0001", b"0.00008"), (b"0.0001", b"0"),
    (b"m/(s*s)", b"G'S"), (b"m/(s*s)", b"mm/s2"), (b"m/(s*s)", b"gn"), (b"ACX", b"ACY"), (b".", b","),
    (b'"g"', b'"m/s2"'), (b'"ms"', b'"s"'), (b'"x"', b'"z"'), (b'"sign"', b'"sing"'), (b"gn", b"ms"),
    (b"driver", b"passenger"), (b"TDSm", b"TDSh"), (b"time", b"tine"), (b"x_velocity", b"y_velocity"),
    (b"11CHST", b"13CHST"), (b"wf_increment", b"wf_incrementx"), (b"-", b""), (b"\n", b"\r\n"), (b"|", b""),
]  # fmt: skip


class Damaged:
    """Files after some accidents; prints as what happened to them."""

    def __init__(self, files, accidents):
        self.files = files
        self.accidents = accidents

    def __repr__(self):
        return f"Damaged({'; '.join(self.accidents)})"


@st.composite
def mutations(draw, files):
    """The files after one to three of the accidents that befall files."""
    files = dict(files)
    happened = []
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        name = draw(st.sampled_from(sorted(files)))
        accident = draw(st.sampled_from(ACCIDENTS))
        before = files[name]
        changed = accident(draw, name, files)
        if changed is None:
            files.pop(name)
        else:
            files[name] = changed
        happened.append(f"{accident.__name__} {name}: {difference(before, changed or b'')}")
        if not files:
            break
    return Damaged(files, tuple(happened))


def difference(before, after):
    """Where two contents differ first, and how."""
    at = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    return f"{len(before)} to {len(after)} bytes, at {at} {before[at : at + 40]!r} became {after[at : at + 40]!r}"


def truncated(draw, name, files):
    return files[name][: draw(st.integers(0, max(len(files[name]) - 1, 0)))]


def flipped(draw, name, files):
    content = bytearray(files[name])
    for _ in range(draw(st.integers(1, 8))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


def span(draw, content):
    start = draw(st.integers(0, len(content)))
    return start, min(len(content), start + draw(st.integers(1, 400)))


def cut_out(draw, name, files):
    start, end = span(draw, files[name])
    return files[name][:start] + files[name][end:]


def doubled(draw, name, files):
    start, end = span(draw, files[name])
    return files[name][:end] + files[name][start:]


def zeroed(draw, name, files):
    start, end = span(draw, files[name])
    return files[name][:start] + bytes(end - start) + files[name][end:]


def inserted(draw, name, files):
    start, _ = span(draw, files[name])
    return files[name][:start] + draw(st.binary(min_size=1, max_size=20)) + files[name][start:]


def line_replaced(draw, name, files):
    lines = files[name].split(b"\n")
    at = draw(st.integers(0, len(lines) - 1) | st.integers(0, min(len(lines) - 1, 20)))
    lines[at] = draw(st.sampled_from(LINES))
    return b"\n".join(lines)


def line_removed(draw, name, files):
    lines = files[name].split(b"\n")
    lines.pop(draw(st.integers(0, len(lines) - 1)))
    return b"\n".join(lines)


def word_replaced(draw, name, files):
    old, new = draw(st.sampled_from(WORDS))
    return files[name].replace(old, new, draw(st.sampled_from([1, -1])))


def recoded(draw, name, files):
    return (
        files[name]
        .decode("latin-1")
        .encode(draw(st.sampled_from(["utf-16", "utf-16-le", "utf-8-sig", "utf-8"])))
    )


def emptied(draw, name, files):
    return b""


def removed(draw, name, files):
    return None


def swapped(draw, name, files):
    other = draw(st.sampled_from(sorted(files)))
    files[name], files[other] = files[other], files[name]
    return files[name]


ACCIDENTS = [
    truncated, flipped, cut_out, doubled, zeroed, inserted, line_replaced, line_removed, word_replaced, word_replaced,
    recoded, emptied, removed, swapped,
]  # fmt: skip


def packed(files, container, folder):
    """The files as a folder, zip, tar or tar.gz."""
    if container == "folder":
        return write_folder(folder / "test", files)
    if container == "zip":
        content = zipped(files)
    else:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz" if container == "tgz" else "w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        content = stream.getvalue()
    path = folder / f"upload.{container}"
    path.write_bytes(content)
    return path


def outcome_of(files, container, file_format):
    """Labels by role with everything that was said about them, or the error's text."""
    with tempfile.TemporaryDirectory(prefix="crashscout-fuzz-", dir=SHARED_MEMORY) as name:
        path = packed(files, container, Path(name))
        try:
            test = read_crash_test(path, options=OPTIONS[file_format])
            labels = label_occupants(test)
        except CrashscoutError as error:
            return str(error), {}
    said = {item.reason for item in test.quarantined}, tuple((item.role, item.key) for item in test.selection)
    return said, {label.role: label for label in labels}


@pytest.fixture(scope="module")
def originals():
    return {name: (make(), outcome_of(make(), "folder", name)) for name, make in FORMATS.items()}


@pytest.mark.parametrize("file_format", FORMATS)
def test_no_accident_crashes_the_reader_or_gives_a_wrong_label_in_silence(originals, file_format):
    files, (said, labels) = originals[file_format]
    outcomes = Counter()

    @settings(
        max_examples=FILES // len(FORMATS),
        deadline=None,
        derandomize=not IS_LONG,  # `make test` must not be red by chance
        database=None,
        phases=[Phase.generate] if IS_LONG else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(changed=mutations(files), container=st.sampled_from(["folder", "folder", "zip", "tar", "tgz"]))
    def check(changed, container):
        now_said, now = outcome_of(changed.files, container, file_format)
        if isinstance(now_said, str):
            assert now_said.strip()
            assert "\n" not in now_said
            outcomes["refused"] += 1
            return
        kinds = {judged(labels.get(role), label, now_said != said) for role, label in now.items()}
        kinds |= {"said"} if set(labels) - set(now) else set()
        assert "wrong in silence" not in kinds, report(now, labels)
        outcomes["said" if "said" in kinds else "unchanged"] += 1

    check()
    print(f"{file_format}: {dict(outcomes)}")
    assert outcomes["refused"]
    assert outcomes["said"]
    assert outcomes["unchanged"]


def judged(before, now, something_said):
    """What became of one label; a missing label must carry a flag."""
    if now.rolc_g is None:
        assert now.flags
        return "said"
    assert 5 <= now.rolc_g <= 80
    assert now.uncertainty_g >= 0
    if something_said or before is None or set(now.flags) != set(before.flags):
        return "said"
    return "unchanged" if abs(now.rolc_g - before.rolc_g) <= TOLERANCE_G else "wrong in silence"


def report(now, before):
    return {
        role: (label.rolc_g, before[role].rolc_g, label.flags)
        for role, label in now.items()
        if role in before
    }
