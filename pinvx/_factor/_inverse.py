"""A⁺ of a square matrix: its inverse by Gaussian elimination, where the certificate holds.

The inverse costs 2N³ operations; the singular value decomposition more than 20N³. What elimination
loses grows with N and shows up in I − W A, and too much of it is refused. Of a large matrix that is
well conditioned one step of Newton's iteration, W + (I − W A) W, makes as accurate an inverse as
any (G. Schulz, ZAMM 13 (1933), 57–59). Its rounding errors leave A W − I of eps·κ², so it is not
for the others.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import identity, inverts
from ._factor import Factor, Gramian

# From here on elimination loses visibly more than the decomposition.
LARGE = 512


def inverse(
    lib: Adapter, a: Array, gramian: Gramian | None, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = A⁻¹ and Z = I.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., N, N)
    gramian
        Not used.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    factor : Factor
    accepted : array of bool, the batch shape, or bool
    """
    del gramian
    w = lib.inv(a)
    n, dot = a.shape[-1], lib.matmul
    if n >= LARGE:
        norm_a, norm_w = lib.numbers(lib.norm(a), lib.norm(w))
        near = norm_a * norm_w <= 8.0 * n  # so that κ ≤ 8N, and eps·κ² is within 8·N·eps·κ
        if near is not False:
            better = w + dot(identity(lib, a) - dot(w, a), w)
            w = better if near is True else lib.xp.where(near[..., None, None], better, w)
    return Factor(w, None, a.shape[-1]), inverts(lib, a, w, rtol, atol)
