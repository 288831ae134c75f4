"""The certificate that a matrix Y, wherever it comes from, is the pseudoinverse of A.

**Lemma.** Let A be M×N with M ≥ N, Y any N×M matrix, and e = ‖I − Y A‖ < 1. Then
σ_N(A) ≥ (1 − e)/‖Y‖. *Proof.* For a unit vector v, 1 = ‖v‖ ≤ ‖Y A v‖ + ‖(I − Y A) v‖
≤ ‖Y‖ ‖A v‖ + e. ∎

So if (1 − e)/‖Y‖_F exceeds max(atol, rtol·‖A‖_F), every singular value is above the cutoff,
nothing is truncated, and A⁺ is the ordinary left inverse, whatever the cutoff was. NaN and infinity
fail every comparison, and so do norms whose squares overflow or underflow: where one of them
vanishes the other is infinite, and their product is NaN.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._dtypes import precision
from .._typing import Array

# Up to this many columns I − Y A is formed; beyond, its norm is estimated from so many vectors.
EXACT = 16
VECTORS = 4
# For a random v of unit variance E‖Ev‖² = ‖E‖_F². With four vectors the estimate is 8 times too
# small only if all of them are nearly orthogonal to all rows of E, which are rounding errors.
SAFETY = 8.0


def judge(lib: Adapter, a: Array, y: Array, rtol: Any, atol: Any, *, slack: float = 1.0) -> Array:
    """Tell for each matrix whether Y is proved to be A⁺.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
        M ≥ N.
    y : array, shape (..., N, M)
        A proposal of the form M Aᴴ, so that a left inverse is the pseudoinverse.
    rtol, atol
        As `tolerances` returns them.
    slack
        How many eps·‖A‖_F‖Y‖_F the norm of I − Y A may have.

    Returns
    -------
    array of bool, the batch shape
        Whether no singular value is at or below the cutoff, and ‖Y − A⁺‖ ≤ ‖I − Y A‖ ‖A⁺‖ is at
        most slack·eps·‖A‖_F‖Y‖_F·‖A⁺‖. Beyond `EXACT` columns ‖I − Y A‖ is an estimate, and so the
        first is near certain and not proved.
    """
    known = precision(lib.xp, a.dtype)
    assert known is not None  # checked at the call
    error = defect(lib, a, y)
    y2 = norm2(lib, y)
    kappa = norm2(lib, a) * y2  # (‖A‖_F ‖Y‖_F)²
    safety = 1.0 if a.shape[-1] <= EXACT else SAFETY
    # What the computed I − Y A may lack of the true one: rounding in the product.
    rounding = max(a.shape[-2:]) * known.eps
    e2 = 2.0 * (safety * safety * error + rounding * rounding * kappa)
    # (1 − e)/‖Y‖ > t, for e < 1/2, follows from ‖Y‖ t < 1/2.
    full_rank = (e2 < 0.25) & (4.0 * (rtol * rtol) * kappa < 1.0)
    full_rank = full_rank & (4.0 * (atol * atol) * y2 < 1.0)
    return full_rank & (error <= (slack * known.eps) ** 2 * kappa)


def norm2(lib: Adapter, x: Array) -> Array:
    """Return ‖x‖_F² for each matrix, as a real array."""
    flat = lib.xp.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))
    squared = lib.xp.vecdot(flat, flat)
    return lib.xp.real(squared) if lib.xp.isdtype(x.dtype, "complex floating") else squared


def defect(lib: Adapter, a: Array, y: Array) -> Array:
    """Return ‖I − Y A‖_F² or an estimate of it, from products with A itself."""
    dot = lib.matmul
    if a.shape[-1] <= EXACT:
        ya = dot(y, a)
        identity = lib.xp.eye(ya.shape[-1], dtype=ya.dtype, device=lib.device(ya))
        return norm2(lib, identity - ya)
    v = test_vectors(lib, a)
    return norm2(lib, v - dot(y, dot(a, v))) / VECTORS


def test_vectors(lib: Adapter, a: Array) -> Array:
    """Return V of shape (N, 4) and unit variance, without a pattern and always the same."""
    xp = lib.xp
    known = precision(xp, a.dtype)
    assert known is not None  # checked at the call
    n = a.shape[-1]
    i = xp.arange(1, n * VECTORS + 1, dtype=known.real, device=lib.device(a))
    # The squares modulo 2π are spread evenly and have no period (Weyl).
    v = math.sqrt(2.0) * xp.cos(i * i)
    return xp.astype(xp.reshape(v, (n, VECTORS)), a.dtype)
