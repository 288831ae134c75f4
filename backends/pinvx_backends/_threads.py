"""A large batch in parts, one per thread, for functions that take its matrices one after another.

NumPy, and PyTorch for some functions, call LAPACK for each matrix of a batch in turn, on one core.
Both release Python's lock while they compute, so the parts of a batch can be computed side by side.
The result for a matrix changes by rounding only, since a part leaves out a step that none of its
matrices needs.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

# The least number of entries of a part: handing it over costs some thousand operations, and a
# decomposition has many operations per entry.
GRAIN = 1 << 15
GRAIN_OF_DECOMPOSITION = 1 << 10

# From this many operations on, one matrix product uses threads itself.
SHARED_FROM = 1 << 18

_LIMITS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


def cores() -> int:
    """Return how many threads this process may use, by the variables that BLAS reads."""
    # A container or a batch system may give a process only some of the cores.
    affinity = getattr(os, "sched_getaffinity", None)
    here = len(affinity(0)) if affinity else os.cpu_count() or 1
    limits = (os.environ.get(name, "") for name in _LIMITS)
    return max(1, min([here, *(int(x) for x in limits if x.isdecimal())]))


def parts(
    shape: Sequence[int], threads: Callable[[], int], grain: int = GRAIN, widest: int = 1 << 6
) -> list[tuple[slice, ...]]:
    """Return the places of the parts of an array of matrices; [] if it is better left whole.

    A part has `grain` entries at least. Beyond `widest`, the shorter side of a matrix, the library
    has threads of its own. `threads` returns how many may be used.
    """
    *batch, m, n = shape
    count = math.prod(batch)
    short = min(m, n)
    if not batch or count * m * n < 2 * grain or short > widest or m * n * short >= SHARED_FROM:
        return []
    # A caller in another thread uses the cores already, and so do pinvx's own threads.
    if threading.current_thread() is not threading.main_thread():
        return []
    longest = max(batch)
    axis = batch.index(longest)
    number = min(threads(), count * m * n // grain, longest)
    if number < 2:
        return []
    edges = [longest * i // number for i in range(number + 1)]
    before = (slice(None),) * axis
    return [(*before, slice(*pair)) for pair in itertools.pairwise(edges)]


def side_by_side(function: Callable[[tuple[slice, ...]], T], places: Sequence[Any]) -> list[T]:
    """Return ``[function(place) for place in places]``, each computed in a thread of its own."""
    try:
        futures = [_pool().submit(function, place) for place in places]
    except RuntimeError:  # no threads on this platform, or the process is ending
        return [function(place) for place in places]
    return [future.result() for future in futures]


def part_of(x: Any, place: tuple[slice, ...]) -> Any:
    """Take a part of an array; a number, or an array that broadcasts, stays whole."""
    if not hasattr(x, "shape") or x.ndim < len(place) or x.shape[len(place) - 1] == 1:
        return x
    return x[place]


def in_parts(
    function: Callable[[tuple[slice, ...]], Sequence[Any]],
    places: Sequence[tuple[slice, ...]],
    concatenate: Callable[..., Any],
) -> tuple[Any, ...]:
    """Return the outputs of the function for the whole batch, joined from those of the parts."""
    axis = len(places[0]) - 1
    outputs = zip(*side_by_side(function, places), strict=True)
    return tuple(joined(each, axis, concatenate) for each in outputs)


def joined(outputs: Sequence[Any], axis: int, concatenate: Callable[..., Any]) -> Any:
    """Join the outputs of the parts: arrays along the axis; other values only if all agree."""
    first = outputs[0]
    if all(hasattr(x, "shape") for x in outputs):
        return concatenate(outputs, axis)
    return first if all(x is first or x == first for x in outputs) else None


@functools.cache
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # here, since few calls need it

    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="pinvx")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay behind in the parent
