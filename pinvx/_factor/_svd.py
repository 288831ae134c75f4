"""A⁺ from the singular value decomposition: right for every matrix, and slow.

A = U Σ Vᴴ, A⁺ = V Σ⁺ Uᴴ (Golub & Van Loan, Matrix Computations, 4th ed., §5.5.2).
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._tolerance import counted
from .._typing import Array
from ._balance import balance
from ._empty import empty
from ._factor import Factor


def svd(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize A by its singular value decomposition.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.
    """
    if 0 in a.shape[-2:]:
        return empty(lib, a)
    xp = lib.xp
    a, unit, finite = balance(lib, a)
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    keep = counted(lib, s, unit, rtol, atol)
    inverse = xp.where(keep, unit[..., None] / xp.where(keep, s, xp.ones_like(s)), xp.zeros_like(s))
    # A NaN in Σ⁺ reaches every entry of V Σ⁺, which costs less than masking A⁺.
    nan = xp.asarray(float("nan"), dtype=s.dtype, device=lib.device(s))
    inverse = xp.where(finite[..., None], inverse, nan)
    return Factor(
        w=lib.adjoint(vh) * inverse[..., None, :],
        z=u,
        rank=xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1),
        s=xp.where(finite[..., None], s / unit[..., None], nan),
    )
