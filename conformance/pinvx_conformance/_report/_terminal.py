"""The report for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pinvx_conformance._check import PROMISES
from pinvx_conformance._report._grid import Grid

STYLES = {"pass": "green", "fail": "bold red", "n/a": "dim"}


def show(grid: Grid, console: Console, *, details: int = 1) -> None:
    """Print the grid, and for each broken promise of each target the first failures in full."""
    table = Table(title="promises × targets", caption="✓ worst error in units of its bound, "
                  "✗ failed cases of all, – not claimed")  # fmt: skip
    table.add_column("promise")
    for verdict in grid.verdicts:
        table.add_column(verdict.target, justify="right")
    for promise in grid.promises:
        row = [f"{promise} {PROMISES[promise]}"]
        for verdict in grid.verdicts:
            cell = grid.cells[promise, verdict.target]
            row.append(f"[{STYLES[cell.status]}]{cell.text}[/]")
        table.add_row(*row)
    console.print(table)
    for cell in grid.cells.values():
        for check in sorted({o.check for o in cell.failures}):
            failures = [o for o in cell.failures if o.check == check]
            for outcome in failures[:details]:
                console.print(outcome.message, highlight=False, markup=False)
            if len(failures) > details:
                console.print(f"  … and {len(failures) - details} more of {check}\n", style="dim")
