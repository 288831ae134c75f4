"""``python -m pinvx_conformance``: every target on this machine × every promise, as a report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pinvx_conformance import _report, _run
from pinvx_conformance._check import PROMISES
from pinvx_conformance._run import Plan, Verdict
from pinvx_conformance._targets import every_target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pinvx_conformance", description=__doc__)
    add = parser.add_argument
    add("--targets", default="all", help="all, pinvx, or names such as pinvx@torch,numpy,my:pinv")
    add("--namespace", help="for module:function, the library of its arrays")
    add("--level", choices=_run.LEVELS, default="full", help="how much of the gallery")
    add("--promises", default="", help="for example P5,P6")
    add("--dtypes", default="", help="for example float32,complex128")
    add("--jobs", type=int, default=2, help="targets judged at the same time")
    add("--json", type=Path, help="write every outcome here")
    add("--report", type=Path, help="write a page for a browser here")
    add("--markdown", type=Path, help="write the table here")
    add("--list", action="store_true", help="print the targets of this machine and stop")
    return parser


def _names(targets: str) -> list[str]:
    if targets in ("all", "pinvx"):
        found = every_target()
        return [n for n in found if targets == "all" or n.startswith("pinvx@")]
    return [name for name in targets.split(",") if name]


def _plan(options: argparse.Namespace) -> Plan:
    promises, dtypes = (
        tuple(word for word in text.split(",") if word)
        for text in (options.promises, options.dtypes)
    )
    unknown = [p for p in promises if p not in PROMISES]
    if unknown:
        raise SystemExit(f"No promise {', '.join(unknown)}.\nHint: P1 to P{len(PROMISES)}.")
    return Plan(options.level, promises, dtypes)


def _judge(names: Sequence[str], plan: Plan, options: argparse.Namespace) -> list[Verdict]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("judging", total=len(names) * len(_run.parts_of(plan)) + 1)

        def done(name: str) -> None:
            progress.update(bar, advance=1, description=name)

        return _run.run_all(names, plan, namespace=options.namespace, jobs=options.jobs, done=done)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the targets and write the reports; 1 if a promise is broken."""
    options = _parser().parse_args(arguments)
    names = _names(options.targets)
    if options.list:
        print("\n".join(names))
        return 0
    plan = _plan(options)
    verdicts = _judge(names, plan, options)
    grid = _report.grid_of(verdicts)
    _report.show(grid, Console())
    if options.json:
        _report.write_json(options.json, verdicts, plan)
    if options.report:
        _report.write_html(options.report, grid, plan)
    if options.markdown:
        _report.write_markdown(options.markdown, grid)
    return int(grid.failed)


if __name__ == "__main__":
    sys.exit(main())
