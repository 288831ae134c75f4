"""The tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from . import summary, table
from .report import Report


def text(report: Report) -> str:
    """Return the whole report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# pinvx against the libraries' own functions"
    yield ""
    yield from (f"- {line}" for line in table.conditions(report))
    if table.wanted(report).rows:
        yield from section(table.wanted(report))
    yield from section(table.means(report))
    failed = summary.failures(report)
    if failed:
        yield from ("", "## Failed", "", *(f"- {line}" for line in failed))
    for dtype in dict.fromkeys(cell.dtype for cell in report.cells):
        yield from section(table.ratios(report, dtype))
    yield from ("", "## Cells", "", table.DETAILS_LEGEND)
    for column in report.columns():
        yield from section(table.details(report, column), level=3)


def section(what: table.Table, level: int = 2) -> Iterator[str]:
    """Yield the lines of a table below its title."""
    yield from ("", f"{'#' * level} {what.title}", "")
    if what.legend:
        yield from (what.legend, "")
    yield _row([heading.replace("\n", " ") for heading in what.headings])
    aligned = [":--" if i < what.words else "--:" for i in range(len(what.headings))]
    yield _row(aligned)
    yield from map(_row, what.rows)


def _row(cells: object) -> str:
    return f"| {' | '.join(str(c).replace('|', '¦') for c in cells)} |"  # type: ignore[attr-defined]
