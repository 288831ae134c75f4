"""One cell of the benchmark: a function of a library against pinvx's, on one problem."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from . import reference
from .contenders import Contender, Match
from .problems import Problem
from .timing import in_turns


@dataclass
class Cell:
    """What was compared, and what came out: medians in seconds, None where there is no measure."""

    library: str
    device: str
    function: str
    mode: str
    own: str
    """The name of the library's own function."""
    dtype: str
    kind: str
    shape: str
    own_seconds: float | None = None
    pinvx_seconds: float | None = None
    product_seconds: float | None = None
    """The time of the matrix products that the fastest algorithm cannot do without."""
    own_error: float | None = None
    """The largest relative error of a matrix (of the gradients, in the mode "backward")."""
    pinvx_error: float | None = None
    rounds: int = 0
    own_calls: int = 0
    """Calls in a round."""
    pinvx_calls: int = 0
    remark: str = ""
    """A note on the comparison."""
    own_failed: str = ""
    """Why there is no time of the library's own function."""
    pinvx_failed: str = ""
    """Why there is no time of pinvx."""
    own_wrong: str = ""
    """What is wrong with the answer of the library's own function, where it has a time."""

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the library's own function pinvx is."""
        if self.own_seconds is None or self.pinvx_seconds is None:
            return None
        return self.own_seconds / self.pinvx_seconds

    @property
    def error_ratio(self) -> float | None:
        """The error of pinvx over the library's; below eps it is rounding, and counts as eps."""
        if self.own_error is None or self.pinvx_error is None:
            return None
        eps = float(np.finfo(self.dtype).eps)
        return max(self.pinvx_error, eps) / max(self.own_error, eps)

    @property
    def problem(self) -> tuple[str, str, str]:
        """The dtype, the kind and the shape."""
        return self.dtype, self.kind, self.shape

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the two ratios, for JSON."""
        return asdict(self) | {"ratio": self.ratio, "error_ratio": self.error_ratio}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the cell from the fields that `to_dict` gave."""
        return cls(**{k: v for k, v in fields.items() if k not in ("ratio", "error_ratio")})


def measure(
    contender: Contender,
    device: str,
    match: Match,
    problem: Problem,
    product_seconds: float | None,
    budget: float,
) -> Cell:
    """Measure one cell.

    Parameters
    ----------
    contender, device, match, problem
        What to compare, where, and on what.
    product_seconds : float or None
        What `product` has measured for this problem.
    budget : float
        The seconds to spend on the timing, beyond the first call of each function.

    Returns
    -------
    Cell
        Also where a function fails: a failure is a result.
    """
    shape, dtype = problem.shape, problem.dtype
    cell = Cell(
        contender.name,
        device,
        match.function,
        match.mode,
        match.own,
        dtype,
        problem.kind,
        str(shape),
        product_seconds=product_seconds,
    )
    cutoff = max(shape.m, shape.n) * float(np.finfo(dtype).eps)
    own, mine, cell.remark = match.rivals(shape, cutoff)
    running = {}
    with contender.scope(device):
        arrays = _arrays(contender, device, match.function, match.mode, problem)
        for name, function in (("own", own), ("pinvx", mine)):
            call = _waiting(partial(function, *arrays), contender.synchronise(device))
            failed, error = "", None
            if name == "own" and device == "cpu":
                failed = _too_large(match.memory(shape, np.dtype(dtype).itemsize))
            if not failed:
                failed, error = _first_call(contender, call, match, problem)
            if not failed:
                running[name] = call
            setattr(cell, f"{name}_failed", failed)
            setattr(cell, f"{name}_error", error)
        timings = in_turns(*running.values(), budget=budget) if running else ()
    for name, timing in zip(running, timings, strict=True):
        cell.rounds = timing.rounds
        setattr(cell, f"{name}_seconds", timing.seconds)
        setattr(cell, f"{name}_calls", timing.calls)
    return cell


def product(
    contender: Contender, device: str, function: str, problem: Problem, budget: float
) -> float:
    """Return the seconds of the matrix products that the fastest algorithm cannot do without."""
    with contender.scope(device):
        arrays = _arrays(contender, device, function, "forward", problem)
        products = partial(contender.product(function), *arrays)
        call = _waiting(products, contender.synchronise(device))
        call()
        (timing,) = in_turns(call, budget=budget)
    return timing.seconds


def _arrays(
    contender: Contender, device: str, function: str, mode: str, problem: Problem
) -> list[Any]:
    """Return the arguments: A (and b), and the cotangent for the mode "backward"."""
    inputs = [problem.a] if function == "pinv" else [problem.a, problem.b]
    arrays = [contender.array(x, device, gradient=mode == "backward") for x in inputs]
    if mode == "backward":
        g = problem.x_cotangent if function == "pinv" else problem.solution_cotangent
        arrays.append(contender.array(g, device, gradient=False))
    return arrays


def _waiting(call: Callable[[], Any], wait: Callable[[Any], Any] | None) -> Callable[[], Any]:
    """Return a call that ends when its result is there."""
    if wait is None:
        return call

    def call_and_wait() -> Any:
        result = call()
        wait(result)
        return result

    return call_and_wait


def _first_call(
    contender: Contender, call: Callable[[], Any], match: Match, problem: Problem
) -> tuple[str, float | None]:
    """Return why a function fails, or "" and its error: what a library raises is its answer."""
    # The gradients of A and b, or the result; other outputs are ignored.
    interesting = 2 if (match.function, match.mode) == ("lstsq", "backward") else 1
    try:
        result = call()
        if isinstance(result, list):  # of a loop over a batch
            found = [np.stack([contender.numbers(item[0]) for item in result])]
        else:
            parts = result if isinstance(result, tuple) else (result,)
            found = [contender.numbers(x) for x in parts[:interesting]]
    except Exception as failure:
        lines = str(failure).strip().splitlines() or [""]
        return f"{type(failure).__name__}: {lines[0]}"[:160], None
    if not all(np.all(np.isfinite(x)) for x in found):
        return "the result has NaN or infinity", None
    if problem.dtype in ("float64", "complex128") and not reference.AVAILABLE:
        return "", None
    answers = problem.answers(match.function, match.mode)
    return "", max(map(reference.error, found, answers))


def _too_large(needed: int) -> str:
    """Return a reason not to call a function that would fill more than half of the memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return ""
    if needed <= memory / 2:
        return ""
    return f"needs {needed / 1e9:.0f} GB of memory, of {memory / 1e9:.0f} GB"
