"""The report as a Markdown table, for documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pinvx_conformance._check import PROMISES
from pinvx_conformance._report._grid import Grid


def write_markdown(path: Path, grid: Grid) -> None:
    """Write the grid, the versions, and one failure of each broken check with its recipe."""
    path.write_text("\n".join(_lines(grid)) + "\n")


def _lines(grid: Grid) -> Iterator[str]:
    names = [v.target for v in grid.verdicts]
    yield f"| promise | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for p in grid.promises:
        cells = (grid.cells[p, name].text for name in names)
        yield f"| {p} {PROMISES[p]} | {' | '.join(cells)} |"
    yield ""
    versions = (f"{v.target} {v.version}" for v in grid.verdicts)
    yield f"Versions: {', '.join(versions)}."
    for verdict in grid.verdicts:
        yield from _failures(grid, verdict.target)


def _failures(grid: Grid, target: str) -> Iterator[str]:
    broken = [(p, grid.cells[p, target]) for p in grid.promises]
    if not any(cell.failures for _, cell in broken):
        return
    yield f"\n## {target}\n"
    yield "| broken | what happened first | the input |"
    yield "|---|---|---|"
    for promise, cell in broken:
        for check in sorted({o.check for o in cell.failures}):
            failures = [o for o in cell.failures if o.check == check]
            first = failures[0]
            what = next(v for v in first.message.splitlines() if v.startswith("  check"))
            what = what.removeprefix(f"  check     {check}: ").partition(" (/")[0]
            if first.value > 0:
                what += f": {first.value:.2g}, {first.units:.2g} times the bound"
            code = "<br>".join(f"`{line}`" for line in first.recipe.splitlines())
            cells = (f"{promise} {check} ({len(failures)}×)", what, code)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
