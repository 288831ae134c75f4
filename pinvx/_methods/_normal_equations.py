"""A⁺ and A⁺b of a tall matrix from the normal equations: matrix products, and little else.

G = AᴴA = RᴴR squares the condition number: the error of A⁺ = R⁻¹R⁻ᴴAᴴ is eps·κ², that of other
methods eps·κ. So `normal_equations` is for matrices whose κ² is at most of the order of their size,
as for most data.

A solution can be corrected: x + R⁻¹R⁻ᴴAᴴ(b − A x) multiplies the error of x by eps·κ². One to three
corrections are enough up to κ of about 10⁷ in float64 (Å. Björck, Linear Algebra Appl. 88/89
(1987), 31–48). A product with A costs 2MN operations, and AᴴA costs N times as many: beside it,
corrections cost little. For a wide matrix C = Aᴴ, and x = C R⁻¹R⁻ᴴb is corrected in the same way.

**Certificates.** They rest on one lemma: for a nonsingular T and Q = A T, σₙ(A) ≥ σₙ(Q)/‖T‖, since
for a unit vector v and u = T⁻¹v, ‖A v‖ = ‖Q u‖ ≥ σₙ(Q)‖u‖ ≥ σₙ(Q)/‖T‖. If that exceeds the cutoff,
every singular value counts.
"""

from __future__ import annotations

import math
from typing import Any

from .._factor import Factor
from .._problem import Problem, less, none_below, norm
from ._estimate import SAFETY, estimate, vectors
from ._proposal import REFUSED, Proposal


def normal_equations(p: Problem) -> Proposal:
    """Propose W = (AᴴA)⁻¹ and Z = A.

    κ̂ = ‖G‖_F‖W‖_F is between κ² and N·κ². The error of W Aᴴ is about eps·κ², and κ̂ ≤ 16·N keeps
    it close to that of the SVD. Rounding in G and in its Cholesky factor changes σₙ² by at most
    (8√M + N)·eps·‖G‖_F, if errors in G are random: √M of them add up, not M (N. J. Higham, T. Mary,
    SIAM J. Sci. Comput. 41 (2019), A2815–A2835). If that is below 1/(4‖W‖_F), the lemma with T Tᴴ =
    W gives σₙ² ≥ 1/(2‖W‖_F).
    """
    lib, limit = p.lib, min(16.0 * p.n, 0.25 / _rounding(p))
    least = p.least_condition
    if p.one and none_below(lib, least * least, limit):
        return REFUSED
    w = lib.gramian(lib.adjoint(p.r_inverse))  # R⁻¹R⁻ᴴ
    norm_w = norm(lib, w)
    kappa2 = p.norm_gram * norm_w
    accepted = (
        (kappa2 <= limit)
        & less(kappa2, 2.0 * p.rtol * p.rtol)
        & less(norm_w, 2.0 * p.atol * p.atol)
    )
    return Proposal(accepted, lambda: Factor(w, p.c, p.n))


def corrected_once(p: Problem) -> Proposal:
    """Propose W = R⁻¹ for solutions that are corrected once.

    κ̂² = ‖G‖_F‖R⁻¹‖_F² is between κ² and N²κ². The relative error of G and its Cholesky factor is
    at most δ = (8√M + N)·eps·κ̂². A correction multiplies the error of x by δ, and δ² ≤ 8·eps·κ̂ is
    within the promise. If δ ≤ 1/4, σₙ² ≥ 1/(2‖R⁻¹‖_F²).
    """
    norm_w = p.norm_r_inverse * p.norm_r_inverse
    kappa2 = p.norm_gram * norm_w
    drift = kappa2 * _rounding(p)
    cutoff = less(kappa2, 2.0 * p.rtol * p.rtol) & less(norm_w, 2.0 * p.atol * p.atol)
    accepted = (drift <= 0.25) & _left_after(1, drift, kappa2, p.eps) & cutoff
    return Proposal(accepted, lambda: Factor(p.r_inverse, None, p.n, steps=1))


def corrected(p: Problem) -> Proposal:
    """Propose W = R⁻¹ for solutions that are corrected as often as they need, up to three times.

    A correction multiplies the error by E = I − QᴴQ, Q = A R⁻¹. ‖E‖ is estimated without forming Q,
    and d, 16 times the estimate, bounds it: d³ or d⁴ ≤ 8·eps·κ̂ is within the promise.
    ‖E‖ ≤ 1/4 gives σₙ(Q)² ≥ 3/4; rounding in the estimate itself, N^1.25·eps·κ̂, is less than 1/5;
    so the lemma gives σₙ ≥ 1/(2‖R⁻¹‖_F).
    """
    if p.beyond_gram:
        return REFUSED
    first = corrected_once(p)
    lib, n, eps, dot = p.lib, p.n, p.eps, p.lib.matmul
    if p.readable and lib.all(first.accepted):
        return first
    t, norm_t = p.r_inverse, p.norm_r_inverse
    v = vectors(p, p.gram, p.norm_gram)
    e = v - dot(lib.adjoint(t), dot(lib.adjoint(p.c), dot(p.c, dot(t, v))))
    d = estimate(p, e) * SAFETY
    kappa2 = norm_t * norm_t * p.norm_gram
    sound = (d <= 0.25) & (kappa2 * (5.0 * n**1.25 * eps) ** 2 <= 1.0)
    sound = sound & less(kappa2, 4.0 * p.rtol * p.rtol) & less(norm_t, 2.0 * p.atol)
    twice = first.accepted | (sound & _left_after(2, d, kappa2, eps))
    if p.readable and lib.all(twice):
        return Proposal(True, lambda: Factor(t, None, n, steps=2))
    thrice = twice | (sound & _left_after(3, d, kappa2, eps))
    if p.wanted == "kept":  # a batch has one form, and other methods keep another
        thrice = lib.all(thrice)
    return Proposal(thrice, lambda: Factor(t, None, n, steps=3))


def _rounding(p: Problem) -> float:
    """Return the rounding error of G and its Cholesky factor, relative to ‖G‖_F."""
    return float(8.0 * math.sqrt(p.m) + p.n) * p.eps


def _left_after(steps: int, drift: Any, kappa2: Any, eps: float) -> Any:
    """Tell whether drift^(steps + 1) ≤ 8·eps·κ̂, both sides squared."""
    left = drift
    for _ in range(steps):
        left = left * drift  # a power of numbers that overflows raises in Python
    return left * left <= kappa2 * (8.0 * eps) ** 2
