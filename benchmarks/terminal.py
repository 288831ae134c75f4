"""The tables on a terminal."""

from __future__ import annotations

import rich.box
import rich.table
from rich.console import Console
from rich.text import Text

from . import summary, table
from .report import Report


def show(report: Report, console: Console, *, detail: bool) -> None:
    """Print the tables, the failures, and where it was measured."""
    for dtype in dict.fromkeys(cell.dtype for cell in report.cells):
        _print(table.ratios(report, dtype), console)
    if detail:
        for column in report.columns():
            _print(table.details(report, column), console)
        console.print(table.DETAILS_LEGEND, "")
    _print(table.means(report), console)
    if table.wanted(report).rows:
        _print(table.wanted(report), console)
    for line in summary.failures(report):
        console.print(line)
    console.print("", *table.conditions(report), sep="\n")


def _print(what: table.Table, console: Console) -> None:
    drawn = rich.table.Table(
        box=rich.box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for i, heading in enumerate(what.headings):
        drawn.add_column(heading, justify="left" if i < what.words else "right", no_wrap=True)
    for row in what.rows:
        drawn.add_row(*(Text(text, style=_style(text)) for text in row))
    console.print(what.title, "", style="bold", sep="\n")
    # Rather a line that the terminal breaks than a number that is cut short.
    width = console.width
    needed = rich.measure.Measurement.get(console, console.options.update(width=10_000), drawn)
    console.width = max(width, needed.maximum)
    console.print(drawn)
    console.width = width
    console.print(what.legend, "", sep="\n")


def _style(text: str) -> str:
    """Return a colour for what the text says anyway."""
    if text == "no" or text == "×" or text.endswith("!"):
        return "red"
    try:
        return "yellow" if float(text) < 1 and "." in text else ""
    except ValueError:
        return ""
