"""A⁺ of a square matrix: its inverse by Gaussian elimination.

The inverse costs 2N³ operations, the SVD more than 20N³. The error of elimination grows with N and
shows in E = I − W A; too large an E is refused. For a large, well-conditioned matrix one step of
Newton's iteration, W + E W, gives a fully accurate inverse (G. Schulz, ZAMM 13 (1933), 57–59). Its
rounding errors leave ‖A W − I‖ ≈ eps·κ², so other matrices do not take the step.

**Certificate.** With ‖E‖ < 1/2 every singular value is at least 1/(2‖W‖): for a unit vector v,
1 = ‖v‖ ≤ ‖W A v‖ + ‖E v‖ ≤ ‖W‖‖A v‖ + 1/2. If that exceeds max(atol, rtol·‖A‖), nothing is
truncated, and A⁺ = A⁻¹. The error is ‖W − A⁻¹‖ ≤ ‖E‖‖A⁻¹‖, and 8·N·eps·κ‖A⁻¹‖ is promised, which
‖E‖_F ≤ 8·eps·‖A‖_F‖W‖_F keeps, since ‖A‖_F‖W‖_F ≤ Nκ. NaN and infinity fail every comparison.
"""

from __future__ import annotations

from typing import Any

from .._factor import Factor
from .._problem import Problem, identity, less, norm
from .._typing import Array
from ._estimate import SAFETY, estimate, vectors
from ._proposal import REFUSED, Proposal

# Up to this many columns E is formed; beyond, its norm is estimated.
EXACT = 128
# From this many columns on, elimination is visibly less accurate than the SVD.
NEWTON_FROM = 512


def inverse(p: Problem) -> Proposal:
    """Propose W = A⁻¹ and Z = I."""
    lib, a, dot = p.lib, p.c, p.lib.matmul
    w = lib.inv(a)
    norm_w = norm(lib, w)
    if p.one and not p.norm * norm_w * (4.0 * p.n * p.eps) < 1.0:
        return REFUSED
    if p.n >= NEWTON_FROM:
        near = p.norm * norm_w <= 8.0 * p.n  # so that κ ≤ 8N, and eps·κ² is within 8·N·eps·κ
        if near is not False:
            better = w + dot(identity(lib, a) - dot(w, a), w)
            w = better if near is True else lib.xp.where(near[..., None, None], better, w)
    return Proposal(inverts(p, w, norm_w), lambda: Factor(w, None, p.n))


def inverts(p: Problem, w: Array, norm_w: Any) -> Any:
    """Tell for each square matrix whether the certificate holds."""
    lib, n, eps, dot = p.lib, p.n, p.eps, p.lib.matmul
    if n <= EXACT:
        e, safety = norm(lib, dot(w, p.c) - identity(lib, w)), 1.0
    else:
        v = vectors(p, p.c, p.norm)
        e, safety = estimate(p, v - dot(w, dot(p.c, v))), SAFETY
    kappa = p.norm * norm_w
    # ‖E‖ < 1/4 as computed, plus less than 1/4 for rounding in the product.
    sound = (e * (4.0 * safety) < 1.0) & (kappa * (4.0 * n * eps) < 1.0)
    accurate = e <= kappa * (8.0 * eps)
    return sound & accurate & less(kappa, 2.0 * p.rtol) & less(norm_w, 2.0 * p.atol)
