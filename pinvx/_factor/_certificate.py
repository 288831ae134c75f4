"""The certificates: which singular values a proposal proves to be above the cutoff, and how well.

Each rests on one **lemma**. Let A be M×N with M ≥ N, T a nonsingular N×N matrix and Q = A T.
Then σ_N(A) ≥ σ_N(Q)/‖T‖. *Proof.* For a unit vector v put u = T⁻¹v, so that ‖A v‖ = ‖Q u‖
≥ σ_N(Q)‖u‖ ≥ σ_N(Q)‖v‖/‖T‖. ∎

If that exceeds max(atol, rtol·‖A‖), every singular value is above the cutoff, nothing is truncated,
and A⁺ is the ordinary left inverse, whatever the cutoff was. It does not matter where T came from:
`inverts` takes Q ≈ I, `orthonormal` takes QᴴQ ≈ I, and `well_conditioned` has T Tᴴ = (AᴴA)⁻¹
and never forms Q. NaN and infinity fail every comparison, and so do norms whose squares overflow or
underflow: where one of them vanishes the other is infinite, and their product is NaN; but for ‖G‖
and ‖T‖ see `represented`.

Norms of one matrix in host memory are compared as Python numbers; others stay where they are, and
one boolean is read of what became of them.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array

# Up to this many columns I − W A is formed; beyond, its norm is estimated from so many vectors.
EXACT = 128
VECTORS = 4
# For a random v of unit variance E‖Ev‖² = ‖E‖_F². With four vectors the estimate is 8 times too
# small only if all of them are nearly orthogonal to all rows of E, which are rounding errors.
SAFETY = 8.0


def inverts(lib: Adapter, a: Array, w: Array, rtol: Any, atol: Any) -> Any:
    """Tell for each square matrix whether W is A⁻¹, and no singular value is below the cutoff.

    With E = I − W A and ‖E‖ < 1/2 the lemma, for T = W, gives σ_N ≥ 1/(2‖W‖). The error is
    ‖W − A⁻¹‖ ≤ ‖E‖ ‖A⁻¹‖, and 8·N·eps·κ‖A⁻¹‖ is promised, which ‖E‖_F ≤ 8·eps·‖A‖_F‖W‖_F holds,
    since ‖A‖_F‖W‖_F ≤ Nκ.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a, w : array, shape (..., N, N)
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    array of bool, the batch shape, or bool
        Beyond `EXACT` columns ‖E‖_F is an estimate, and the answer is near certain, not proved.
    """
    n, eps = a.shape[-1], eps_of(lib, a)
    e, norm_a, norm_w = lib.numbers(_defect(lib, a, w), lib.norm(a), lib.norm(w))
    kappa = norm_a * norm_w
    safety = 1.0 if n <= EXACT else SAFETY
    # Less than 1/4 as computed, and less than 1/4 for rounding in the product.
    sound = (e * (4.0 * safety) < 1.0) & (kappa * (4.0 * n * eps) < 1.0)
    accurate = e <= kappa * (8.0 * eps)
    return sound & accurate & less(kappa, 2.0 * rtol) & less(norm_w, 2.0 * atol)


def well_conditioned(lib: Adapter, a: Array, g: Array, w: Array, rtol: Any, atol: Any) -> Any:
    """Tell for each tall matrix whether W = (AᴴA)⁻¹ makes A⁺ = W Aᴴ as accurate as is promised.

    With κ̂ = ‖G‖_F‖W‖_F, between κ² and N·κ², the error of W Aᴴ is about eps·κ², and κ̂ ≤ 16·N keeps
    it beside that of the decomposition. Rounding in G, taken as random (N. J. Higham, T. Mary,
    SIAM J. Sci. Comput. 41 (2019), A2815–A2835: √M terms add up and not M), and in its Cholesky
    factor changes σ_N² by (8√M + N)·eps·‖G‖_F at most; where that is below 1/(4‖W‖_F), the lemma
    gives σ_N² ≥ 1/(2‖W‖_F).

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    g, w : array, shape (..., N, N)
        AᴴA, and its inverse from its Cholesky factor.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    array of bool, the batch shape, or bool
    """
    norm_g, norm_w = lib.numbers(lib.norm(g), lib.norm(w))
    kappa2 = norm_g * norm_w
    cutoff = less(kappa2, 2.0 * rtol * rtol) & less(norm_w, 2.0 * atol * atol)
    return (kappa2 <= largest_square(lib, a)) & cutoff


def largest_square(lib: Adapter, a: Array) -> float:
    """Return the largest κ̂ that `well_conditioned` accepts."""
    m, n = a.shape[-2:]
    limit: float = min(16.0 * n, 1.0 / (4.0 * (8.0 * math.sqrt(m) + n) * eps_of(lib, a)))
    return limit


def orthonormal(lib: Adapter, g: Array, t: Array, e: Array, rtol: Any, atol: Any) -> Any:
    """Tell for each tall matrix whether Q = A T is nearly orthonormal, so that T Q⁺ is accurate.

    ‖E‖_F ≤ 1/2 gives σ_N(Q)² ≥ 1/2. Q is computed to N·eps·‖A‖_F‖T‖_F, which changes A⁺ by so
    much beside its norm, and σ_N(Q) by less than 1/5: the lemma gives σ_N ≥ 1/(2‖T‖_F).

    With M = (I − E)(I + E²)(I + E⁴) for (QᴴQ)⁻¹, X = T M Qᴴ has X A = T (I − E⁸) T⁻¹, so X is wrong
    by 2‖E‖⁸ beside its norm and X A − I is ‖E‖⁸ at most 2κ times: ‖E‖_F⁸ ≤ N·eps, which is less
    than 1/2, keeps both within the promise.

    Parameters
    ----------
    lib
        The adapter of the arrays.
    g, t, e : array, shape (..., N, N)
        AᴴA, T and QᴴQ − I.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    array of bool, the batch shape, or bool
    """
    n, eps = g.shape[-1], eps_of(lib, g)
    d, norm_t, norm_g = lib.numbers(lib.norm(e), lib.norm(t), lib.norm(g))
    kappa2 = norm_t * norm_t * norm_g  # ‖A‖_F² ≤ √N·‖G‖_F, and σ₁² ≤ ‖G‖_F
    sound = nearly_inverted(d, n, eps) & (kappa2 * (5.0 * n**1.25 * eps) ** 2 <= 1.0)
    sound = sound & represented(lib, g, norm_g)
    return sound & less(kappa2, 4.0 * rtol * rtol) & less(norm_t, 2.0 * atol)


def least_condition(lib: Adapter, r: Array) -> Any:
    """Return what κ(A) is at least, as the pivots in a Cholesky factor of AᴴA show it.

    For every tall matrix: an array of the batch shape, or a number. NaN where there is no factor.
    """
    pivots = lib.xp.linalg.diagonal(r)
    known = lib.precision(r.dtype)
    if known is not None and known.is_complex:
        pivots = lib.xp.real(pivots)
    if r.ndim == 2 and lib.on_host(r):
        values = lib.read(pivots)
        smallest = min(values)
        return max(values) / smallest if smallest > 0.0 else math.nan
    # Norms, since libraries are slow to search many short rows; they tell but for a factor of N.
    return lib.norm(pivots[..., None]) * lib.norm(1.0 / pivots[..., None]) / r.shape[-1]


def hopeless(lib: Adapter, a: Array, kappa: Any) -> bool:
    """Read whether all κ are so large that eps·κ² > 1, or not known."""
    return none_below(lib, kappa, 1.0 / math.sqrt(eps_of(lib, a)))


def none_below(lib: Adapter, x: Any, limit: float) -> bool:
    """Read whether no x is below the limit; NaN is not."""
    return not x < limit if isinstance(x, float) else lib.all(~(x < limit))


def less(x: Any, tolerance: Any) -> Any:
    """Tell whether x·tolerance < 1; of an x that is NaN or infinite, other comparisons tell."""
    if isinstance(tolerance, float) and tolerance == 0.0:
        return True
    return x * tolerance < 1.0


def times_inverse(lib: Adapter, x: Array, e: Array) -> Array:
    """Return X (I + E)⁻¹ but for a factor of I − E⁸: X (I − E)(I + E²)(I + E⁴).

    Where that can be told without waiting, factors that are I to rounding are left out.
    """
    dot, eps = lib.matmul, eps_of(lib, e)
    (size,) = lib.numbers(lib.norm(e)) if lib.on_host(e) else (math.inf,)
    x = x - dot(x, e)
    if lib.all(size <= eps**0.5):
        return x
    e2 = dot(e, e)
    x = x + dot(x, e2)
    if lib.all(size <= eps**0.25):
        return x
    return x + dot(x, dot(e2, e2))


def nearly_inverted(e_norm: Any, n: int, eps: float) -> Any:
    """Tell whether `times_inverse` is right to N·eps, of an E of this norm and N columns."""
    return e_norm <= (n * eps) ** 0.125


def represented(lib: Adapter, g: Array, norm: Any) -> Any:
    """Tell whether ‖G‖_F is more than what underflow of squares has left of it.

    Where T is given and not (AᴴA)⁻¹, which would overflow, a scale can be so small that ‖G‖_F is
    zero, and nothing else is wrong.
    """
    known = lib.precision(g.dtype)
    assert known is not None  # checked at the call
    return norm > 2.0 ** (-7 * known.exponents // 16)


def eps_of(lib: Adapter, a: Array) -> float:
    """Return the machine epsilon of the dtype of `a`."""
    known = lib.precision(a.dtype)
    assert known is not None  # checked at the call
    return known.eps


def _defect(lib: Adapter, a: Array, w: Array) -> Array:
    """Return ‖I − W A‖_F, or an estimate of it."""
    dot = lib.matmul
    if a.shape[-1] <= EXACT:
        wa = dot(w, a)
        return lib.norm(wa - identity(lib, wa))
    v = fixed_vectors(lib, a, VECTORS)
    return lib.norm(v - dot(w, dot(a, v))) / math.sqrt(VECTORS)


def identity(lib: Adapter, x: Array) -> Array:
    """Return I with as many columns as `x`."""
    return lib.xp.eye(x.shape[-1], dtype=x.dtype, device=lib.device(x))


def fixed_vectors(lib: Adapter, a: Array, count: int, scale: float = 1.0) -> Array:
    """Return V of shape (N, count), without a pattern, always the same, of variance scale²."""
    n = a.shape[-1]
    kept = lib.on_host(a) and n <= 1024
    key = (lib, n, count, scale, a.dtype)
    v = _KEPT.get(key) if kept else None
    if v is None:
        v = _spread(lib, a, count, scale)
        if kept:
            if len(_KEPT) >= 32:
                _KEPT.clear()
            _KEPT[key] = v
    return v


# The latest: for a small matrix they cost more to make than all the rest.
_KEPT: dict[Any, Array] = {}


def _spread(lib: Adapter, a: Array, count: int, scale: float) -> Array:
    xp = lib.xp
    known = lib.precision(a.dtype)
    assert known is not None  # checked at the call
    n = a.shape[-1]
    i = xp.arange(1, n * count + 1, dtype=known.real, device=lib.device(a))
    # The squares modulo 2π are spread evenly and have no period (Weyl).
    v = (math.sqrt(2.0) * scale) * xp.cos(i * i)
    return xp.astype(xp.reshape(v, (n, count)), a.dtype)


# How many vectors show the size of an inverse. For a random v of unit variance
# E‖A⁻¹v‖² = ‖A⁻¹‖_F². The chance that 8 of them show a 32nd part of it (16 is what is added to what
# they show, and 2 what every limit has to spare) is that of χ²₈ < 8/32²: 10⁻¹¹ for an inverse with
# one large singular value, and less for others.
PROBES = 8


def probes(lib: Adapter, a: Array) -> Array:
    """Return V of shape (N, 8) for which ‖A⁻¹V‖_F shows ‖A⁻¹‖_F of a square matrix."""
    return fixed_vectors(lib, a, PROBES, 1.0 / math.sqrt(PROBES))
