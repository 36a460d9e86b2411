"""What the plots of the benchmarks share. Matplotlib comes with the extra `benchmarks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocol import BenchmarkError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = ("-", "--", ":")


def new_figure(rows: int, columns: int) -> tuple[Figure, NDArray[np.object_]]:
    """A figure and its (rows, columns) axes, drawn without a display.

    Raises:
        BenchmarkError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as NewFigure
    except ModuleNotFoundError as error:
        raise BenchmarkError(
            "plots need matplotlib; install the extra: pip install '.[benchmarks]'"
        ) from error
    figure = NewFigure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def draw_line(axes: Axes, x: Sequence[float], y: Sequence[float], position: int, label: str) -> None:
    """A line whose colour and dashes say its position among all methods."""
    style = _STYLES[position // 10 % len(_STYLES)]
    axes.plot(x, y, style, color=f"C{position % 10}", label=label, linewidth=2.4 if position < 1 else 1.2)


def save(figure: Figure, axes: NDArray[np.object_], path: Path) -> None:
    """One legend for all axes, and the file (its ending says the format)."""
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small", frameon=False)
    figure.savefig(path, dpi=130)
