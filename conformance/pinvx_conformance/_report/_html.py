"""The report for a browser: one self-contained page, no script or font from elsewhere."""

from __future__ import annotations

import html
import json
import platform
from importlib import resources
from pathlib import Path
from typing import Any

from pinvx_conformance._check import PROMISES, Outcome
from pinvx_conformance._report import _plot
from pinvx_conformance._report._grid import Cell, Grid
from pinvx_conformance._run import Plan

# The page stays small: it shows this many failures of a check, and counts the others.
SHOWN = 5


def write_html(path: Path, grid: Grid, plan: Plan) -> None:
    """Fill the template with the grid, the plots and what a click shows."""
    template = resources.files("pinvx_conformance").joinpath("_report/page.html").read_text("utf-8")
    parts = {
        "summary": _summary(grid, plan),
        "head": "".join(_head(v.target, v.version) for v in grid.verdicts),
        "rows": "".join(_row(grid, promise) for promise in grid.promises),
        "plots": "".join(_plots(grid)),
        "data": json.dumps(_data(grid), ensure_ascii=False).replace("</", "<\\/"),
    }
    for name, text in parts.items():
        template = template.replace(f"<!--{name}-->", text)
    path.write_text(template, "utf-8")


def _summary(grid: Grid, plan: Plan) -> str:
    cases = sum(len(v.outcomes) for v in grid.verdicts)
    broken = sum(1 for cell in grid.cells.values() if cell.failures)
    words = (
        f"{len(grid.verdicts)} targets, {cases} judgements, {plan.level} gallery; "
        f"{broken} of {len(grid.cells)} cells broken. "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}."
    )
    return html.escape(words)


def _head(name: str, version: str) -> str:
    return f'<th scope="col">{html.escape(name)}<small>{html.escape(version)}</small></th>'


def _row(grid: Grid, promise: str) -> str:
    cells = []
    for verdict in grid.verdicts:
        cell = grid.cells[promise, verdict.target]
        key = html.escape(f"{promise}|{verdict.target}")
        style = {"pass": "pass", "fail": "fail", "n/a": "na"}[cell.status]
        sign, _, figure = cell.text.partition(" ")
        partial = '<sup title="partly not claimed">*</sup>' if cell.reasons else ""
        mark = "" if cell.status == "n/a" else partial
        says = {"pass": "kept", "fail": "broken", "n/a": "not claimed"}[cell.status]
        label = html.escape(f"{promise}, {verdict.target}: {says} {figure}".strip())
        cells.append(
            f'<td><button class="{style}" data-key="{key}" aria-label="{label}"><b>{sign}</b>'
            f"<span>{html.escape(figure)}</span>{mark}</button></td>"
        )
    name = html.escape(PROMISES[promise])
    return f'<tr><th scope="row"><b>{promise}</b> {name}</th>{"".join(cells)}</tr>'


def _plots(grid: Grid) -> list[str]:
    figures = []
    for verdict in grid.verdicts:
        shown = _plot.points(verdict.outcomes)
        if shown:
            svg = _plot.error_against_kappa(shown, f"Error against κ, {verdict.target}")
            caption = html.escape(verdict.target)
            figures.append(f"<figure><figcaption>{caption}</figcaption>{svg}</figure>")
    return figures


def _data(grid: Grid) -> dict[str, Any]:
    return {f"{p}|{name}": _details(cell) for (p, name), cell in grid.cells.items()}


def _details(cell: Cell) -> dict[str, Any]:
    """Return what the panel shows for one cell."""
    broken = []
    for check in sorted({o.check for o in cell.failures}):
        failures = sorted((o for o in cell.failures if o.check == check), key=_size, reverse=True)
        shown = [{"message": _above_hint(o), "recipe": _code(o)} for o in failures[:SHOWN]]
        broken.append({"check": check, "count": len(failures), "shown": shown})
    worst = None
    if cell.worst is not None and 0 < cell.worst.units < float("inf"):
        o = cell.worst
        figures = f"{o.value:.3g}, {o.units:.3g} of its bound, κ = {o.kappa:.3g}"
        worst = {"check": o.check, "label": o.label, "figures": figures, "recipe": _code(o)}
    return {"passed": cell.passed, "broken": broken, "worst": worst, "reasons": cell.reasons}


def _above_hint(outcome: Outcome) -> str:
    # The panel has the recipe in a box of its own.
    return outcome.message.partition("\n  Hint: the input again")[0]


def _size(outcome: Outcome) -> float:
    return outcome.units


def _code(outcome: Outcome) -> str:
    return f"from pinvx_conformance import matrices\n{outcome.recipe}"
