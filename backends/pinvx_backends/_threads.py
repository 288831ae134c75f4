"""A large batch in parts, one a thread, for functions that take its matrices one after another.

LAPACK is called for each matrix of a batch in turn, on one core, in NumPy and for some functions in
PyTorch. Both let go of Python's lock while they compute, so that the parts of a batch can be
computed side by side. What is computed for a matrix does not change but by rounding, where a step
is left out that no matrix of the part needs.
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

# Entries of a part, at least: handing it over takes as long as some thousand operations, of which
# a decomposition has many for each entry.
GRAIN = 1 << 15
GRAIN_OF_DECOMPOSITION = 1 << 10

# Operations of a product of larger matrices: those have threads already.
LARGE = 1 << 18

_LIMITS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


def cores() -> int:
    """Return how many threads this process may use, in the way that BLAS is told."""
    # A container or a batch system leaves a process some of the machine's cores.
    affinity = getattr(os, "sched_getaffinity", None)
    here = len(affinity(0)) if affinity else os.cpu_count() or 1
    limits = (os.environ.get(name, "") for name in _LIMITS)
    return max(1, min([here, *(int(x) for x in limits if x.isdecimal())]))


def parts(
    shape: Sequence[int], threads: Callable[[], int], grain: int = GRAIN, widest: int = 1 << 6
) -> list[tuple[slice, ...]]:
    """Return the places of the parts of an array of matrices; none if it is better left whole.

    Parameters
    ----------
    shape : ints, (..., M, N)
    threads
        Returns how many threads may be used.
    grain
        Entries of a part, at least.
    widest
        The shorter side of a matrix, at most: the library has threads of its own for larger ones.
    """
    *batch, m, n = shape
    count = math.prod(batch)
    short = min(m, n)
    if not batch or count * m * n < 2 * grain or short > widest or m * n * short >= LARGE:
        return []
    # Who calls from a thread of their own has work for the other cores, as have these threads.
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
    except RuntimeError:  # no threads on this platform, or none any more at the end of the process
        return [function(place) for place in places]
    return [future.result() for future in futures]


def part_of(x: Any, place: tuple[slice, ...]) -> Any:
    """Take a part of an array; one that is repeated along the batch, or is no array, is whole."""
    if not hasattr(x, "shape") or x.ndim < len(place) or x.shape[len(place) - 1] == 1:
        return x
    return x[place]


def in_parts(
    function: Callable[[tuple[slice, ...]], Sequence[Any]],
    places: Sequence[tuple[slice, ...]],
    concatenate: Callable[..., Any],
) -> tuple[Any, ...]:
    """Return what the function returns of the whole, from what it returns of each part."""
    axis = len(places[0]) - 1
    outputs = zip(*side_by_side(function, places), strict=True)
    return tuple(joined(each, axis, concatenate) for each in outputs)


def joined(outputs: Sequence[Any], axis: int, concatenate: Callable[..., Any]) -> Any:
    """Join what the parts returned: arrays along the axis; what is no array, if all agree."""
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
