"""One cell of the benchmark on a GPU: a function of a library against pinvx's, on one matrix."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..cell import Cell
from ..contenders import LOOP, Contender, Match
from ..grid import Shape
from ..timing import in_turns
from . import residuals
from .forecast import Forecast
from .grid import Task
from .operations import operations

ONCE = 0.5
"""A function that takes longer than so many seconds is called once."""
LONG = 4.0
"""A function that would take longer on a whole batch is called on a part of it."""
PATIENCE = 12.0
"""A function whose forecast is longer is not called."""
PART = 64
"""What part of a batch is tried first: one matrix in so many, and at least 16."""


@dataclass
class GpuCell(Cell):
    """A cell with what matters on a device. Its errors are residuals (`residuals.py`)."""

    own_rounds: int = 0
    pinvx_rounds: int = 0
    first_call: float | None = None
    """The seconds of pinvx's first call, with what is loaded and compiled for it."""
    operations: float = 0.0
    """Those of a standard algorithm."""
    product_rate: float | None = None
    """The operations per second of a product of large matrices, in this library and dtype."""
    own_waits: int | None = None
    """How often the host waits for the device in a call."""
    pinvx_waits: int | None = None
    length: float | None = None
    """‖x‖ of the library's own least-squares solution over that of pinvx."""

    def rate(self, seconds: float | None) -> float | None:
        """Return operations per second."""
        return None if not seconds else self.operations / seconds

    @property
    def share(self) -> float | None:
        """The rate of pinvx over the rate of the product."""
        rate = self.rate(self.pinvx_seconds)
        return None if rate is None or not self.product_rate else rate / self.product_rate

    @property
    def key(self) -> tuple[str, ...]:
        """What is unique to a cell."""
        return (self.library, self.function, self.mode, *self.problem)


@dataclass
class Call:
    """One of the two functions of a cell: what to call, and what is known of it."""

    run: Callable[[], Any] | None = None
    scale: float = 1.0
    """The whole batch over the part that `run` takes."""
    seconds: float | None = None
    rounds: int = 0
    first: float | None = None
    result: Any = None
    failed: str = ""
    remark: str = ""


def measure(
    contender: Contender,
    device: str,
    match: Match,
    task: Task,
    arrays: list[Any],
    forecast: Forecast,
    *,
    budget: float,
    rates: Mapping[str, float],
) -> GpuCell:
    """Measure one cell.

    Parameters
    ----------
    contender, device, match, task, arrays
        What to compare, where, and on what: A, or A and b.
    forecast : Forecast
        Tells what a call will take, and learns what it took.
    budget : float
        The seconds to spend on the timing, beyond the first calls.
    rates : mapping of str to float
        The rates of a product of large matrices, by dtype.
    """
    shape = task.shape
    cell = GpuCell(
        contender.name,
        device,
        match.function,
        match.mode,
        match.own,
        task.dtype,
        task.kind,
        str(shape),
        operations=operations(match.function, match.mode, shape, task.dtype),
        product_rate=rates.get(task.dtype),
    )
    own, mine, cell.remark = match.rivals(shape, _cutoff(shape, task.dtype))
    loops = cell.remark == LOOP
    calls = {"pinvx": Call(), "own": Call()}
    with contender.scope(device):
        clock = contender.clock(device)
        for side, function in (("pinvx", mine), ("own", own)):
            expected = foreseen(contender, forecast, side, cell)
            if expected > PATIENCE:
                calls[side].failed = f"not called: about {expected:.0f} s foreseen"
                continue
            loop = loops and side == "own"
            calls[side] = _first(contender, device, function, arrays, shape, clock, loop=loop)
        running = [call for call in calls.values() if call.run and call.seconds is None]
        timings = in_turns(
            *(call.run for call in running if call.run), budget=budget, once=ONCE, clock=clock
        )
        for call, timing in zip(running, timings, strict=True):
            call.seconds, call.rounds = timing.seconds * call.scale, timing.rounds
        _judge(contender, cell, calls, arrays)
        for side, call in calls.items():
            _write(cell, side, call)
            if call.seconds is not None:
                forecast.learn(side, cell, call.seconds)
        # The detector slows calls down, so it comes last.
        for side, call in calls.items():
            if call.run is not None and call.scale == 1 and (call.seconds or LONG) < LONG:
                waits = contender.synchronisations(call.run, device)
                setattr(cell, f"{side}_waits", waits)
    remarks = (f"{side}: {call.remark}" for side, call in calls.items() if call.remark)
    cell.remark = "; ".join(filter(None, (cell.remark, *remarks)))
    cell.first_call = calls["pinvx"].first
    return cell


def foreseen(contender: Contender, forecast: Forecast, side: str, cell: Cell) -> float:
    """Return the forecast of a call in seconds, 0 without one.

    For a batch, a part is tried first, which says more than another batch does.
    """
    batch = Shape.parse(cell.shape).batch or 1
    if batch > 16 and not contender.compiles:
        return 0.0
    return forecast.seconds(side, cell) or 0.0


def seconds_of(
    contender: Contender,
    device: str,
    function: Callable[..., Any],
    arrays: list[Any],
    budget: float,
) -> float:
    """Return the seconds of a function of arrays, with products in full precision."""
    with contender.scope(device), contender.full_precision():
        run = _waiting(contender, device, contender.prepared(function, *arrays))
        run()
        (timing,) = in_turns(run, budget=budget, clock=contender.clock(device))
    return timing.seconds


def _cutoff(shape: Shape, dtype: str) -> float:
    return max(shape.m, shape.n) * float(np.finfo(dtype).eps)


def _first(
    contender: Contender,
    device: str,
    function: Callable[..., Any],
    arrays: list[Any],
    shape: Shape,
    clock: Callable[[], float],
    *,
    loop: bool,
) -> Call:
    """Call a function for the first time, on a part of a large batch if the whole takes long.

    An exception is the library's answer.
    """
    batch = shape.batch or 1
    part = max(16, batch // PART)
    warm = contender.compiles
    start = time.perf_counter()
    try:
        if not warm and part < batch:
            some = [x[:part] for x in arrays]
            run = _waiting(contender, device, partial(function, *some))
            run()
            seconds, result = _timed(run, clock)
            whole = seconds * batch / part
            # A loop is as long as its parts together; a batched routine takes less, and is called.
            if whole > (ONCE if loop else LONG):
                words = f"{part} of {batch} matrices, scaled"
                return Call(run, batch / part, whole, 1, None, result, remark=words)
            warm = True
        run = _waiting(contender, device, contender.prepared(function, *arrays))
        seconds, result = _timed(run, clock)
    except Exception as failure:
        lines = str(failure).strip().splitlines() or [""]
        return Call(failed=f"{type(failure).__name__}: {lines[0]}"[:160])
    call = Call(run, first=time.perf_counter() - start, result=result)
    if seconds > (ONCE if warm else 4 * ONCE):
        call.seconds, call.rounds = seconds, 1
    return call


def _timed(run: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    start = clock()
    result = run()
    return clock() - start, result


def _waiting(contender: Contender, device: str, run: Callable[[], Any]) -> Callable[[], Any]:
    """Return a call that ends when its result is there."""
    wait = contender.synchronise(device)

    def run_and_wait() -> Any:
        result = run()
        if wait is not None:
            wait(result)
        return result

    return run_and_wait


def _judge(
    contender: Contender, cell: GpuCell, calls: Mapping[str, Call], arrays: list[Any]
) -> None:
    """Find the residuals of both, and what is wrong with the library's own answer."""
    lengths = {}
    for side, call in calls.items():
        if call.result is None:
            continue
        x = call.result
        if isinstance(x, list):  # of a loop over a batch
            x = contender.stack([item[0] for item in x])
        elif isinstance(x, tuple):
            x = x[0]
        some = [y[: x.shape[0]] for y in arrays] if call.scale > 1 else arrays
        try:
            with contender.full_precision():
                found, lengths[side] = residuals.residual(contender, cell.function, some, x)
        except Exception as failure:  # out of memory, say; the time is still valid
            call.remark += f" no residual: {type(failure).__name__}"
            continue
        setattr(cell, f"{side}_error", found if np.isfinite(found) else None)
        if not np.isfinite(found):
            wrong = "NaN or infinity"
            if side == "own":
                cell.own_wrong = wrong
            else:
                call.failed, call.seconds = f"the result has {wrong}", None
        call.result = None
    if cell.function == "lstsq" and len(lengths) == 2:
        cell.length = residuals.ratio(lengths["own"], lengths["pinvx"])
        if cell.kind == "deficient" and not 0.5 < cell.length < 2:
            cell.own_wrong = cell.own_wrong or f"not of minimum norm: {cell.length:.1g} times it"


def _write(cell: GpuCell, side: str, call: Call) -> None:
    setattr(cell, f"{side}_seconds", call.seconds)
    setattr(cell, f"{side}_rounds", call.rounds)
    setattr(cell, f"{side}_failed", call.failed)
