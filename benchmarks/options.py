"""The command line. It imports no array library, since `--threads` comes before them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

from . import grid


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"benchmarks: {message}\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, lists as tuples; what was not given and has no default is None."""
    parser = _Parser(
        prog="python -m benchmarks",
        description="Measure pinvx against each library's own pinv and lstsq: the two in turns, in "
        "one process; medians, their ratio, the accuracy of both, and the time of the matrix "
        "products that no algorithm can do without.",
        epilog="Lists are separated by commas. The default is meant to take 20 minutes on 2 cores; "
        "every run says at its end what it took. The machine should have nothing else to do.",
    )
    add = parser.add_argument
    add(
        "--libraries",
        type=_names(None),
        metavar="LIST",
        help="numpy, scipy, torch, jax, lineax, cupy (default: those that are installed)",
    )
    add("--functions", type=_names(grid.FUNCTIONS), metavar="LIST", help="pinv, lstsq")
    add(
        "--modes",
        type=_names(grid.MODES),
        metavar="LIST",
        help="forward, backward (the value and its gradient)",
    )
    add(
        "--dtypes",
        type=_names(grid.KNOWN_DTYPES),
        metavar="LIST",
        help=f"of {', '.join(grid.KNOWN_DTYPES)} (default: {', '.join(grid.DTYPES)})",
    )
    add(
        "--kinds",
        type=_names(grid.KINDS),
        metavar="LIST",
        help="well (conditioned), kappa1e6, deficient (in rank)",
    )
    add(
        "--shapes",
        type=_shapes,
        metavar="LIST",
        help="such as 3x3,1000*6x3 (a batch of 1000 matrices)",
    )
    add("--device", metavar="NAME", help="cpu, or cuda:0 and the like (default: all)")
    add(
        "--quick",
        action="store_true",
        help="four shapes in float64, without lineax, in about a minute",
    )
    add("--full", action="store_true", help="gradients in every dtype (default: in float64)")
    add(
        "--budget",
        type=_seconds,
        metavar="SECONDS",
        help="for each cell, at least three rounds in any case (default: 0.1)",
    )
    add("--threads", type=_count, metavar="N", help="let the libraries use N processors")
    add("--detail", action="store_true", help="print each cell with its times and errors")
    add(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="measure nothing, and show what an earlier --json has kept",
    )
    add("--json", type=Path, metavar="FILE", help="keep all cells")
    add("--markdown", type=Path, metavar="FILE", help="write the tables")
    add("--chart", type=Path, metavar="FILE", help="draw the ratios, as SVG")
    options = parser.parse_args(arguments)
    if options.source is not None and not options.source.is_file():
        parser.error(
            f"--from {options.source}: there is no such file. Hint: pass what --json wrote."
        )
    # Before the measuring, and not after 20 minutes of it.
    for path in (options.json, options.markdown, options.chart):
        if path is not None and not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}. Hint: make it first.")
    if options.chart is not None and options.chart.suffix.lower() != ".svg":
        parser.error(f"--chart {options.chart}: the chart is SVG. Hint: end its name in .svg.")
    return options


def _names(known: Collection[str] | None) -> Callable[[str], tuple[str, ...]]:
    """Return a type for argparse: names out of those that are known, separated by commas."""

    def names(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
        for name in found:
            if known is not None and name not in known:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is not known. Hint: use {', '.join(known)}."
                )
        return found

    return names


def _shapes(text: str) -> tuple[grid.Shape, ...]:
    try:
        return tuple(dict.fromkeys(map(grid.Shape.parse, text.split(","))))
    except ValueError as unreadable:
        raise argparse.ArgumentTypeError(str(unreadable)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Hint: pass seconds, such as 0.1.")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of processors. Hint: pass 1 or more."
        )
    return int(text)
