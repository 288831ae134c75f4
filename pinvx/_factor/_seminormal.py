"""A⁺b at full rank from the normal equations, corrected until it is as good as any.

G = AᴴA = RᴴR squares the condition number, and x = R⁻¹R⁻ᴴAᴴb loses eps·κ² instead of eps·κ. But
solving again for what is left, x + R⁻¹R⁻ᴴAᴴ(b − A x), multiplies the error by eps·κ², and one to
three times of that are enough up to κ of about 10⁷ in float64 (Å. Björck, Linear Algebra Appl.
88/89 (1987), 31–48, where R comes from a QR decomposition). A product with A costs 2MN operations,
and AᴴA costs N times as many. Of a wide matrix AAᴴ = RᴴR, and
x = AᴴR⁻¹R⁻ᴴb is corrected in the same way.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import SAFETY, VECTORS, eps_of, fixed_vectors, less, represented


def corrected(lib: Adapter, c: Array, b: Array, t: Array, wide: bool, steps: int) -> Array:
    """Return A⁺b, corrected so many times.

    Parameters
    ----------
    lib
        The adapter of the arrays.
    c : array, shape (..., M, N)
        A, or Aᴴ if `wide`; M ≥ N.
    b : array, shape (..., M, K), or (..., N, K) if `wide`
        Of the batch shape of `c`.
    t : array, shape (..., N, N)
        R⁻¹, where RᴴR = CᴴC.
    wide, steps
        Whether A is wide, and how often to correct.
    """
    dot, th = lib.matmul, lib.adjoint(t)
    ch = lib.adjoint(c)
    a = ch if wide else c

    def solved(r: Array) -> Array:
        return dot(c, dot(t, dot(th, r))) if wide else dot(t, dot(th, dot(ch, r)))

    x = solved(b)
    for _ in range(steps):
        x = x + solved(b - dot(a, x))
    return x


def one_is_enough(lib: Adapter, c: Array, g: Array, t: Array, rtol: Any, atol: Any) -> Any:
    """Tell for each matrix whether it is so well conditioned that one correction is enough.

    κ̂² = ‖G‖_F‖T‖_F² is between κ² and N²κ². Rounding in G and in its Cholesky factor, see
    `well_conditioned`, is δ = (8√M + N)·eps·κ̂² beside it. As much of the error is left by a
    correction, and δ² ≤ 8·eps·κ̂ is within the promise; while δ ≤ 1/4, σ_N² ≥ 1/(2‖T‖_F²).

    Parameters
    ----------
    lib, c, t
        As for `corrected`.
    g : array, shape (..., N, N)
        CᴴC.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    array of bool, the batch shape, or bool
    """
    m, n = c.shape[-2:]
    eps = eps_of(lib, c)
    norm_g, norm_t = lib.numbers(lib.norm(g), lib.norm(t))
    norm_w = norm_t * norm_t
    kappa2 = norm_g * norm_w
    drift = kappa2 * ((8.0 * math.sqrt(m) + n) * eps)
    cutoff = less(kappa2, 2.0 * rtol * rtol) & less(norm_w, 2.0 * atol * atol)
    sound = (drift <= 0.25) & represented(lib, g, norm_g)
    return sound & _left_after(1, drift, kappa2, eps) & cutoff


def few_are_enough(
    lib: Adapter, c: Array, g: Array, t: Array, rtol: Any, atol: Any
) -> tuple[Any, Any]:
    """Tell for each matrix whether Q = C T is so nearly orthonormal that two, or three, are enough.

    What a correction leaves of an error is E = I − QᴴQ times it. ‖E‖_F is estimated by vectors, of
    V − Tᴴ(Cᴴ(C(T V))), without forming Q. With d = 8 times that, d³ or d⁴ ≤ 8·eps·κ̂ is within the
    promise. As in `orthonormal`, σ_N ≥ 1/(2‖T‖_F).

    Parameters as for `one_is_enough`.

    Returns
    -------
    two, three : array of bool, the batch shape, or bool
    """
    n, eps, dot = c.shape[-1], eps_of(lib, c), lib.matmul
    v = fixed_vectors(lib, c, VECTORS)
    e = v - dot(lib.adjoint(t), dot(lib.adjoint(c), dot(c, dot(t, v))))
    e, norm_t, norm_g = lib.numbers(lib.norm(e), lib.norm(t), lib.norm(g))
    d = e * (SAFETY / math.sqrt(VECTORS))
    kappa2 = norm_t * norm_t * norm_g
    sound = (d <= 0.25) & (kappa2 * (5.0 * n**1.25 * eps) ** 2 <= 1.0)
    sound = sound & represented(lib, g, norm_g)
    sound = sound & less(kappa2, 4.0 * rtol * rtol) & less(norm_t, 2.0 * atol)
    return sound & _left_after(2, d, kappa2, eps), sound & _left_after(3, d, kappa2, eps)


def _left_after(steps: int, drift: Any, kappa2: Any, eps: float) -> Any:
    """Tell whether drift^(steps + 1) ≤ 8·eps·κ̂, both sides squared."""
    left = drift
    for _ in range(steps):
        left = left * drift  # a power of numbers that overflows raises in Python
    return left * left <= kappa2 * (8.0 * eps) ** 2
