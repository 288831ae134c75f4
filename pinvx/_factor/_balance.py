"""Make A safe to factorize: finite, and of moderate scale."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from .._adapter import Adapter
from .._typing import Array


class Balanced(NamedTuple):
    """A·unit, with zeros in place of matrices that are not finite."""

    a: Array
    unit: Array
    """A power of two for each matrix, the batch shape: 1 for all but extreme scales."""
    finite: Array
    """Whether A has neither NaN nor infinity, the batch shape."""


def balance(lib: Adapter, a: Array) -> Balanced:
    """Bring each matrix of a batch to a scale at which squares and ratios are representable.

    As LAPACK does in its drivers, only matrices of extreme scale are touched, and by a power of
    two that is a constant: nothing is rounded, and (Ac)⁺ = A⁺/c holds bit for bit. Libraries
    that do not call LAPACK (Jacobi methods on GPUs square the entries) get the same safety.

    A factorization of a NaN raises in one library, spoils the batch in the next and returns NaN
    in a third. Here such a matrix is replaced by zeros before, and its result by NaN afterwards.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N), M, N > 0
    """
    xp = lib.xp
    edge, step = extremes(lib, a)
    if lib.on_host(a):
        # A norm costs less than all that follows, and tells that there is nothing to do.
        norm = lib.norm(a)
        size = math.sqrt(math.prod(a.shape[-2:]))
        ordinary = (norm > size / edge) & (norm < edge)
        if lib.all(ordinary):
            return Balanced(a, xp.ones_like(norm), ordinary)
    peak = xp.max(xp.abs(a), axis=(-2, -1))  # NaN propagates: one pass answers both questions
    one = xp.ones_like(peak)
    unit = xp.where(peak < 1.0 / edge, step * one, xp.where(peak > edge, one / step, one))
    finite = xp.isfinite(peak)
    # Masked before it is scaled: a complex infinity times a number warns in NumPy.
    masked = xp.where(finite[..., None, None], a, xp.zeros_like(a))
    return Balanced(masked * unit[..., None, None], unit, finite)


def extremes(lib: Adapter, a: Array) -> tuple[float, float]:
    """Return the scale that is left alone, at most, and the factor for what lies beyond."""
    return _extremes(lib.precision(a.dtype).exponents)  # type: ignore[union-attr]  # checked at the call


@cache
def _extremes(exponents: int) -> tuple[float, float]:
    """Return 2**±(5/16 of all exponents) and 3/4 of them.

    Both ends of the range, subnormal numbers included, land where squares neither overflow nor
    underflow.
    """
    return 2.0 ** (5 * exponents // 16), 2.0 ** (3 * exponents // 4)
