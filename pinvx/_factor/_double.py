"""A⁺ of a matrix in single precision, from AᴴA in double precision.

AᴴA squares the condition number, and twice the digits have room for it. Rounding there moves the
squares of the singular values by δ = e·‖AᴴA‖_F at most, e = (8√M + N)·eps₆₄ (see
`well_conditioned`), and A⁺ by δ/σ² beside its norm. All that is asked is 2δ ≤ σ² for the σ that
decides, which is the cutoff, or σ_N where nothing is dropped. Then, with u = max(M, N)·eps₃₂,

    2δ ≤ σ·√(2δ) ≤ σ·σ₁·√(2e√N) ≤ u·σ₁·σ,    since 2√N·(8√M + N) ≤ 64·M² for M ≥ N,

so that σ moves by δ/σ ≤ u·σ₁/2, and A⁺ by u·κ/2 beside its norm. A singular value decomposition in
single precision moves them by u·σ₁ and u·κ: this is as good, at every rank and with σ anywhere
beside the cutoff. Nothing overflows or underflows, for double precision has more than twice the
exponents, too.

At full rank the Cholesky factor of AᴴA serves, and otherwise its eigenvectors do.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import eps_of, less
from ._factor import NOTHING, Factor, Gramian


def double_cholesky(
    lib: Adapter, a: Array, gramian: Gramian, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = R⁻¹ and Z = A R⁻¹.

    With 2δ ≤ σ_N²/2 for σ_N² ≥ 1/‖R⁻¹‖_F² as computed, that of A is at least half as large.

    Parameters and results as for `inverse`, with `a` of shape (..., M, N), M ≥ N, whose entries are
    those of a matrix in single precision, and its `gramian`.
    """
    g, t = gramian
    norm_g, norm_t = lib.numbers(lib.norm(g), lib.norm(t))
    w = norm_t * norm_t
    kappa2 = norm_g * w  # ‖G‖_F ≥ σ₁²
    accepted = (
        (4.0 * _relative(lib, a) * kappa2 <= 1.0)
        & less(kappa2, 2.0 * rtol * rtol)
        & less(w, 2.0 * atol * atol)
    )
    if accepted is False:
        return NOTHING, False
    return Factor(t, lib.matmul(a, t), a.shape[-1]), accepted


def double_eigenvectors(
    lib: Adapter, a: Array, gramian: Gramian, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = V Σ⁺ and Z = A V Σ⁺.

    Parameters and results likewise. The factor of one matrix has as many columns as its rank; that
    of a batch has N, of which those that do not count are zero.
    """
    xp, n, g = lib.xp, a.shape[-1], gramian.g
    norm_g = lib.norm(g)
    # What is not finite is not decomposed: libraries raise for the whole batch.
    sound = xp.isfinite(norm_g)
    if not (lib.on_host(a) and lib.all(sound)):
        g = xp.where(sound[..., None, None], g, xp.zeros_like(g))
    squares, v = xp.linalg.eigh(g)
    delta = norm_g * _relative(lib, a)
    if a.ndim == 2 and lib.on_host(a) and isinstance(rtol, float) and isinstance(atol, float):
        values = lib.read(squares)  # ascending
        lowest: Any = max(rtol * rtol * values[-1], atol * atol)
        rank: Any = sum(value > lowest for value in values)
        (delta,) = lib.numbers(delta)
        if rank == 0 or not 2.0 * delta <= (values[0] if rank == n else lowest):
            return NOTHING, False
        accepted: Any = True
        w = v[:, n - rank :] / xp.sqrt(squares[n - rank :])
    else:
        largest = squares[..., -1]
        lowest = xp.maximum(rtol * rtol * largest, atol * atol + xp.zeros_like(largest))
        keep = squares > lowest[..., None]
        rank = xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1)
        accepted = 2.0 * delta <= xp.where(rank == n, squares[..., 0], lowest)
        one = xp.ones_like(squares)
        inverse = xp.where(keep, one / xp.sqrt(xp.where(keep, squares, one)), xp.zeros_like(one))
        w = v * inverse[..., None, :]
    return Factor(w, lib.matmul(a, w), rank), accepted


def _relative(lib: Adapter, a: Array) -> float:
    """Return e."""
    m, n = map(int, a.shape[-2:])
    return (8.0 * math.sqrt(m) + n) * eps_of(lib, a)
