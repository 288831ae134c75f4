"""A⁺ of a tall matrix from Cholesky QR, twice: matrix products, for κ up to about 10⁷ (float64).

With AᴴA = RᴴR the columns of Q = A R⁻¹ are orthonormal but for an error of eps·κ², and one more
Gram matrix repairs that: A⁺ = R⁻¹ (QᴴQ)⁻¹ Qᴴ (CholeskyQR2: T. Fukaya et al., ScalA 2014;
Y. Yamamoto et al., ETNA 44 (2015), 306–326). It does not matter how far R is from the triangular
factor of A: any R⁻¹ that makes Q well conditioned will do, and QᴴQ, which is there, tells.

QᴴQ = I + E needs no factorization: (I − E)(I + E²)(I + E⁴) is its inverse but for a factor I − E⁸.

Correcting (AᴴA)⁻¹Aᴴ by powers of I − Y A instead does not do: that cannot see an error of Y that
is orthogonal to the range of A, and A Y is then Hermitian to eps·κ² only.

**Certificate.** For T = R⁻¹, σₙ(A) ≥ σₙ(Q)/‖T‖ (the lemma of `_normal_equations.py`), and
‖E‖_F ≤ 1/2 gives σₙ(Q)² ≥ 1/2. Q is computed to N·eps·‖A‖_F‖T‖_F, which changes A⁺ by so much
beside its norm, and σₙ(Q) by less than 1/5: so σₙ ≥ 1/(2‖T‖_F). X = T (I − E)(I + E²)(I + E⁴) Qᴴ
has X A = T (I − E⁸) T⁻¹, so X is wrong by 2‖E‖⁸ beside its norm and X A − I is ‖E‖⁸ at most 2κ
times: ‖E‖_F⁸ ≤ N·eps, which is less than 1/2, keeps both within the promise.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._factor import Factor
from .._problem import Problem, identity, less, norm
from .._typing import Array
from ._proposal import REFUSED, Proposal


def cholesky_qr(p: Problem) -> Proposal:
    """Propose W = R⁻¹ (QᴴQ)⁻¹ and Z = Q."""
    if p.beyond_gram:
        return REFUSED
    lib, n, t, norm_t = p.lib, p.n, p.r_inverse, p.norm_r_inverse
    q = lib.matmul(p.c, t)
    qq = lib.gramian(q)
    e = qq - identity(lib, qq)
    size = norm(lib, e)
    kappa2 = norm_t * norm_t * p.norm_gram  # ‖A‖_F² ≤ √N·‖G‖_F, and σ₁² ≤ ‖G‖_F
    sound = nearly_inverted(size, n, p.eps) & (kappa2 * (5.0 * n**1.25 * p.eps) ** 2 <= 1.0)
    accepted = sound & less(kappa2, 4.0 * p.rtol * p.rtol) & less(norm_t, 2.0 * p.atol)
    return Proposal(accepted, lambda: Factor(times_inverse(lib, t, e, size, p.eps), q, n))


def times_inverse(lib: Adapter, x: Array, e: Array, size: Any, eps: float) -> Array:
    """Return X (I + E)⁻¹ but for a factor of I − E⁸: X (I − E)(I + E²)(I + E⁴).

    Where ‖E‖_F is a number, factors that are I to rounding are left out.
    """
    dot = lib.matmul
    known = size if isinstance(size, float) else math.inf
    x = x - dot(x, e)
    if known <= eps**0.5:
        return x
    e2 = dot(e, e)
    x = x + dot(x, e2)
    if known <= eps**0.25:
        return x
    return x + dot(x, dot(e2, e2))


def nearly_inverted(size: Any, n: int, eps: float) -> Any:
    """Tell whether `times_inverse` is right to N·eps, of an E of this norm and N columns."""
    return size <= (n * eps) ** 0.125
