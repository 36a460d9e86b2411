"""What every benchmark writes beside its figures."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

from benchmarks.protocol import BenchmarkError


def describe_machine() -> dict[str, Any]:
    """Processor, threads, versions, and the load when the benchmark ended: a busy machine is no yardstick."""
    return {
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_1_minute": os.getloadavg()[0],
        "versions": {
            "python": platform.python_version(),
            **{module.__name__: str(module.__version__) for module in (torch, np, scipy)},
        },
    }


def write_results(path: Path | None, results: dict[str, Any]) -> None:
    """Results as JSON, if a path is given."""
    if path is not None:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def stored_records(path: Path | None, *, resume: bool) -> list[dict[str, Any]]:
    """Records of an earlier run that goes on, none without `resume`.

    Raises:
        BenchmarkError: there is no such run.
    """
    if not resume:
        return []
    if path is None or not path.is_file():
        raise BenchmarkError("--resume needs the results of an earlier run as --output")
    records: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["records"]
    return records
