"""A⁺ of a matrix that lacks rank, and is otherwise well conditioned, from AᴴA and its eigenvectors.

AᴴA = V Λ Vᴴ gives A⁺ = V Λ⁺ Vᴴ Aᴴ. As with the normal equations the error is eps·κ², so this is for
matrices whose singular values above the cutoff have a κ² of no more than their size: products of
integers, columns that are there twice or add up to another. One N×N eigenvalue problem and
matrix products, instead of a singular value decomposition of A.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import EXACT, SAFETY, VECTORS, eps_of, test_vectors
from ._factor import Factor, Gramian


def eigen_gram(
    lib: Adapter, a: Array, gramian: Gramian | None, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = V Λ⁺ Vᴴ and Z = A.

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
    accepted : array of bool, the batch shape
    """
    xp, h, dot = lib.xp, lib.adjoint, lib.matmul
    m, n = a.shape[-2:]
    g = lib.gramian(a) if gramian is None else gramian.g
    # What is not finite is not decomposed: libraries raise for the whole batch.
    sound = xp.isfinite(lib.norm(g))
    eigenvalues, v = xp.linalg.eigh(xp.where(sound[..., None, None], g, xp.zeros_like(g)))
    largest = eigenvalues[..., -1]
    # What rounding in AᴴA can make of an eigenvalue that is zero, see `well_conditioned`.
    noise = 4.0 * (8.0 * math.sqrt(m) + n) * eps_of(lib, a)
    keep = eigenvalues > noise * largest[..., None]
    kept = xp.where(keep, eigenvalues, xp.full_like(eigenvalues, math.inf))
    w = dot(v / kept[..., None, :], h(v))
    dropped = xp.where(keep[..., None, :], xp.zeros_like(v), v)
    rank = xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1)
    smallest, rest = xp.min(kept, axis=-1), _rest(lib, a, dropped)
    return Factor(w, a, rank), _holds(lib, a, largest, smallest, rest, rtol, atol)


def _rest(lib: Adapter, a: Array, dropped: Array) -> Array:
    """Return ‖A V₀‖_F, or an estimate of it that is rather too large."""
    dot, (m, n) = lib.matmul, a.shape[-2:]
    # The default cutoff, max(M, N)·eps, has no room for an estimate where M is not large.
    if n <= EXACT or m < 4 * n:
        return lib.norm(dot(a, dropped))
    v = test_vectors(lib, a, VECTORS)
    return lib.norm(dot(a, dot(dropped, v))) * (SAFETY / math.sqrt(VECTORS))


def _holds(
    lib: Adapter, a: Array, largest: Array, smallest: Array, rest: Array, rtol: Any, atol: Any
) -> Array:
    """Tell whether r singular values count, the rest is no more than rounding, and κ² is small.

    Let λ₁ and λ_r be the largest and the smallest eigenvalue that are kept, and V₀ the eigenvectors
    that are not. Rounding in AᴴA moves λ_r by less than a quarter of it: σ_r ≥ 0.86·√λ_r. A and
    A (I − V₀V₀ᴴ), which has rank r, differ by ‖A V₀‖ at most; that bounds σ_{r+1} (Eckart & Young
    1936), and moves A⁺ by 2·κ·‖A V₀‖/σ₁ beside its norm (P.-Å. Wedin, BIT 13 (1973), 217–232),
    2·max(M, N)·eps·κ here. The pseudoinverse of A (I − V₀V₀ᴴ) is formed with an error of about
    eps·κ², and λ₁/λ_r ≤ 16·N keeps that beside the error of the decomposition, as in
    `well_conditioned`. λ₁ is σ₁² but for one in a hundred. Scales at which squares of rounding
    errors underflow are refused, and where squares overflow there is no λ₁.
    """
    known = lib.precision(a.dtype)
    assert known is not None  # checked at the call
    least, most = 0.86 * lib.xp.sqrt(smallest), lib.xp.sqrt(largest)
    represented = most > 2.0 ** (-known.exponents // 4)
    well = largest <= 16.0 * a.shape[-1] * smallest
    counted = (least > atol) & (least > 1.01 * rtol * most)
    dropped = (rest <= 0.99 * rtol * most) | (rest < atol)
    rounding = rest <= max(a.shape[-2:]) * known.eps * most
    return represented & well & counted & dropped & rounding
