"""A⁺ of a matrix in single precision, from AᴴA in double precision.

AᴴA squares the condition number, and twice the digits have room for that. At full rank its Cholesky
factor is used, otherwise its eigenvectors.

**Certificate.** Rounding moves the squared singular values by at most δ = e·‖AᴴA‖_F, e = (8√M +
N)·eps₆₄ (see `normal_equations`), and A⁺ by δ/σ² relative to its norm. The certificate is 2δ ≤ σ²,
where σ is the cutoff, or σₙ if nothing is dropped. Then, with u = max(M, N)·eps₃₂,

    2δ ≤ σ·√(2δ) ≤ σ·σ₁·√(2e√N) ≤ u·σ₁·σ,    since 2√N·(8√M + N) ≤ 64·M² for M ≥ N,

so that σ moves by δ/σ ≤ u·σ₁/2, and A⁺ by u·κ/2 relative to its norm. An SVD in single precision
moves them by u·σ₁ and u·κ: this method is as good, at every rank and however close σ is to the
cutoff.
"""

from __future__ import annotations

import math
from typing import Any

from .._decompositions import eigh
from .._factor import Factor
from .._problem import Problem, less, none_below
from .._tolerance import counted
from .._typing import Array
from ._proposal import REFUSED, Proposal
from ._svd import number_of


def double_cholesky(p: Problem) -> Proposal:
    """Propose W = R⁻¹ and Z = A R⁻¹, at full rank.

    If the computed σₙ² ≥ 1/‖R⁻¹‖_F² satisfies 2δ ≤ σₙ²/2, that of A is at least half as large.
    """
    q = p.in_double
    # κ ≥ 1/rtol for every matrix: skip R⁻¹.
    if q.one and isinstance(q.rtol, float) and none_below(q.lib, q.least_condition * q.rtol, 1.0):
        return REFUSED
    norm_w = q.norm_r_inverse * q.norm_r_inverse
    kappa2 = q.norm_gram * norm_w  # ‖G‖_F ≥ σ₁²
    accepted = (
        (4.0 * _rounding(q) * kappa2 <= 1.0)
        & less(kappa2, 2.0 * q.rtol * q.rtol)
        & less(norm_w, 2.0 * q.atol * q.atol)
    )
    return Proposal(accepted, lambda: _rounded(p, q.r_inverse, q.n))


def double_eigenvectors(p: Problem) -> Proposal:
    """Propose W = V Σ⁺ and Z = A V Σ⁺, at every rank.

    For one matrix W and Z have as many columns as its rank. For a batch they have N, with zeros for
    the singular values that do not count.
    """
    q = p.in_double
    lib, xp, n = q.lib, q.lib.xp, q.n
    squares, v = eigh(lib, q.gram)  # ascending
    delta = q.norm_gram * _rounding(q)
    if q.one and isinstance(q.rtol, float) and isinstance(q.atol, float):
        values = lib.numbers(squares)
        lowest: Any = max(q.rtol * q.rtol * values[-1], q.atol * q.atol)
        rank: Any = sum(value > lowest for value in values)
        if rank == 0 or not 2.0 * delta <= (values[0] if rank == n else lowest):
            return REFUSED
        w = v[:, n - rank :] / xp.sqrt(squares[n - rank :])
        return Proposal(True, lambda: _rounded(p, w, rank))
    keep = counted(lib, squares, squares[..., -1], q.rtol * q.rtol, q.atol * q.atol)
    rank = number_of(lib, keep)
    one, largest = xp.ones_like(squares), squares[..., -1]
    lowest = xp.maximum(q.rtol * q.rtol * largest, q.atol * q.atol + xp.zeros_like(largest))
    accepted = 2.0 * delta <= xp.where(rank == n, squares[..., 0], lowest)

    def answer() -> Factor:
        inverse = xp.where(keep, one / xp.sqrt(xp.where(keep, squares, one)), xp.zeros_like(one))
        return _rounded(p, v * inverse[..., None, :], rank)

    return Proposal(accepted, answer)


def _rounded(p: Problem, w: Array, rank: Any) -> Factor:
    """Return the factor W, A W, in single precision."""
    q, xp, single = p.in_double, p.lib.xp, p.c.dtype
    z = q.lib.matmul(q.c, w)
    return Factor(xp.astype(w, single), xp.astype(z, single), rank)


def _rounding(q: Problem) -> float:
    """Return e."""
    return float(8.0 * math.sqrt(q.m) + q.n) * q.eps
