"""A⁻¹b of a square matrix by Gaussian elimination.

Elimination costs 2/3·N³ operations, an inverse three times as many, and the SVD more than thirty
times. Eight more columns are solved along with b. Their solutions estimate ‖A⁻¹‖, and the residuals
of all columns show how much accuracy elimination has lost.

**Certificate.** With R = B − A Y for the columns of B, each y solves (A + ΔA)y = b exactly for some
‖ΔA‖ = ‖r‖/‖y‖ (J. L. Rigal, J. Gaches, J. ACM 14 (1967), 543–548). So its error is at most
‖A⁻¹‖‖r‖, and ‖r‖ ≤ 8·√N·eps·‖A‖_F‖y‖ makes that 8·N·eps·κ‖y‖. σₙ ≥ 1/‖A⁻¹‖_F must be at least twice
the cutoff, because of rounding in Y.

‖A⁻¹‖_F is estimated (`_estimate.py`).
"""

from __future__ import annotations

import math
from typing import Any

from .._factor import Solution
from .._problem import Problem, less, norm
from ._estimate import SAFETY, VECTORS, vectors
from ._proposal import REFUSED, Proposal


def in_vain(p: Problem) -> bool:
    """Tell whether no matrix of this shape can be accepted, since ‖A‖_F‖A⁻¹‖_F ≥ N.

    Because of the safety factor, this is so in single precision from 363 columns on.
    """
    return bool(p.n * SAFETY * (4.0 * p.n * p.eps) >= 1.0)


def elimination(p: Problem) -> Proposal:
    """Propose x = A⁻¹b."""
    lib, a, n, eps, dot = p.lib, p.a, p.n, p.eps, p.lib.matmul
    b: Any = p.b
    k = b.shape[-1]
    v = vectors(p, a, p.norm)
    if v.ndim < a.ndim:
        v = lib.xp.broadcast_to(v, (*a.shape[:-2], *v.shape))
    both = lib.xp.concat([b, v], axis=-1)
    y = lib.solve(a, both)
    norm_w: Any = norm(lib, y[..., k:]) * (1.0 / math.sqrt(VECTORS))
    kappa = p.norm * norm_w
    sound = kappa * (4.0 * n * eps * SAFETY) < 1.0
    if sound is False:
        return REFUSED
    left = lib.squares(both - dot(a, y), axis=-2)
    limit = p.norm * (8.0 * math.sqrt(n) * eps)
    limit = limit * limit
    squares = lib.squares(y, axis=-2)
    if p.one and k <= 16:
        pairs = zip(lib.numbers(left), lib.numbers(squares), strict=True)
        accurate: Any = all(r <= limit * s for r, s in pairs)
    else:
        limit = limit if isinstance(limit, float) else limit[..., None]
        accurate = lib.xp.all(left <= squares * limit, axis=-1)
    accepted = (
        sound & less(kappa, 2.0 * SAFETY * p.rtol) & less(norm_w, 2.0 * SAFETY * p.atol) & accurate
    )
    return Proposal(accepted, lambda: Solution(y[..., :k], left[..., :k], n))
