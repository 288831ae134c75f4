"""A⁺ from the singular value decomposition: right for every matrix, and slow.

A = U Σ Vᴴ, A⁺ = V Σ⁺ Uᴴ (Golub & Van Loan, Matrix Computations, 4th ed., §5.5.2).
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._tolerance import counted, how_many
from .._typing import Array
from ._balance import balance, extremes
from ._empty import empty
from ._factor import Factor
from ._tsqr import tsqr_svd


def svd(lib: Adapter, a: Array, rtol: Any, atol: Any, *, of_pinv: bool = False) -> Factor:
    """Factorize A by its singular value decomposition.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.
    of_pinv : bool
        Whether nothing but A⁺ is wanted: compiled programs get it whole, and exact at extreme
        scales, where they flush the small terms of V Σ⁺ to zero.
    """
    if 0 in a.shape[-2:]:
        return empty(lib, a)
    if a.shape[-2] < a.shape[-1] and lib.blocks(a.shape[-1]) > 1:
        return svd(lib, lib.adjoint(a), rtol, atol, of_pinv=of_pinv).adjoint()
    if a.ndim == 2 and lib.on_host(a) and isinstance(rtol, float) and isinstance(atol, float):
        factor = _one(lib, a, rtol, atol)
        if factor is not None:
            return factor
    return _any(lib, a, rtol, atol, of_pinv and not lib.readable(a))


def svd_of_pinv(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize A by its singular value decomposition for A⁺ itself; otherwise as `svd`."""
    return svd(lib, a, rtol, atol, of_pinv=True)


def _one(lib: Adapter, a: Array, rtol: float, atol: float) -> Factor | None:
    """Factorize one matrix of moderate scale: the rank is known, and U and V are cut to it."""
    u, s, vh = lib.svd(a)
    sigma = lib.read(s)
    edge = extremes(lib, a)[0]
    if not 1.0 / edge < sigma[0] < edge:  # NaN, infinity and zero included
        return None
    rank = how_many(sigma, max(atol, rtol * sigma[0]))
    w = lib.adjoint(vh)
    if rank == len(sigma):
        return Factor(w / s, u, rank, s)
    if rank == 0:
        return None
    return Factor(w[:, :rank] / s[:rank], u[:, :rank], rank, s)


def _any(lib: Adapter, a: Array, rtol: Any, atol: Any, whole: bool) -> Factor:
    """Factorize any batch of matrices, reading nothing."""
    xp = lib.xp
    m, n = a.shape[-2:]
    blocks = lib.blocks(m)
    a, unit, finite = balance(lib, a)
    if blocks > 1 and m >= blocks * n:
        u, s, vh = tsqr_svd(lib, a, blocks)
    else:
        u, s, vh = xp.linalg.svd(a, full_matrices=False)
    keep = counted(lib, s, s[..., 0], unit, rtol, atol)
    one = xp.ones_like(s)
    inverse = xp.where(
        keep, (one if whole else unit[..., None]) / xp.where(keep, s, one), xp.zeros_like(s)
    )
    # A NaN in Σ⁺ reaches every entry of V Σ⁺, which costs less than masking A⁺.
    nan = xp.asarray(float("nan"), dtype=s.dtype, device=lib.device(s))
    inverse = xp.where(finite[..., None], inverse, nan)
    w, z = lib.adjoint(vh) * inverse[..., None, :], u
    if whole:
        w, z = lib.matmul(w, lib.adjoint(u)) * unit[..., None, None], None
    return Factor(
        w=w,
        z=z,
        rank=xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1),
        s=xp.where(finite[..., None], s / unit[..., None], nan),
    )
