"""A⁻¹b of a square matrix by Gaussian elimination, where a certificate holds.

Elimination costs 2/3·N³ operations, an inverse three times as many, and the singular value
decomposition more than thirty times. Some columns are solved along with b whose solutions tell how
large A⁻¹ is, and what is left of all columns tells how much elimination has lost.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import eps_of, less, probes

# Up to so many columns A⁻¹ itself is computed, and costs no more than some columns of it.
EXACT = 8
# By how much the size of A⁻¹ is taken larger than `probes` show it.
SAFETY = 16.0


def in_vain(lib: Adapter, a: Array) -> bool:
    """Tell whether no matrix of this shape can be accepted, since ‖A‖_F‖A⁻¹‖_F is at least N.

    So it is in single precision from some hundred columns on: what is estimated has a safety.
    """
    n = int(a.shape[-1])
    return n > EXACT and n * SAFETY * (4.0 * n * eps_of(lib, a)) >= 1.0


def elimination(
    lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any
) -> tuple[Array, Array, Any, Any]:
    """Propose x = A⁻¹b.

    With R = B − A Y for the columns of B, each y solves (A + ΔA)y = b exactly for some
    ‖ΔA‖ = ‖r‖/‖y‖ (J. L. Rigal, J. Gaches, J. ACM 14 (1967), 543–548), so that its error is at
    most ‖A⁻¹‖‖r‖, and ‖r‖ ≤ 8·√N·eps·‖A‖_F‖y‖ makes that 8·N·eps·κ‖y‖. σ_N ≥ 1/‖A⁻¹‖_F must
    exceed the cutoff twice, for what rounding does to Y.

    ‖A⁻¹‖_F is estimated by `probes`, or is that of the inverse, which loses no more than
    2ᴺ·N·eps·κ of its size: pivots grow by 2ᴺ⁻¹ at most. The inverse solves twice, since it loses
    more of x than elimination does.

    Parameters
    ----------
    lib
        The adapter of the arrays.
    a : array, shape (..., N, N)
    b : array, shape (..., N, K)
        Of the batch shape of `a`.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    x : array, shape (..., N, K)
    squares : array, shape (..., K)
        The squared 2-norms of the columns of b − A x.
    accepted, hopeless : array of bool, the batch shape, or bool
        Whether the certificate holds, and whether no other one of full rank can hold.
    """
    n, k, dot = a.shape[-1], b.shape[-1], lib.matmul
    eps = eps_of(lib, a)
    if n <= EXACT:
        w = lib.inv(a)
        x = dot(w, b)
        y = x = x + dot(w, b - dot(a, x))
        left = lib.column_squares(b - dot(a, x))
        norm_w, doubt = lib.norm(w), 2.0**n
    else:
        v = probes(lib, a)
        if a.ndim > 2:
            v = lib.xp.broadcast_to(v, (*a.shape[:-2], *v.shape))
        both = lib.xp.concat([b, v], axis=-1)
        y = lib.solve(a, both)
        x, left = y[..., :k], lib.column_squares(both - dot(a, y))
        norm_w, doubt = lib.norm(y[..., k:]), SAFETY
    norm_a, norm_w = lib.numbers(lib.norm(a), norm_w)
    limit = norm_a * (8.0 * math.sqrt(n) * eps)
    limit = limit * limit
    if isinstance(limit, float) and k <= 16:
        sizes = zip(lib.read(left), lib.read(lib.column_squares(y)), strict=True)
        accurate: Any = all(r <= limit * s for r, s in sizes)
    else:
        limit = limit if isinstance(limit, float) else limit[..., None]
        accurate = lib.xp.all(left <= lib.column_squares(y) * limit, axis=-1)
    kappa = norm_a * norm_w
    accepted = (
        (kappa * (4.0 * n * eps * doubt) < 1.0)
        & less(kappa, 2.0 * doubt * rtol)
        & less(norm_w, 2.0 * doubt * atol)
        & accurate
    )
    return x, left[..., :k], accepted, kappa * (n * eps) >= 1.0
