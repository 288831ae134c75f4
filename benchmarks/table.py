"""The contents of the tables. `terminal.py` and `markdown.py` say how they look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import summary
from .cell import Cell
from .grid import KINDS, Shape
from .report import Column, Report


class Table(NamedTuple):
    """A title, headings, rows of text, and how many columns from the left are words."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int
    legend: str = ""


def wanted(report: Report) -> Table:
    """Return the figures that are wanted beside those that were measured."""
    rows = []
    for target in summary.TARGETS:
        figure = target.figure(report.cells)
        if figure is None:
            continue
        counted = target.cells(report.cells)
        if target.statistic != summary.ERRORS:
            counted = summary.best_own(counted)
        rows.append(
            (
                target.label,
                target.statistic,
                str(len(counted)),
                number(figure),
                f"{'≤' if target.statistic == summary.ERRORS else '≥'} {target.wanted:g}",
                f"{target.aim:g}",
                "yes" if target.reached(figure) else "no",
            )
        )
    return Table(
        "Figures wanted, float64 on the CPU",
        ("", "statistic", "cells", "measured", "wanted", "aim", "reached"),
        rows,
        2,
        "Ratios are the library's own time over pinvx's; of full rank unless it says otherwise.",
    )


def means(report: Report) -> Table:
    """Return the geometric means of each function."""
    devices = report.devices()
    rows = []
    for line in summary.lines(report):
        lowest = line.lowest
        rows.append(
            (
                name(line.column, devices),
                line.dtype,
                line.kinds,
                str(line.cells),
                str(line.failed or ""),
                number(line.mean),
                "–" if lowest is None else number(lowest.ratio),
                "" if lowest is None else summary.where(lowest),
                number(line.error_ratio),
            )
        )
    headings = ("", "dtype", "matrices", "cells", "failed", "mean", "lowest", "at", "error")
    return Table(
        "Summary",
        headings,
        rows,
        3,
        "mean: geometric mean of the ratios. error: median of pinvx's error over the library's.",
    )


def ratios(report: Report, dtype: str) -> Table:
    """Return the ratios for one dtype: a row for each problem, a column for each function."""
    devices = report.devices()
    columns = report.columns()
    found = {(Column.of(c), c.problem): c for c in report.cells}
    problems = dict.fromkeys(c.problem for c in report.cells if c.dtype == dtype)
    rows = []
    for problem in problems:
        cells = [found.get((column, problem)) for column in columns]
        _, kind, shape = problem
        label = Shape.parse(shape).label
        rows.append((label, KINDS[kind], *map(mark, cells)))
    headings = ["\n".join(filter(None, column.headings(devices))) for column in columns]
    return Table(
        f"How many times as fast pinvx is: {dtype}",
        ("", "", *headings),
        rows,
        2,
        "!: pinvx's error is more than 4 times the library's own. "
        "–: the library's own function fails; ×: pinvx does.",
    )


def details(report: Report, column: Column) -> Table:
    """Return all times and errors of the cells of a function."""
    rows = [
        (
            Shape.parse(cell.shape).label,
            cell.dtype,
            KINDS[cell.kind],
            seconds(cell.own_seconds),
            seconds(cell.pinvx_seconds),
            number(cell.ratio),
            seconds(cell.product_seconds),
            error(cell.own_error),
            error(cell.pinvx_error),
            f"{cell.rounds}·{cell.own_calls},{cell.pinvx_calls}",
            "; ".join(
                filter(
                    None,
                    (
                        cell.remark,
                        cell.own_failed,
                        cell.pinvx_failed and f"pinvx: {cell.pinvx_failed}",
                    ),
                )
            ),
        )
        for cell in report.cells
        if Column.of(cell) == column
    ]
    headings = (
        "",
        "dtype",
        "matrices",
        "own",
        "pinvx",
        "ratio",
        "products",
        "own error",
        "pinvx error",
        "rounds",
        "remark",
    )
    return Table(name(column, report.devices()), headings, rows, 3)


DETAILS_LEGEND = (
    "Medians in turns. ratio: own over pinvx. products: the matrix products that no algorithm can "
    "do without, of AᴴA and of that with Aᴴ (lstsq: Aᴴb). error: ‖X − A⁺‖/‖A⁺‖ in the Frobenius "
    "norm, the largest of a batch; the like for x, and for the gradients where they are computed. "
    "rounds: their number, and the calls in one of own and of pinvx."
)


def conditions(report: Report) -> list[str]:
    """Return where and how the figures were measured, one thing a line."""
    m = report.machine
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    devices = ", ".join(f"{k}: {v}" for k, v in m["devices"].items())
    threads = ", ".join(f"{k} {v}" for k, v in m["threads"].items()) or "not limited"
    lines = [
        f"{m['date']}, {report.seconds:.0f} s, budget {report.options['budget']:g} s a cell",
        f"{m['cpu']}, {m['cpus']} processors, {m['system']}",
        f"threads: {threads}; BLAS of NumPy: {m['blas']}",
        f"load: {m['load_at_start']} at the start, {m['load_at_end']} at the end",
        versions,
    ]
    if devices:
        lines.insert(2, devices)
    if report.absent:
        lines.append(f"not here: {', '.join(report.absent)}")
    if report.interrupted:
        lines.append("interrupted: not all was measured")
    return lines


def name(column: Column, devices: Sequence[str]) -> str:
    """Return the name of a function and of what is measured of it."""
    device = f" on {column.device}" if len(devices) > 1 else ""
    return f"{column.own}{' + gradient' if column.mode == 'backward' else ''}{device}"


def mark(cell: Cell | None) -> str:
    """Return a ratio, or a sign for what is missing."""
    if cell is None:
        return ""
    if cell.pinvx_failed:
        return "×"
    if cell.ratio is None:
        return "–"
    worse = cell.error_ratio is not None and cell.error_ratio > 4
    ratio = f"{number(cell.ratio)}{'!' if worse else ''}"
    return f"({ratio})" if cell.own_wrong else ratio


def number(x: float | None) -> str:
    """Return a ratio with two digits that count, – without one."""
    if x is None:
        return "–"
    return f"{x:.2f}" if x < 9.95 else f"{x:.0f}" if x >= 99.5 else f"{x:.1f}"


def error(x: float | None) -> str:
    """Return a relative error, – without one."""
    return "–" if x is None else f"{x:.0e}"


def seconds(x: float | None) -> str:
    """Return a time in a unit that suits it, – without one."""
    if x is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if x >= size:
            return f"{x / size:.3g} {unit}"
    return f"{x / 1e-6:.3g} µs"
