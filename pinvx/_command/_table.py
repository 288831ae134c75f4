"""A table and its text on a terminal: with rich where it is installed, plainly otherwise."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO


class Cell(NamedTuple):
    """The text of a cell, and its style."""

    text: str
    style: str = ""
    """A style of rich's, such as "red". The text says the same without it."""


class Table(NamedTuple):
    """A table with its title, legend and text."""

    title: str
    header: Sequence[str]
    """One heading a column, its lines divided by newlines."""
    rows: Sequence[Sequence[Cell]]
    text_columns: int
    """How many columns, from the left, hold text; the others hold numbers."""
    legend: Sequence[str]
    """Lines that are printed as they are."""
    paragraphs: Sequence[str]
    """Running text."""


def show(table: Table, stream: TextIO) -> None:
    """Print the table with its title, legend and text."""
    try:
        _with_rich(table, stream)
    except ImportError:
        _plainly(table, stream)


def _with_rich(table: Table, stream: TextIO) -> None:
    import rich.box
    import rich.console
    import rich.measure
    import rich.table
    import rich.text

    def grid(gap: int) -> rich.table.Table:
        drawn = rich.table.Table(
            box=rich.box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0)
        )
        for i, heading in enumerate(table.header):
            # The first column may take two lines where the terminal is narrow, the others not.
            justify: Any = "left" if i < table.text_columns else "right"
            drawn.add_column(heading, justify=justify, no_wrap=i > 0)
        for row in table.rows:
            drawn.add_row(*(rich.text.Text(cell.text, style=cell.style) for cell in row))
        return drawn

    width = _width(stream)
    console = rich.console.Console(
        file=stream, width=width, highlight=False, markup=False, emoji=False
    )
    unbounded = console.options.update(width=10_000)
    wide, narrow = (rich.measure.Measurement.get(console, unbounded, grid(g)) for g in (2, 1))
    console.print(table.title, "", style="bold", sep="\n")
    # Rather a line that the terminal breaks than a number that rich cuts short.
    console.width = max(width, narrow.minimum)
    console.print(grid(2 if wide.maximum <= width else 1))
    console.width = _text_width(width)
    for text in ("\n".join(table.legend), *table.paragraphs):
        console.print("", text, sep="\n")


def _plainly(table: Table, stream: TextIO) -> None:
    heads = [heading.split("\n") for heading in table.header]
    depth = max(len(lines) for lines in heads)
    top: list[Sequence[str]] = list(
        zip(*([""] * (depth - len(lines)) + lines for lines in heads), strict=True)
    )
    body: list[Sequence[str]] = [[cell.text for cell in row] for row in table.rows]
    width = _width(stream)
    gap = "  " if _needed([*top, *body], 2) <= width else " "
    if _needed([*top, *body], len(gap)) > width:
        body = [line for row in body for line in _in_two_lines(row)]
    widths = [max(len(row[i]) for row in (*top, *body)) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        return gap.join(
            cell.ljust(n) if i < table.text_columns else cell.rjust(n)
            for i, (cell, n) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    rule = gap.join("-" * n for n in widths)
    print(table.title, "", *map(line, top), rule, *map(line, body), sep="\n", file=stream)
    texts = (textwrap.fill(text, _text_width(width)) for text in table.paragraphs)
    for text in ("\n".join(table.legend), *texts):
        print("", text, sep="\n", file=stream)


def _needed(lines: Sequence[Sequence[str]], gap: int) -> int:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return sum(widths) + gap * (len(widths) - 1)


def _in_two_lines(row: Sequence[str]) -> list[Sequence[str]]:
    """Break the first cell at its space."""
    first, _, second = row[0].partition(" ")
    return [[first, *row[1:]], [second, *("" for _ in row[1:])]]


def _width(stream: TextIO) -> int:
    """Return the columns there are: in a file or a pipe, as many as the table wants."""
    if stream.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return 120


def _text_width(columns: int) -> int:
    """Return a width at which running text is read well."""
    return max(40, min(columns, 100))
