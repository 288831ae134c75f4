"""The ladder of a program that is traced: no value can be read, and what runs is chosen inside.

The same rungs and certificates as in `_ladder.py`. A branch that no matrix takes costs nothing but
its compilation, so there are few: the first rung; then one for the whole batch, either for
what lacks rank or for what does not; and the decomposition, of those matrices alone that are left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._batch import merged
from ._certificate import EXACT, eps_of
from ._cholesky_qr import cholesky_qr
from ._factor import Factor, Gramian
from ._gram import gram
from ._inverse import inverse
from ._subspace import subspace
from ._svd import svd

# When fewer than one in so many matrices of a batch are refused, they are decomposed at once.
FEW = 32


def traced(lib: Adapter, a: Array, rtol: Any, atol: Any, *, whole: bool) -> Factor:
    """Factorize A by the fastest certified way.

    Parameters
    ----------
    lib
        The adapter of `a`, which branches.
    a : array, shape (..., M, N)
        M ≥ N.
    rtol, atol
        As `tolerances` returns them.
    whole : bool
        Whether to return W = A⁺ and Z = I. What leaves a branch is copied, so A⁺ is formed inside.
    """
    xp, batch = lib.xp, tuple(a.shape[:-2])
    if not batch:
        return _of_one_batch(lib, a, rtol, atol, whole)

    def flat(t: Any) -> Any:
        # A number may have become an array without dimensions.
        return xp.reshape(xp.broadcast_to(t, batch), (-1,)) if getattr(t, "ndim", 0) else t

    stacked = a if len(batch) == 1 else xp.reshape(a, (-1, *a.shape[-2:]))
    factor: Any = _of_one_batch(lib, stacked, flat(rtol), flat(atol), whole)
    parts = (None if x is None else xp.reshape(x, (*batch, *x.shape[1:])) for x in factor[:3])
    return Factor(*parts)


def _of_one_batch(lib: Adapter, a: Array, rtol: Any, atol: Any, whole: bool) -> Factor:
    m, n = a.shape[-2:]
    eps = eps_of(lib, a)
    if m == n:
        gramian = None
        first, accepted = inverse(lib, a, None, rtol, atol)
        known = lib.norm(a) * lib.norm(first.w) * (n * eps)
    else:
        g = lib.gramian(a)
        gramian = Gramian(g, lib.adjoint(lib.inv_lower(lib.cholesky(g))))
        first, accepted = gram(lib, a, gramian, rtol, atol)
        known = lib.norm(g) * lib.norm(first.w) * (32.0 * eps)
    lacking = ~(known < 1.0)
    first = first.with_ranks(lib, a)

    def finished(factor: Factor) -> Factor:
        if not (whole or m == n):
            return factor._replace(s=None)
        return Factor(factor.pinv(lib), None, factor.rank)

    def decomposed(a: Array, rtol: Any, atol: Any) -> Factor:
        return svd(lib, a, rtol, atol, of_pinv=whole or m == n)

    def refused() -> Factor:
        if a.ndim == 2:
            second, sound = _second(
                lib, a, gramian, rtol, atol, finished(first), accepted, lacking, finished
            )
            last: Factor = lib.branch(
                sound, lambda: second, lambda: finished(decomposed(a, rtol, atol))
            )
            return last
        second, sound = _second(
            lib, a, gramian, rtol, atol, first, accepted, lacking, lambda factor: factor
        )

        def again(*inputs: Any) -> Factor:
            return finished(decomposed(*inputs))

        mended: Factor = lib.mend(sound, finished(second), again, (a, rtol, atol))
        return mended

    factor: Factor = lib.branch(accepted, lambda: finished(first), refused)
    return factor


def _second(
    lib: Adapter,
    a: Array,
    gramian: Gramian | None,
    rtol: Any,
    atol: Any,
    first: Factor,
    accepted: Array,
    lacking: Array,
    finished: Callable[[Factor], Factor],
) -> tuple[Factor, Array]:
    """Return the factors after the second rung, and of which matrices they are accepted."""

    def kept() -> tuple[Factor, Array]:
        return first, accepted

    if gramian is None and (a.shape[-1] < EXACT or not lib.slow_svd):
        return kept()  # the decomposition costs little more than the eigenvectors

    def tried(rung: Any) -> tuple[Factor, Array]:
        factor, sound = rung(lib, a, gramian, rtol, atol)
        factor = factor.with_ranks(lib, a)
        if gramian is None:
            factor = Factor(factor.pinv(lib), None, factor.rank)
        if a.ndim == 2:
            return finished(factor), sound
        return merged(lib, accepted, first, factor), accepted | sound

    def lacks_rank() -> tuple[Factor, Array]:
        return tried(subspace)

    xp = lib.xp
    if a.ndim == 2:
        few, all_lack = False, accepted | lacking
    else:
        few = FEW * xp.sum(xp.astype(~accepted, xp.asarray(0).dtype)) <= a.shape[0]
        all_lack = xp.all(accepted | lacking)
    result: tuple[Factor, Array]
    if gramian is None:
        result = lib.branch(all_lack if few is False else all_lack & ~few, lacks_rank, kept)
        return result

    def either() -> Any:
        return lib.branch(all_lack, lacks_rank, lambda: tried(cholesky_qr))

    result = either() if few is False else lib.branch(few, kept, either)
    return result
