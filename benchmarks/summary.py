"""Geometric means over the grid, and the targets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .cell import Cell
from .grid import Shape
from .report import Column, Report

SETS = {"full rank": ("well", "kappa1e6"), "rank-deficient": ("deficient",)}
"""The kinds that are averaged together."""


@dataclass(frozen=True)
class Target:
    """A target for a statistic over cells in double precision on the CPU."""

    label: str
    libraries: tuple[str, ...]
    functions: tuple[str, ...] = ("pinv",)
    mode: str = "forward"
    kinds: tuple[str, ...] = SETS["full rank"]
    statistic: str = "geometric mean"
    wanted: float = 1.0
    aim: float = 1.0
    shape: str | None = None

    def cells(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells that count."""
        return [
            cell
            for cell in cells
            if cell.device == "cpu"
            and cell.dtype == "float64"
            and cell.library in self.libraries
            and cell.function in self.functions
            and cell.mode == self.mode
            and cell.kind in self.kinds
            and self.shape in (None, cell.shape)
        ]

    def figure(self, cells: Iterable[Cell]) -> float | None:
        """Return the statistic, None without a cell."""
        return STATISTICS[self.statistic](self.cells(cells))

    def reached(self, figure: float) -> bool:
        """Tell whether a figure is good enough."""
        return figure <= self.wanted if self.statistic == ERRORS else figure >= self.wanted


def best_own(cells: Iterable[Cell]) -> list[Cell]:
    """Keep the fastest of several drivers of one library on one problem."""
    best: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        if cell.ratio is None:
            continue
        key = (cell.library, cell.device, cell.function, cell.mode, *cell.problem)
        if key not in best or cell.ratio < (best[key].ratio or 0.0):
            best[key] = cell
    return list(best.values())


def geometric_mean(cells: Sequence[Cell]) -> float | None:
    """Return the geometric mean of the ratios of the best drivers, None without any."""
    ratios = [cell.ratio for cell in best_own(cells) if cell.ratio is not None]
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None


def lowest(cells: Sequence[Cell]) -> Cell | None:
    """Return the cell with the lowest ratio, None without any."""
    return min(best_own(cells), key=lambda cell: cell.ratio or 0.0, default=None)


def median_error_ratio(cells: Sequence[Cell]) -> float | None:
    """Return the median of pinvx's error over the library's own, None without any."""
    ratios = [cell.error_ratio for cell in cells if cell.error_ratio is not None]
    return statistics.median(ratios) if ratios else None


def _lowest_ratio(cells: Sequence[Cell]) -> float | None:
    cell = lowest(cells)
    return None if cell is None else cell.ratio


ERRORS = "median error ratio"
STATISTICS = {
    "geometric mean": geometric_mean,
    "lowest cell": _lowest_ratio,
    ERRORS: median_error_ratio,
}

_ALL = ("numpy", "scipy", "torch", "jax")
_BOTH = ("pinv", "lstsq")

TARGETS = (
    Target("pinv, NumPy", ("numpy",), wanted=4, aim=8),
    Target("pinv, PyTorch", ("torch",), wanted=4, aim=8),
    Target("pinv, JAX", ("jax",), wanted=3, aim=8),
    Target("lstsq, NumPy", ("numpy",), ("lstsq",), wanted=4, aim=8),
    Target("lstsq, SciPy's best driver", ("scipy",), ("lstsq",), wanted=3, aim=8),
    Target("lstsq, PyTorch", ("torch",), ("lstsq",), wanted=1.5, aim=8),
    Target("lstsq, JAX", ("jax",), ("lstsq",), wanted=4, aim=8),
    Target("any cell of those", _ALL, _BOTH, statistic="lowest cell", wanted=0.9, aim=1),
    Target("rank-deficient", _ALL, _BOTH, kinds=("deficient",), wanted=1, aim=3),
    Target("pinv + gradient, PyTorch", ("torch",), mode="backward", wanted=4, aim=10),
    Target(
        "pinv + gradient, PyTorch, 20000×50",
        ("torch",),
        mode="backward",
        wanted=50,
        aim=200,
        shape="20000x50",
    ),
    Target("lstsq + gradients, PyTorch", ("torch",), ("lstsq",), "backward", wanted=4, aim=20),
    Target(
        "pinv, error over that of the SVD formula",
        ("numpy", "torch", "jax"),
        statistic=ERRORS,
        wanted=1,
        aim=0.5,
    ),
)
"""What pinvx is to reach on 2 CPU cores: `wanted` at least (an error ratio at most)."""


@dataclass(frozen=True)
class Line:
    """A row of the summary: one function, the cells of one dtype and one set of kinds."""

    column: Column
    dtype: str
    kinds: str
    cells: int
    """Those with a ratio."""
    failed: int
    """Those without one."""
    mean: float | None
    lowest: Cell | None
    error_ratio: float | None


def lines(report: Report) -> list[Line]:
    """Return the summary of each function, dtype and set of kinds."""
    found = []
    for column in report.columns():
        for dtype in dict.fromkeys(cell.dtype for cell in report.cells):
            for name, kinds in SETS.items():
                cells = [
                    cell
                    for cell in report.cells
                    if Column.of(cell) == column and cell.dtype == dtype and cell.kind in kinds
                ]
                if not cells:
                    continue
                failed = sum(cell.ratio is None for cell in cells)
                found.append(
                    Line(
                        column,
                        dtype,
                        name,
                        len(cells) - failed,
                        failed,
                        geometric_mean(cells),
                        lowest(cells),
                        median_error_ratio(cells),
                    )
                )
    return found


def where(cell: Cell) -> str:
    """Return the problem of a cell in a few words."""
    return f"{Shape.parse(cell.shape).label} {cell.kind}"


def failures(report: Report) -> list[str]:
    """Return a sentence for each function and reason why cells have no ratio."""
    places: dict[tuple[str, str], list[str]] = {}
    for cell in report.cells:
        at = f"{where(cell)} {cell.dtype}" + (f" {cell.device}" if cell.device != "cpu" else "")
        gradient = " + gradient" if cell.mode == "backward" else ""
        if cell.own_failed:
            places.setdefault((cell.own + gradient, cell.own_failed), []).append(at)
        if cell.pinvx_failed:
            name = f"pinvx.{cell.function}{gradient} ({cell.library})"
            places.setdefault((name, cell.pinvx_failed), []).append(at)
    return [f"{name}: {why}: {', '.join(at)}" for (name, why), at in places.items()]
