"""A heat map of the ratios: shapes down, functions across, a panel for each kind of matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .grid import KINDS, Shape
from .report import Column, Report
from .table import mark

LIMIT = 30.0
"""The ratio at which the colour is full."""


def draw(report: Report, path: Path, dtype: str | None = None) -> None:
    """Write the chart of one dtype, by default the first that was measured.

    Blue is faster than the library's own function, red is slower, white is the same.
    """
    dtype = dtype or report.cells[0].dtype
    cells = [cell for cell in report.cells if cell.dtype == dtype]
    columns = list(dict.fromkeys(map(Column.of, cells)))
    shapes = list(dict.fromkeys(cell.shape for cell in cells))
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    found = {(cell.kind, cell.shape, Column.of(cell)): cell for cell in cells}

    width, height = 1.7 + 0.62 * len(columns), 1.6 + len(kinds) * (0.45 + 0.24 * len(shapes))
    figure = Figure(figsize=(max(width, 5.0), height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
    colours = matplotlib.colormaps["RdBu"].with_extremes(bad="#e8e8e8")
    norm = LogNorm(1 / LIMIT, LIMIT)
    image = None
    for panel, kind in zip(panels, kinds, strict=True):
        rows = [[found.get((kind, shape, column)) for column in columns] for shape in shapes]
        values = [[float("nan") if c is None else c.ratio or float("nan") for c in r] for r in rows]
        image = panel.imshow(values, cmap=colours, norm=norm, aspect="auto")
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                ratio = 1.0 if cell is None else cell.ratio or 1.0
                strong = not 1 / 8 < ratio < 8
                panel.text(
                    j,
                    i,
                    mark(cell),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if strong else "black",
                )
        panel.set_title(KINDS[kind], fontsize=9, loc="left")
        panel.set_yticks(range(len(shapes)), [Shape.parse(s).label for s in shapes], fontsize=7.5)
        panel.tick_params(length=0)
        # Lines between the libraries.
        for j in range(1, len(columns)):
            if columns[j].library != columns[j - 1].library:
                panel.axvline(j - 0.5, color="black", linewidth=1)
    labels = ["\n".join(filter(None, c.headings(report.devices()))) for c in columns]
    panels[0].xaxis.set_ticks_position("top")
    panels[0].set_xticks(range(len(columns)), labels, fontsize=7.5)
    for panel in panels:
        panel.tick_params(labeltop=panel is panels[0], labelbottom=False, length=0)
    if image is not None:
        bar = figure.colorbar(image, ax=panels, location="bottom", fraction=0.02, pad=0.01)
        bar.set_ticks([1 / 30, 1 / 10, 1 / 3, 1, 3, 10, 30])
        bar.set_ticklabels(["1/30", "1/10", "1/3", "1", "3", "10", "30"], fontsize=7.5)
        bar.ax.minorticks_off()
    machine = report.machine
    figure.suptitle(
        f"How many times as fast pinvx is: {dtype}\n{machine['cpu']}, "
        f"{machine['cpus']} processors, {machine['date'][:10]}",
        fontsize=9,
    )
    figure.savefig(path)
