"""x = A⁺b by the library's own least squares, where it shows which singular values it counted.

LAPACK's `gelsd` applies the orthogonal matrices of the singular value decomposition to b and never
forms them. It decides nothing here: the rank it took has to follow from its singular values.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._tolerance import counted, how_many
from .._typing import Array
from ._balance import extremes


def minimum_norm(
    lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any
) -> tuple[Array, Array | None, Array | int] | None:
    """Return x, ‖b − A x‖² of each column if the library knows it, and the rank.

    None stands for all of it where the library has no such function, or it is of no use.

    Matrices that are zero, of extreme scale or not finite are left to the decomposition, and so is
    the whole batch that has one of them.

    Parameters
    ----------
    lib
        The adapter of the arrays, whose values can be read.
    a : array, shape (..., M, N)
    b : array, shape (..., M, K)
        Of the batch shape of `a`, without infinities.
    rtol, atol
        As `tolerances` returns them.
    """
    if not (isinstance(rtol, float) and 0.0 < rtol < 1.0) or atol != 0.0 or 0 in a.shape:
        return None
    solved = lib.minimum_norm(a, b, rtol)
    if solved is None:
        return None
    x, squares, rank, s = solved
    edge = extremes(lib, a)[0]
    if a.ndim == 2:
        sigma = lib.read(s)
        largest = sigma[0]
        counts: Any = how_many(sigma, rtol * largest)
        agreed = int(rank) == counts and 1.0 / edge < largest < edge
    else:
        xp, largest = lib.xp, s[..., 0]
        keep = counted(lib, s, largest, 1.0, rtol, 0.0)
        counts = xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1)
        agreed = lib.all((rank == counts) & (largest > 1.0 / edge) & (largest < edge))
    return (x, squares, counts) if agreed else None
