"""Going through the grid."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import machine
from .cell import measure, product
from .contenders import CONTENDERS, Contender, Match, contender, installed
from .plan import Plan
from .problems import Problem, problem
from .report import Report


@dataclass(frozen=True)
class _Rival:
    contender: Contender
    device: str
    matches: tuple[Match, ...]


def run(plan: Plan, console: Console, keep: Callable[[Report], None]) -> Report:
    """Measure all cells of a plan, with a progress bar, and `keep` the report now and then.

    An interrupt from the keyboard ends the run; what has been measured is returned.

    Raises
    ------
    ValueError
        If a library is unknown or not installed, or nothing is left to measure.
    """
    names = plan.libraries
    if names is None:
        names = tuple(n for n in CONTENDERS if installed(n) and n not in plan.left_out)
    contenders = [contender(name) for name in names]
    rivals = list(_rivals(plan, contenders))
    if not rivals:
        raise ValueError(
            "nothing is left to measure. Hint: check --libraries, --device, --functions and "
            "--modes; gradients are those of torch, jax and lineax."
        )
    present = {rival.contender.name for rival in rivals}
    absent = [n for n in CONTENDERS if not installed(n) or (n in names and n not in present)]
    options = {
        "modes": plan.modes,
        "functions": plan.functions,
        "budget": plan.budget,
        "device": plan.device or "all",
    }
    report = Report(machine.describe(contenders), options, absent=absent)
    start = time.perf_counter()
    steps = [
        (posed, rival, match)
        for posed in plan.problems()
        for rival in rivals
        for match in rival.matches
        if plan.wants(match.function, match.mode, posed[1])
    ]
    with _progress(console) as progress:
        task = progress.add_task("", total=len(steps))
        try:
            for (shape, dtype, kind), group in itertools.groupby(steps, key=lambda step: step[0]):
                posed = problem(shape, dtype, kind)
                for _, rival, match in group:
                    progress.update(task, description=_description(rival, match, posed))
                    _measure(report, rival, match, posed, plan.budget)
                    progress.advance(task)
                report.seconds = round(time.perf_counter() - start, 1)
                keep(report)
                if not console.is_terminal:  # where no bar is drawn
                    done = f"{len(report.cells)} of {len(steps)} cells, {report.seconds:.0f} s"
                    print(f"{posed.shape} {dtype} {kind}: {done}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            report.interrupted = True
    report.seconds = round(time.perf_counter() - start, 1)
    report.machine["load_at_end"] = machine.load()
    keep(report)
    return report


def _rivals(plan: Plan, contenders: Sequence[Contender]) -> Iterator[_Rival]:
    for each in contenders:
        matches = tuple(match for match in each.matches() if plan.wants(match.function, match.mode))
        for device in each.devices():
            if matches and plan.device in (None, device):
                yield _Rival(each, device, matches)


def _measure(report: Report, rival: _Rival, match: Match, posed: Problem, budget: float) -> None:
    """Measure a cell, and before the first cell of a function the matrix products."""
    seconds = None
    for cell in reversed(report.cells):
        if cell.problem != (posed.dtype, posed.kind, str(posed.shape)):
            break
        same = (cell.library, cell.device, cell.function)
        if same == (rival.contender.name, rival.device, match.function):
            seconds = cell.product_seconds
            break
    if seconds is None:
        seconds = product(rival.contender, rival.device, match.function, posed, budget / 4)
    report.cells.append(measure(rival.contender, rival.device, match, posed, seconds, budget))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Drawing takes time from what is measured, so it is done seldom.
        refresh_per_second=2,
    )


def _description(rival: _Rival, match: Match, posed: Problem) -> str:
    gradient = " + gradient" if match.mode == "backward" else ""
    return f"{match.own}{gradient} {posed.shape.label} {posed.dtype} {posed.kind} {rival.device}"
