"""The fastest way to A⁺ that can be certified, rung by rung; the last is unconditional.

Square: the inverse, then the singular value decomposition. Tall: the normal equations, Cholesky QR,
then the decomposition. Wide: as the adjoint. In a batch only the matrices that were refused go
down. One answer a rung is read to choose, or the library branches by itself (a traced `cond`);
where neither is possible the decomposition is taken at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .._adapter import Adapter
from .._typing import Array
from ._batch import Refused, merged
from ._cholesky_qr import cholesky_qr
from ._factor import Factor, ranks
from ._gram import gram
from ._inverse import inverse
from ._svd import svd

# Below this many entries the number of calls into the library rules, and the decomposition has
# the fewest.
SMALL = 512

# (lib, A, AᴴA, rtol, atol) -> (W, Z, accepted), or the factor itself for the last one.
Rung: TypeAlias = Callable[..., Any]


def ladder(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize A by the fastest certified way.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.
    """
    if is_small(a) or not lib.branches(a):
        return svd(lib, a, rtol, atol)
    m, n = a.shape[-2:]
    if m < n:
        return ladder(lib, lib.adjoint(a), rtol, atol).adjoint()
    if m == n:
        return _descend(lib, (inverse, _whole), a, None, rtol, atol)
    g = lib.matmul(lib.adjoint(a), a)
    return _descend(lib, (gram, cholesky_qr, _halves), a, g, rtol, atol)


def is_small(a: Array) -> bool:
    """Tell whether the ladder leaves matrices of this shape to the decomposition."""
    return bool(math.prod(a.shape) < SMALL)


def _whole(lib: Adapter, a: Array, _: Any, rtol: Any, atol: Any) -> Factor:
    """Take the last rung, in the form of `inverse`."""
    last = svd(lib, a, rtol, atol)
    return Factor(last.pinv(lib), None, last.rank)


def _halves(lib: Adapter, a: Array, _: Any, rtol: Any, atol: Any) -> Factor:
    """Take the last rung, in the form of `gram`."""
    last = svd(lib, a, rtol, atol)
    return Factor(last.w, last.z, last.rank)


def _descend(
    lib: Adapter, rungs: Sequence[Rung], a: Array, g: Array | None, rtol: Any, atol: Any
) -> Factor:
    """Try the rungs in turn, the last without a question."""
    rung, *lower = rungs
    if not lower:
        last: Factor = rung(lib, a, g, rtol, atol)
        return last
    w, z, accepted = rung(lib, a, g, rtol, atol)
    rank = a.shape[-1]

    def taken() -> Factor:
        return Factor(w, z, rank if lib.readable(a) else ranks(lib, rank, a))

    def refused() -> Factor:
        if a.ndim == 2 or (lib.readable(a) and lib.all(~accepted)):
            return _descend(lib, lower, a, g, rtol, atol)
        first = Factor(w, z, ranks(lib, rank, a))
        if not lib.readable(a):
            return merged(lib, accepted, first, _descend(lib, lower, a, g, rtol, atol))
        items = Refused.of(lib, accepted)
        part = (items.take(a, 2), items.take(g, 2), items.take(rtol, 0), items.take(atol, 0))
        return items.insert(first, _descend(lib, lower, *part))

    factor: Factor = lib.branch(accepted, taken, refused)
    return factor
