"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pinvx_conformance._check import PROMISES
from pinvx_conformance._report._grid import Grid
from pinvx_conformance._run import Verdict

STYLES = {"pass": "green", "fail": "bold red", "n/a": "dim"}


CAPTION = "✓ worst error in units of its bound, ✗ failed cases of all, – not claimed"


def show(grid: Grid, console: Console, *, details: int = 1) -> None:
    """Print the grid, and for each broken promise of each target the first failures in full."""
    # As many targets side by side as the terminal has room for.
    each = max(1, (console.width - 28) // 17)
    for i in range(0, len(grid.verdicts), each):
        console.print(_table(grid, grid.verdicts[i : i + each]))
    console.print(CAPTION, style="dim")
    for cell in grid.cells.values():
        for check in sorted({o.check for o in cell.failures}):
            failures = [o for o in cell.failures if o.check == check]
            for outcome in failures[:details]:
                console.print(outcome.message, highlight=False, markup=False, soft_wrap=True)
            if len(failures) > details:
                console.print(f"  … and {len(failures) - details} more of {check}\n", style="dim")


def _table(grid: Grid, verdicts: Sequence[Verdict]) -> Table:
    table = Table()
    table.add_column("promise", no_wrap=True)
    for verdict in verdicts:
        table.add_column(verdict.target, justify="right", no_wrap=True)
    for promise in grid.promises:
        row = [f"{promise} {PROMISES[promise]}"]
        for verdict in verdicts:
            cell = grid.cells[promise, verdict.target]
            row.append(f"[{STYLES[cell.status]}]{cell.text}[/]")
        table.add_row(*row)
    return table
