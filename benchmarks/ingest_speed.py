"""Reading and labelling a full NHTSA test: 630 channels of 3,500 samples, 42 MB of text.

    python -m benchmarks.ingest_speed --output results/ingest_speed.json

For each form of the test, `crashscout rolc --json` runs as a process of its own, several times: wall and processor
time with start-up and imports, and the peak memory of the process; then reading and labelling alone, as in a
worker that is up. Goal: 3 s and 300 MB. On a busy machine only the processor time says something.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from service.ingest import label_occupants, read_crash_test
from tests.crash_files import CODES, MmeChannel, mme_files
from tests.ev5_writer import Curve, ev5_files, times, usual_curves, write_folder, zipped

CHANNELS = 630
SAMPLES = 3_500
FIRST = -500
GOAL_S, GOAL_MB = 3.0, 300.0


class LongCurve(Curve):
    """A curve over the 350 ms that NHTSA keeps."""

    def record(self) -> dict[str, str]:
        return super().record() | {"NFP": str(FIRST), "NLP": str(FIRST + SAMPLES - 1)} | self.fields

    def content(self) -> bytes:
        rows = zip(_grid_s(), self.values, strict=True)  # type: ignore[arg-type]
        return "".join(f"{seconds:.6f}\t{value:.6f}\n" for seconds, value in rows).encode()


def _grid_s() -> np.ndarray:
    return (FIRST + np.arange(SAMPLES)) * 1e-4


def curves() -> list[LongCurve]:
    """The usual channels and barrier load cells, which nobody needs, up to 630; noise of 0.3 g on all."""
    generator = np.random.default_rng(0)
    found = []
    for curve in usual_curves():
        values = np.interp(_grid_s(), times(), curve.values) + generator.normal(0, 0.3, SAMPLES)
        found.append(LongCurve(curve.number, curve.place, curve.seat, values, curve.fields))
    rest = range(100, 100 + CHANNELS - len(found))
    return found + [
        LongCurve(number, "LDCL", "NA", generator.normal(-40, 20, SAMPLES), {"SENTYP": "LC", "YUNITS": "NWT"})
        for number in rest
    ]


def iso_files(found: list[LongCurve]) -> dict[str, bytes]:
    """The same test as ISO-MME."""
    return mme_files(
        [
            MmeChannel(
                number=curve.number,
                code=CODES.get(curve.number, "B0LOAD000000FOXP"),
                name=f"CHANNEL {curve.number}",
                values=curve.values * 9.80665,
                start_s=FIRST * 1e-4,
            )
            for curve in found
        ]
    )


def measure(path: Path, repeats: int) -> dict[str, object]:
    """Medians of seconds and the peak megabytes of `crashscout rolc --json` on a path."""
    command = [str(Path(sys.executable).with_name("crashscout")), "rolc", str(path), "--json"]
    wall, processor = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "wall_s": statistics.median(wall),
        "processor_s": statistics.median(processor),
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "read_and_label_processor_s": statistics.median(_read_and_label_s(path) for _ in range(repeats)),
        "rolc_g": [occupant["rolc_g"] for occupant in json.loads(done.stdout)["occupants"]],
    }


def _read_and_label_s(path: Path) -> float:
    start = time.process_time()
    label_occupants(read_crash_test(path))
    return time.process_time() - start


def measured_apart(path: Path, repeats: int) -> dict[str, object]:
    """`measure` in a child, because the peak memory of children is the largest of all so far."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        result = measure(path, repeats)
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text)


def forms(folder: Path) -> Mapping[str, tuple[Path, int]]:
    """Name → path and unpacked bytes."""
    found = curves()
    ev5, iso = ev5_files(found), iso_files(found)
    paths = {}
    for name, files in (("ev5", ev5), ("iso_mme", iso)):
        size = sum(map(len, files.values()))
        paths[f"{name} folder"] = write_folder(folder / name, files), size
        archive = folder / f"{name}.zip"
        archive.write_bytes(zipped(files))
        paths[f"{name} zip"] = archive, size
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        results = {
            form: {"unpacked_mb": size / 1e6} | measured_apart(path, arguments.repeats)
            for form, (path, size) in forms(Path(name)).items()
        }
    document = {
        "channels": CHANNELS,
        "goal": {"seconds": GOAL_S, "peak_mb": GOAL_MB},
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": results,
    }
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))
    met = all(r["wall_s"] <= GOAL_S and r["peak_mb"] <= GOAL_MB for r in results.values())
    print("goal met" if met else "goal not met")


if __name__ == "__main__":
    main()
