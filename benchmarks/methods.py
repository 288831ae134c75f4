"""``python -m benchmarks.methods``: each method of the plan, timed beside the SVD.

The plan (`pinvx/_plan.py`) leaves a method out where it is mostly refused, or costs more than the
SVD although it is accepted. A time in parentheses is that of a refusal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pinvx._dispatch import adapter_of
from pinvx._plan import METHODS, names
from pinvx._problem import Problem

from .contenders import contender
from .grid import Shape

SHAPES = "8x8 16x16 32x32 64x64 128x128 256x256 16x8 64x8 64x32 256x64 1000x100 500*32x8 100*60x60"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each wanted result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    libraries = ("numpy", "torch", "cupy")  # a method alone is no program for JAX
    parser.add_argument("--library", default="numpy", choices=libraries)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--shapes", default=SHAPES, help="separated by blanks")
    options = parser.parse_args(arguments)
    for wanted in ("pinv", "solve"):
        print(f"\n{wanted}, {options.library}, {options.dtype}, microseconds")
        columns = names(wanted)
        print(f"{'':12}{'':11}" + "".join(f"{name[:12]:>14}" for name in columns))
        for text in options.shapes.split():
            shape = Shape.parse(text)
            for kind in ("full", "deficient"):
                a, b = _arrays(shape, kind, options)
                times = [_timed(name, wanted, a, b) for name in columns]
                print(f"{text:12}{kind:11}" + "".join(f"{t:>14}" for t in times), flush=True)


def _arrays(shape: Shape, kind: str, options: argparse.Namespace) -> tuple[Any, Any]:
    """Return A with κ = 10, of full rank or of half of it, and b."""
    rng, short = np.random.default_rng(0), min(shape.m, shape.n)
    u, v = (
        np.linalg.qr(rng.standard_normal((*shape.full[:-2], n, short)))[0]
        for n in (shape.m, shape.n)
    )
    rank = short if kind == "full" else short // 2
    s = np.geomspace(1.0, 0.1, short) * (np.arange(short) < rank)
    a = (u * s @ np.swapaxes(v, -1, -2)).astype(options.dtype)
    b = rng.standard_normal((*shape.full[:-1], 1)).astype(options.dtype)
    there = contender(options.library)
    device = there.devices()[0]
    return there.array(a, device, gradient=False), there.array(b, device, gradient=False)


def _timed(name: str, wanted: str, a: Any, b: Any) -> str:
    row, lib = METHODS[name], adapter_of(a, "benchmarks.methods", "a")
    right = b if wanted == "solve" else None
    rtol = max(a.shape[-2:]) * lib.precision(a.dtype).eps  # type: ignore[union-attr]  # it is known

    def problem() -> Problem:
        return Problem(lib, a, rtol, 0.0, wanted=wanted, b=right)  # type: ignore[arg-type]

    if not row.possible(problem()):
        return "–"

    def call(*_: Any) -> bool:
        proposal = row.method(problem())
        accepted = lib.all(proposal.accepted)
        if accepted:
            proposal.answer()
        return accepted

    accepted = lib.run(call, None, a)
    best = 1e6 * _best(lambda: lib.run(call, None, a))
    return f"{best:.0f}" if accepted else f"({best:.0f})"


def _best(function: Callable[[], Any], seconds: float = 0.1) -> float:
    """Return the fastest of many calls."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
