"""Plots are files that show what was asked for; they come with the extra `benchmarks`."""

import pytest

pytest.importorskip("matplotlib", reason="matplotlib comes with the extra `benchmarks`")

from benchmarks import noise_detection, point_removal, runtime

PNG = b"\x89PNG\r\n\x1a\n"
QUICK = ["--methods", "knn_distance", "--repetitions", "1"]


@pytest.mark.parametrize(
    ("benchmark", "arguments"),
    [
        (noise_detection, ["--datasets", "friedman1", "two_planes_class", "--rates", "0.1"]),
        (point_removal, ["--datasets", "friedman1"]),
        (runtime, ["--sizes", "100", "200"]),
    ],
    ids=["noise_detection", "point_removal", "runtime"],
)
def test_each_benchmark_draws_its_curves(benchmark, arguments, tmp_path):
    path = tmp_path / "curves.png"
    assert benchmark.main([*QUICK, *arguments, "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(PNG)
