"""The fastest way to A⁺ that can be certified, rung by rung; the last is unconditional.

Square: the inverse, subspace iteration, then the singular value decomposition. Tall: the normal
equations, Cholesky QR, and the same. Wide: as the adjoint. Of single precision the rungs below the
first compute in double precision, where the library has it. In a batch only the matrices that were
refused go down. One answer a rung is read to choose; where the library branches by itself
`_traced.py` climbs down, and where neither is possible the decomposition is taken at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .._adapter import Adapter
from .._typing import Array
from ._batch import Refused
from ._certificate import hopeless, largest_square, least_condition, none_below
from ._cholesky_qr import cholesky_qr
from ._double import double_cholesky, double_eigenvectors
from ._factor import NOTHING, Factor, Gramian
from ._gram import gram
from ._inverse import inverse
from ._subspace import subspace
from ._svd import svd
from ._traced import traced

# From this many entries in one matrix the decomposition costs more than trying something else.
LARGE = 1 << 14

# Up to so many columns a matrix that is not square is narrow.
NARROW = 8

# (lib, A, what is known of AᴴA, rtol, atol) -> (factor, accepted).
Rung: TypeAlias = Callable[..., tuple[Factor, Any]]


def ladder(lib: Adapter, a: Array, rtol: Any, atol: Any, *, of_pinv: bool = False) -> Factor:
    """Factorize A by the fastest certified way.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.
    of_pinv : bool
        Whether nothing but A⁺ is wanted, as a hint.
    """
    if not lib.branches(a):
        return svd(lib, a, rtol, atol)
    m, n = a.shape[-2:]
    if is_small(lib, a):
        factor = svd(lib, a, rtol, atol, of_pinv=of_pinv)
        if lib.readable(a):
            return factor
        # What is traced has one form, whether it is one matrix or a batch of them by now.
        factor = factor._replace(s=None)
        return factor if m != n else Factor(factor.pinv(lib), None, factor.rank)
    if m < n:
        return ladder(lib, lib.adjoint(a), rtol, atol, of_pinv=of_pinv).adjoint()
    if not lib.readable(a):
        return traced(lib, a, rtol, atol, whole=of_pinv)
    if m == n:
        return descend(lib, (inverse, *map(whole, last_rungs(lib, a))), a, None, rtol, atol)
    below = last_rungs(lib, a)
    g = lib.gramian(a)
    r = lib.cholesky(g)
    kappa = least_condition(lib, r)
    if hopeless(lib, a, kappa):
        return descend(lib, below, a, Gramian(g, None), rtol, atol)
    gramian = Gramian(g, lib.adjoint(lib.inv_lower(r)))
    rungs = last_rungs(lib, a, triangle=True)
    if not (lib.on_host(a) and none_below(lib, kappa * kappa, largest_square(lib, a))):
        rungs = (gram, *rungs)
    return descend(lib, rungs, a, gramian, rtol, atol)


def ladder_of_pinv(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize A by the fastest certified way to A⁺ itself; otherwise as `ladder`."""
    return ladder(lib, a, rtol, atol, of_pinv=True)


def last_rungs(lib: Adapter, a: Array, *, triangle: bool = False) -> tuple[Rung, ...]:
    """Return the rungs for what lacks rank, or is not known to have it.

    With a triangle, R⁻¹ of the normal equations, it may still be found to have it.
    """
    short, long = sorted(a.shape[-2:])
    # A decomposition of a small square matrix costs little more than its eigenvectors.
    if (is_large(a) or long >= 2 * short) and lib.double(a) is not None:
        return (in_double,)
    first: tuple[Rung, ...] = (cholesky_qr,) if triangle else ()
    if is_large(a):
        return (*first, subspace, last)
    return (*first, last)


def in_double(lib: Adapter, a: Array, _: Any, rtol: Any, atol: Any) -> tuple[Factor, bool]:
    """Take the rungs of single precision that compute in double precision, and the last."""
    xp, single = lib.xp, a.dtype
    a = xp.astype(a, lib.double(a))
    g = lib.gramian(a)
    r = lib.cholesky(g)
    gramian = Gramian(g, None)
    rungs: tuple[Rung, ...] = (double_eigenvectors, last)
    # Otherwise no matrix has full rank.
    if not (isinstance(rtol, float) and none_below(lib, least_condition(lib, r) * rtol, 1.0)):
        gramian = Gramian(g, lib.adjoint(lib.inv_lower(r)))
        rungs = (double_cholesky, *rungs)
    real = lib.precision(a.dtype).real  # type: ignore[union-attr]  # checked at the call
    tolerances = (x if isinstance(x, float) else xp.astype(x, real) for x in (rtol, atol))
    factor = descend(lib, rungs, a, gramian, *tolerances)
    return Factor(xp.astype(factor.w, single), xp.astype(factor.z, single), factor.rank), True


def is_large(a: Array) -> bool:
    """Tell whether a decomposition of one of these matrices costs more than anything else."""
    return bool(math.prod(a.shape[-2:]) >= LARGE)


def is_small(lib: Adapter, a: Array) -> bool:
    """Tell whether the ladder leaves matrices of this shape to the decomposition.

    Of a narrow matrix it costs little more than a product: a way that is refused costs as much.
    """
    entries = math.prod(a.shape)
    if entries < lib.small:
        return True
    m, n = a.shape[-2:]
    return bool(a.ndim == 2 and m != n and min(m, n) <= NARROW and entries < 4 * lib.small)


def last(lib: Adapter, a: Array, _: Any, rtol: Any, atol: Any) -> tuple[Factor, bool]:
    """Take the last rung: the decomposition, which accepts everything."""
    return svd(lib, a, rtol, atol)._replace(s=None), True


def whole(rung: Rung) -> Rung:
    """Let a rung return A⁺ in the form of `inverse`, with Z = I."""

    def rung_of_inverse(
        lib: Adapter, a: Array, gramian: Any, rtol: Any, atol: Any
    ) -> tuple[Factor, Any]:
        factor, accepted = rung(lib, a, gramian, rtol, atol)
        if factor is not NOTHING:
            factor = Factor(factor.pinv(lib), None, factor.rank)
        return factor, accepted

    return rung_of_inverse


def descend(
    lib: Adapter, rungs: Sequence[Rung], a: Array, gramian: Gramian | None, rtol: Any, atol: Any
) -> Factor:
    """Try the rungs in turn, for an array whose values can be read; the last accepts everything."""
    rung, *lower = rungs
    first, accepted = rung(lib, a, gramian, rtol, atol)
    if lib.all(accepted):
        return first
    if a.ndim == 2 or accepted is False or lib.all(~accepted):
        return descend(lib, lower, a, gramian, rtol, atol)
    items = Refused.of(lib, accepted)
    part, tolerances = items.take(a, 2), (items.take(rtol, 0), items.take(atol, 0))
    known = None if gramian is None else Gramian(*(items.take(x, 2) for x in gramian))
    below = descend(lib, lower, part, known, *tolerances)
    return items.insert(first.with_ranks(lib, a), below.with_ranks(lib, part))
