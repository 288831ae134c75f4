"""The fastest way to A⁺ that can be certified, rung by rung; the last is unconditional.

Square: the inverse, then the singular value decomposition. Tall: the normal equations, Cholesky QR,
then the decomposition. Wide: as the adjoint. In a batch only the matrices that were
refused go down to the last rung. One boolean a rung is read to choose; where values cannot be
read (a tracer, compiled code) the decomposition is taken at once.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._cholesky_qr import cholesky_qr
from ._factor import Factor
from ._gram import gram
from ._inverse import inverse
from ._svd import svd

# Below this many entries the number of calls into the library rules, and the decomposition has
# the fewest.
SMALL = 512


def ladder(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Return A⁺ itself, as a factor with Z = I.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.
    """
    m, n = a.shape[-2:]
    if math.prod(a.shape) < SMALL or not lib.readable(a):
        return svd(lib, a, rtol, atol)
    if m < n:
        wide = ladder(lib, lib.adjoint(a), rtol, atol)
        return Factor(lib.adjoint(wide.w), None, wide.rank, None)
    with lib.quiet():
        y, accepted = (inverse if m == n else gram)(lib, a, rtol, atol)
        if m > n and not lib.all(accepted):
            better, accepted_now = cholesky_qr(lib, a, rtol, atol)
            y = lib.xp.where(accepted[..., None, None], y, better)
            accepted = accepted | accepted_now
    # Of full rank, each of them: 0 is replaced for those that were refused.
    rank = lib.xp.astype(accepted, lib.xp.asarray(0).dtype) * n
    if lib.all(accepted):
        return Factor(y, None, rank, None)
    return _finish(lib, a, y, rank, accepted, rtol, atol)


def _finish(
    lib: Adapter, a: Array, y: Array, rank: Array, accepted: Array, rtol: Any, atol: Any
) -> Factor:
    """Send the matrices that were refused to the last rung, and put the results together."""
    xp = lib.xp
    batch = tuple(a.shape[:-2])
    if not batch or lib.all(~accepted):
        last = svd(lib, a, rtol, atol)
        return Factor(last.pinv(lib), None, last.rank, None)
    refused = xp.nonzero(~xp.reshape(accepted, (-1,)))[0]

    def chosen(x: Any, core: int) -> Any:
        if isinstance(x, float):
            return x
        full = xp.broadcast_to(x, (*batch, *x.shape[x.ndim - core :]))
        return xp.take(xp.reshape(full, (-1, *full.shape[len(batch) :])), refused, axis=0)

    last = svd(lib, chosen(a, 2), chosen(rtol, 0), chosen(atol, 0))
    # Where each item of the batch stands in the list of the accepted followed by the refused.
    flat = xp.reshape(accepted, (-1,))
    count = flat.shape[0]
    order = xp.astype(~flat, refused.dtype)
    place = xp.arange(count, dtype=refused.dtype, device=lib.device(a))
    place = xp.where(flat, place, count + xp.cumulative_sum(order) - 1)

    def merged(first: Array, second: Array) -> Array:
        flattened = xp.reshape(first, (count, *first.shape[len(batch) :]))
        both = xp.concat([flattened, second], axis=0)
        return xp.reshape(xp.take(both, place, axis=0), first.shape)

    return Factor(merged(y, last.pinv(lib)), None, merged(rank, last.rank), None)
