"""A⁺ of a tall matrix by Cholesky QR, twice: matrix products, for κ up to about 10⁷ (float64).

With AᴴA = RᴴR the columns of Q = A R⁻¹ are orthonormal up to an error of eps·κ². A second Gram
matrix corrects that: A⁺ = R⁻¹ (QᴴQ)⁻¹ Qᴴ (CholeskyQR2: T. Fukaya et al., ScalA 2014; Y. Yamamoto et
al., ETNA 44 (2015), 306–326). R need not be close to the triangular factor of A: any R⁻¹ that makes
Q well conditioned will do, and QᴴQ shows whether it does.

QᴴQ = I + E needs no factorization: (I − E)(I + E²)(I + E⁴) is its inverse up to a factor I − E⁸.

Correcting Y = (AᴴA)⁻¹Aᴴ by powers of I − Y A does not work: it cannot see an error of Y that is
orthogonal to the range of A, and A Y is then Hermitian to eps·κ² only.

**Certificate.** For T = R⁻¹, σₙ(A) ≥ σₙ(Q)/‖T‖ (the lemma of `_normal_equations.py`), and
‖E‖_F ≤ 1/2 gives σₙ(Q)² ≥ 1/2. The error of Q is N·eps·‖A‖_F‖T‖_F. It changes A⁺ by as much,
relative to its norm, and σₙ(Q) by less than 1/5: so σₙ ≥ 1/(2‖T‖_F). X = T (I − E)(I + E²)(I + E⁴)
Qᴴ has X A = T (I − E⁸) T⁻¹. So the relative error of X is 2‖E‖⁸, and ‖X A − I‖ ≤ 2κ‖E‖⁸. Both are
within the promise if ‖E‖_F⁸ ≤ N·eps, which is less than 1/2.
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
    """Return X (I + E)⁻¹ up to a factor I − E⁸: X (I − E)(I + E²)(I + E⁴).

    If ‖E‖_F is a Python number, factors that equal I to rounding are left out.
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
    """Tell whether `times_inverse` is accurate to N·eps, for N columns and ‖E‖_F = size."""
    return size <= (n * eps) ** 0.125
