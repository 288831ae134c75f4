"""A⁺ of a matrix that lacks rank, from the eigenvectors of AᴴA and one step of subspace iteration.

The eigenvectors of AᴴA show the row space of A to eps·κ² only. But U = A V Σ⁻¹, one step of
subspace iteration, has the range of A but for eps·κ, and with H = (UᴴU)⁻¹Uᴴ A the norm of A − U H
tells. (Of more than 128 columns, and four times as many rows, it is estimated as in
`_certificate.py`.) It bounds the first singular value that does not count (U H has rank r) and the
error, since A⁺ and (U H)⁺ = H⁺(UᴴU)⁻¹Uᴴ are pseudoinverses of two matrices of rank r that differ by
no more than twice as much (P.-Å. Wedin, BIT 13 (1973), 217–232). Matrix products, and one N×N
eigenvalue problem, instead of a singular value decomposition of A.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import (
    EXACT,
    SAFETY,
    VECTORS,
    eps_of,
    fixed_vectors,
    identity,
    nearly_inverted,
    times_inverse,
)
from ._factor import NOTHING, Factor, Gramian


def subspace(
    lib: Adapter, a: Array, gramian: Gramian | None, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = H⁺(UᴴU)⁻¹ and Z = U.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
        M ≥ N.
    gramian
        None where nobody has computed it.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    factor : Factor
        One matrix has as many columns in W and Z as its rank; a batch has N, of which those that
        do not count are zero.
    accepted : array of bool, the batch shape, or bool
    """
    xp, h, dot = lib.xp, lib.adjoint, lib.matmul
    m, n = a.shape[-2:]
    eps = eps_of(lib, a)
    g = lib.gramian(a) if gramian is None else gramian.g
    # What is not finite is not decomposed: libraries raise for the whole batch.
    sound = xp.isfinite(lib.norm(g))
    eigenvalues, v = xp.linalg.eigh(xp.where(sound[..., None, None], g, xp.zeros_like(g)))
    largest = eigenvalues[..., -1]
    # What rounding in AᴴA can make of an eigenvalue that is zero, see `well_conditioned`.
    keep = eigenvalues > (4.0 * (8.0 * math.sqrt(m) + n) * eps) * largest[..., None]
    rank: Any = xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1)
    if a.ndim == 2 and lib.on_host(a):
        (count,) = lib.numbers(xp.astype(rank, largest.dtype))
        rank = int(count)
        if rank == 0:
            return NOTHING, False
        eigenvalues, v, keep = eigenvalues[n - rank :], v[:, n - rank :], keep[n - rank :]
    sigma = xp.sqrt(xp.where(keep, eigenvalues, xp.ones_like(eigenvalues)))
    mask = xp.astype(keep, sigma.dtype)
    u = dot(a, v * (mask / sigma)[..., None, :])
    # Where U and K have columns and rows of zeros, their Gram matrices get ones instead.
    rest = identity(lib, v) * (1.0 - mask)[..., None, :]
    one = identity(lib, v)
    e_u = lib.gramian(u) + rest - one
    uu_inverse = times_inverse(lib, one, e_u)
    right = dot(uu_inverse, lib.inner(u, a))  # H = Σ K, and K has nearly orthonormal rows
    k = right / sigma[..., :, None]
    e_k = dot(k, h(k)) + rest - one
    w = dot(times_inverse(lib, h(k), e_k) / sigma[..., None, :], uu_inverse)

    if isinstance(rank, int):
        smallest = sigma[0]
    else:
        smallest = xp.min(xp.where(keep, sigma, xp.full_like(sigma, math.inf)), axis=-1)
    d_u, d_k, left, least, most = lib.numbers(
        lib.norm(e_u), lib.norm(e_k), _rest(lib, a, u, right), smallest, xp.sqrt(largest)
    )
    # Where squares of rounding errors underflow, ‖A − U H‖ vanishes and proves nothing.
    represented = most > 2.0 ** (-lib.precision(a.dtype).exponents // 4)  # type: ignore[union-attr]
    inverted = nearly_inverted(d_u, n, eps) & nearly_inverted(d_k, n, eps)
    accepted = _holds(left, least, most, max(m, n) * eps, rtol, atol)
    return Factor(w, u, rank), represented & inverted & accepted


def _rest(lib: Adapter, a: Array, u: Array, right: Array) -> Array:
    """Return ‖A − U H‖_F, or an estimate of it that is rather too large."""
    dot, (m, n) = lib.matmul, a.shape[-2:]
    # The default cutoff, max(M, N)·eps, has no room for an estimate where M is not large.
    if n <= EXACT or m < 4 * n:
        return lib.norm(a - dot(u, right))
    v = fixed_vectors(lib, a, VECTORS)
    return lib.norm(dot(a, v) - dot(u, dot(right, v))) * (SAFETY / math.sqrt(VECTORS))


def _holds(rest: Any, smallest: Any, largest: Any, unit: float, rtol: Any, atol: Any) -> Any:
    """Tell whether r singular values count, and the rest is no more than rounding.

    σ_r(A) ≥ σ_r(U H) − ‖A − U H‖, and σ_r(U H) ≥ σ_r(U) σ_r(Σ) σ_r(K) where the squares of the
    first and the last are at least 1/2, since U and K are nearly orthonormal.
    σ_{r+1}(A) ≤ ‖A − U H‖ (Eckart & Young 1936). The largest eigenvalue is σ₁² but for one in a
    hundred.
    """
    least = 0.5 * smallest - rest
    counted = (least > atol) & (least > 1.01 * rtol * largest)
    dropped = (rest <= 0.99 * rtol * largest) | (rest < atol)
    return counted & dropped & (rest <= unit * largest)
