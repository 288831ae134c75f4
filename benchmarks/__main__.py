"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import grid, options, threads
from .plan import Plan


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and keep; the exit status is 1 if a function of pinvx fails."""
    chosen = options.parse(arguments)
    if chosen.threads is not None:
        threads.limit(chosen.threads)

    # After that: what follows imports array libraries.
    from rich.console import Console

    from . import chart, markdown, terminal
    from .report import Report
    from .run import run

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 140
    if chosen.source is not None:
        report = Report.load(chosen.source)
    else:
        plan = _plan(chosen)

        def keep(report: Report) -> None:
            if chosen.json is not None:
                report.save(chosen.json)

        try:
            report = run(plan, console, keep)
        except ValueError as impossible:
            print(f"benchmarks: {impossible}", file=sys.stderr)
            return 2
    terminal.show(report, console, detail=chosen.detail)
    if chosen.markdown is not None:
        chosen.markdown.write_text(markdown.text(report), encoding="utf-8")
    if chosen.chart is not None:
        chart.draw(report, chosen.chart, chosen.dtypes[0] if chosen.dtypes else None)
    return 1 if any(cell.pinvx_failed for cell in report.cells) else 0


def _plan(chosen: argparse.Namespace) -> Plan:
    """Return what to measure; gradients in the dtypes that were asked for, or else in float64."""
    quick = chosen.quick
    dtypes = chosen.dtypes or (grid.DTYPES[:1] if quick else grid.DTYPES)
    every = chosen.full or chosen.dtypes is not None or chosen.modes is not None
    return Plan(
        libraries=chosen.libraries,
        left_out=("lineax",) if quick else (),
        functions=chosen.functions or grid.FUNCTIONS,
        modes=chosen.modes or grid.MODES,
        dtypes=dtypes,
        gradients=dtypes if every else grid.DTYPES[:1],
        kinds=chosen.kinds or tuple(grid.KINDS),
        shapes=chosen.shapes or (grid.QUICK_SHAPES if quick else grid.SHAPES),
        device=chosen.device,
        budget=(0.05 if quick else 0.1) if chosen.budget is None else chosen.budget,
    )


if __name__ == "__main__":
    raise SystemExit(main())
