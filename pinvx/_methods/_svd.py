"""A⁺ from the singular value decomposition (SVD): right for every matrix, and slow.

A = U Σ Vᴴ, A⁺ = V Σ⁺ Uᴴ (Golub & Van Loan, Matrix Computations, 4th ed., §5.5.2).
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._decompositions import converged
from .._decompositions import svd as decomposed
from .._factor import Factor
from .._problem import Problem
from .._tolerance import counted, how_many
from .._typing import Array
from ._proposal import Proposal
from ._tsqr import tsqr_svd


def svd(p: Problem) -> Proposal:
    """Accept every matrix."""
    return Proposal(True, lambda: svd_factor(p.lib, p.c, p.rtol, p.atol))


def svd_factor(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize A, which is finite and of ordinary scale."""
    if 0 in a.shape[-2:]:
        return empty(lib, a)
    blocks = 1
    if lib.tracer is not None:
        blocks = lib.tracer.blocks(a)
        if blocks == 1 and lib.tracer.blocks(lib.adjoint(a)) > 1:
            return svd_factor(lib, lib.adjoint(a), rtol, atol).adjoint()
    u, s, vh = tsqr_svd(lib, a, blocks) if blocks > 1 else _of_library(lib, a) or decomposed(lib, a)
    w = lib.adjoint(vh)
    numbers = isinstance(rtol, float) and isinstance(atol, float)
    if numbers and a.ndim == 2 and lib.on_host(a):
        sigma = lib.numbers(s)
        rank = how_many(sigma, max(atol, rtol * sigma[0]))
        if rank == len(sigma):
            return Factor(w / s, u, rank, s, steps=0)
        if sigma[0] == sigma[0]:  # NaN if the SVD failed
            return Factor(w[:, :rank] / s[:rank], u[:, :rank], rank, s, steps=0)
    xp = lib.xp
    keep = counted(lib, s, s[..., 0], rtol, atol)
    one = xp.ones_like(s)
    inverse = xp.where(keep, one / xp.where(keep, s, one), s - s)  # NaN where the SVD failed
    return Factor(w * inverse[..., None, :], u, number_of(lib, keep), s, steps=0)


def _of_library(lib: Adapter, a: Array) -> tuple[Array, ...] | None:
    """Return the library's U, σ and Vᴴ if they are known to be right, and None otherwise."""
    if not lib.readable(a):
        return None
    try:
        found = lib.svd(a)
    except Exception:  # every library has an error of its own for what does not converge
        return None
    return found if converged(lib, found[1]) else None


def number_of(lib: Adapter, keep: Array) -> Array:
    """Count the true entries along the last dimension."""
    return lib.xp.sum(lib.xp.astype(keep, lib.xp.asarray(0).dtype), axis=-1)


def empty(lib: Adapter, a: Array) -> Factor:
    """Return the factor of A with min(M, N) = 0: rank 0, A⁺ = 0ᵀ.

    Libraries disagree about decompositions of empty matrices, so none is called.
    """
    xp = lib.xp
    batch, (m, n) = tuple(a.shape[:-2]), a.shape[-2:]
    known = lib.precision(a.dtype)
    assert known is not None  # checked at the call
    device = lib.device(a)
    return Factor(
        w=xp.zeros((*batch, n, 0), dtype=a.dtype, device=device),
        z=xp.zeros((*batch, m, 0), dtype=a.dtype, device=device),
        rank=0,
        s=xp.zeros((*batch, 0), dtype=known.real, device=device),
        steps=0,
    )
