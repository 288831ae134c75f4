"""A heat map of the ratios as SVG: shapes down, functions across, a panel for each kind of matrix.

It is written by hand, since a drawing library's file is ten times as large.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from . import summary, table
from .cell import Cell
from .grid import KINDS, Shape
from .report import Column, Report

LIMIT = 30.0
"""The ratio at which the colour is full."""
LEFT, TOP, WIDTH, HEIGHT, GAP = 96, 44, 58, 18, 30
BLUE, RED = (33, 102, 172), (178, 24, 43)


def draw(report: Report, path: Path, dtype: str | None = None) -> None:
    """Write the chart of one dtype, by default the first that was measured.

    Blue is faster than the library's own function, red is slower, white is the same.
    """
    lines = _lines(report, dtype or report.cells[0].dtype)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(report: Report, dtype: str) -> Iterator[str]:
    cells = [cell for cell in report.cells if cell.dtype == dtype]
    columns = list(dict.fromkeys(map(Column.of, cells)))
    shapes = list(dict.fromkeys(cell.shape for cell in cells))
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    found = {(cell.kind, cell.shape, Column.of(cell)): cell for cell in cells}
    panel = GAP + HEIGHT * len(shapes)
    heads = TOP + 36
    bottom = heads + panel * len(kinds)
    right = LEFT + WIDTH * len(columns)
    width = max(right + 8, 460)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 46}" role="img" '
        'aria-labelledby="title description" font-family="sans-serif" font-size="11">'
    )
    machine = report.machine
    title = f"How many times as fast pinvx is: {dtype}"
    where = f"{machine['cpu']}, {machine['cpus']} processors, {machine['date'][:10]}"
    yield f'<title id="title">{escape(title)}</title>'
    yield f'<desc id="description">{escape(_description(columns, cells, where))}</desc>'
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield f'<text x="8" y="18" font-size="13" font-weight="bold">{escape(title)}</text>'
    yield f'<text x="8" y="34">{escape(where)}</text>'

    areas: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    for j, column in enumerate(columns):
        for i, line in enumerate(filter(None, column.headings(report.devices()))):
            texts["#000"].append(_text(_middle(j), TOP + 12 * (i + 1), line))
    for k, kind in enumerate(kinds):
        top = heads + panel * k + GAP
        yield f'<text x="8" y="{top - 6}" font-weight="bold">{KINDS[kind]}</text>'
        for i, shape in enumerate(shapes):
            y = top + HEIGHT * i
            yield _text(8, y + 13, Shape.parse(shape).label)
            for j, column in enumerate(columns):
                cell = found.get((kind, shape, column))
                colour, strong = _colour(None if cell is None else cell.ratio)
                areas[colour].append(f"M{LEFT + WIDTH * j},{y}h{WIDTH}v{HEIGHT}h-{WIDTH}z")
                words = _text(_middle(j), y + 13, table.mark(cell))
                texts["#fff" if strong else "#000"].append(words)
        for j in range(1, len(columns)):  # a line between two libraries
            if columns[j].library != columns[j - 1].library:
                areas["#000"].append(f"M{LEFT + WIDTH * j},{top}h1v{HEIGHT * len(shapes)}h-1z")
    for i, ratio in enumerate((1 / 30, 1 / 10, 1 / 3, 1.0, 3.0, 10.0, 30.0)):
        colour, strong = _colour(ratio)
        y = bottom + 16
        areas[colour].append(f"M{LEFT + WIDTH * i},{y}h{WIDTH}v{HEIGHT}h-{WIDTH}z")
        label = f"{ratio:g}" if ratio >= 1 else f"1/{1 / ratio:.0f}"
        texts["#fff" if strong else "#000"].append(_text(_middle(i), y + 13, label))
    for colour, paths in areas.items():
        yield f'<path fill="{colour}" d="{"".join(paths)}"/>'
    for colour, words_of in texts.items():
        yield f'<g fill="{colour}" text-anchor="middle">{"".join(words_of)}</g>'
    yield "</svg>"


def _description(columns: Sequence[Column], cells: Sequence[Cell], where: str) -> str:
    """Return what the picture shows, for those who do not see it."""
    means = []
    for column in columns:
        for name, kinds in summary.SETS.items():
            some = [c for c in cells if Column.of(c) == column and c.kind in kinds]
            mean = summary.geometric_mean(some)
            if mean is not None:
                gradient = " and gradient" if column.mode == "backward" else ""
                means.append(f"{column.own}{gradient}, {name}: {table.number(mean)}")
    return (
        "The time of the library's own function over that of pinvx, for each shape, function and "
        f"kind of matrix, measured on {where}. Geometric means: {'; '.join(means)}."
    )


def _colour(ratio: float | None) -> tuple[str, bool]:
    """Return the colour of a ratio, and whether text on it has to be white."""
    if ratio is None:
        return "#e8e8e8", False
    share = max(-1.0, min(1.0, math.log(ratio) / math.log(LIMIT)))
    share = round(12 * share) / 12  # few colours, so that each is one path
    full = BLUE if share > 0 else RED
    parts = (round(255 + (c - 255) * abs(share)) for c in full)
    return "#" + "".join(f"{part:02x}" for part in parts), abs(share) > 0.6


def _middle(column: int) -> int:
    return LEFT + WIDTH * column + WIDTH // 2


def _text(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(words)}</text>' if words else ""
