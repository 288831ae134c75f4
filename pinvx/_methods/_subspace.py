"""A⁺ of a rank-deficient matrix: eigenvectors of AᴴA, and one step of subspace iteration.

The eigenvectors of AᴴA give the row space of A to eps·κ² only. But U = A V Σ⁻¹, one step of
subspace iteration, spans the range of A to eps·κ, and with H = (UᴴU)⁻¹Uᴴ A the norm of A − U H
shows it. This norm bounds the first singular value that does not count, since U H has rank r. It
also bounds the error: A⁺ and (U H)⁺ = H⁺(UᴴU)⁻¹Uᴴ are pseudoinverses of two matrices of rank r that
differ by at most twice as much (P.-Å. Wedin, BIT 13 (1973), 217–232). The cost is matrix products
and one N×N eigenvalue problem, instead of an SVD of A.

**Certificate.** H = Σ K. σᵣ(A) ≥ σᵣ(U H) − ‖A − U H‖, and σᵣ(U H) ≥ σᵣ(U) σᵣ(Σ) σᵣ(K), where the
squares of the first and the last are at least 1/2, since U and K are nearly orthonormal.
σᵣ₊₁(A) ≤ ‖A − U H‖ (Eckart & Young 1936). The largest eigenvalue is σ₁² to one percent. ‖A − U H‖_F
is computed, not estimated: two nearly equal columns of A leave a difference in two entries, which
few vectors would see.
"""

from __future__ import annotations

import math
from typing import Any

from .._decompositions import eigh
from .._factor import Factor
from .._problem import Problem, identity, norm
from ._cholesky_qr import nearly_inverted, times_inverse
from ._proposal import REFUSED, Proposal
from ._svd import number_of


def subspace(p: Problem) -> Proposal:
    """Propose W = H⁺(UᴴU)⁻¹ and Z = U.

    For one matrix W and Z have as many columns as its rank. For a batch they have N, with zeros for
    the singular values that do not count.
    """
    lib, xp, h, dot = p.lib, p.lib.xp, p.lib.adjoint, p.lib.matmul
    a, n, eps = p.c, p.n, p.eps
    eigenvalues, v = eigh(lib, p.gram)
    largest = eigenvalues[..., -1]
    # Rounding in AᴴA turns zero into at most this, see `normal_equations`.
    keep = eigenvalues > (4.0 * (8.0 * math.sqrt(p.m) + n) * eps) * largest[..., None]
    rank: Any = number_of(lib, keep)
    if p.one:
        rank = int(rank)
        if rank == 0:
            return REFUSED
        eigenvalues, v, keep = eigenvalues[n - rank :], v[:, n - rank :], keep[n - rank :]
    sigma = xp.sqrt(xp.where(keep, eigenvalues, xp.ones_like(eigenvalues)))
    mask = xp.astype(keep, sigma.dtype)
    u = dot(a, v * (mask / sigma)[..., None, :])
    # Where U has zero columns and K zero rows, their Gram matrices get ones on the diagonal.
    rest = identity(lib, v) * (1.0 - mask)[..., None, :]
    one = identity(lib, v)
    e_u = lib.gramian(u) + rest - one
    size_u = norm(lib, e_u)
    uu_inverse = times_inverse(lib, one, e_u, size_u, eps)
    right = dot(uu_inverse, lib.gramian(u, a))  # H = Σ K, and K has nearly orthonormal rows
    k = right / sigma[..., :, None]
    e_k = dot(k, h(k)) + rest - one
    size_k = norm(lib, e_k)
    left = norm(lib, a - dot(u, right))
    if p.one:
        ends = lib.numbers(sigma)
        smallest, most = ends[0], ends[-1]
    else:
        smallest = xp.min(xp.where(keep, sigma, xp.full_like(sigma, math.inf)), axis=-1)
        most = xp.sqrt(largest)
    inverted = nearly_inverted(size_u, n, eps) & nearly_inverted(size_k, n, eps)
    accepted = inverted & _holds(left, smallest, most, p.m * eps, p.rtol, p.atol)

    def answer() -> Factor:
        w = dot(times_inverse(lib, h(k), e_k, size_k, eps) / sigma[..., None, :], uu_inverse)
        return Factor(w, u, rank)

    return Proposal(accepted, answer)


def _holds(rest: Any, smallest: Any, largest: Any, unit: float, rtol: Any, atol: Any) -> Any:
    """Tell whether r singular values count, and the rest is no more than rounding."""
    least = 0.5 * smallest - rest
    counted = (least > atol) & (least > 1.01 * rtol * largest)
    dropped = (rest <= 0.99 * rtol * largest) | (rest < atol)
    return counted & dropped & (rest <= unit * largest)
