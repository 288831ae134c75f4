"""Two functions against the clock, in turns."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

WINDOW = 1e-3
"""A function that takes less than this is called in a loop that takes about as long, in seconds."""

Clock = Callable[[], float]


class Timing(NamedTuple):
    """How long one call takes."""

    seconds: float
    """The median over the rounds, each divided by its number of calls."""
    rounds: int
    calls: int
    """The number of calls a round."""


def in_turns(
    *functions: Callable[[], Any],
    budget: float,
    least: int = 3,
    once: float = math.inf,
    clock: Clock = time.perf_counter,
) -> tuple[Timing, ...]:
    """Time functions in turns (A, B, A, B, …), so that a disturbance affects all of them.

    Parameters
    ----------
    functions : callables without arguments
        Each has been called before, so that no first call is timed.
    budget : float
        The seconds to spend; no round starts after that, except to reach `least`.
    least : int
        The number of rounds at least.
    once : float
        A function whose call takes longer than so many seconds is not called a second time.
    clock : callable
        Returns seconds.

    Returns
    -------
    tuple of Timing
        One for each function.
    """
    with _no_garbage_collection():
        start = clock()
        first = [_first_round(function, clock) for function in functions]
        calls = [number for number, _ in first]
        rounds = [[seconds / number] for number, seconds in first]
        again = [i for i, seconds in enumerate(rounds) if seconds[0] <= once]
        while again and (len(rounds[again[0]]) < least or clock() - start < budget):
            for i in again:
                rounds[i].append(_loop(functions[i], calls[i], clock) / calls[i])
    return tuple(
        Timing(statistics.median(seconds), len(seconds), number)
        for seconds, number in zip(rounds, calls, strict=True)
    )


def _loop(function: Callable[[], Any], number: int, clock: Clock) -> float:
    repeat = range(number)
    start = clock()
    for _ in repeat:
        function()
    return clock() - start


def _first_round(function: Callable[[], Any], clock: Clock) -> tuple[int, float]:
    """Return the number of calls that fill the window, and the seconds that they took."""
    number = 1
    while True:
        seconds = _loop(function, number, clock)
        if seconds < 10 * WINDOW:  # not to take an interruption for a slow function
            seconds = min(seconds, _loop(function, number, clock))
        if seconds >= WINDOW / 2:
            return number, seconds
        number = max(2 * number, min(10 * number, int(number * WINDOW / max(seconds, 1e-9))))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Suspend garbage collection: it takes milliseconds, and would be counted for one function."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
