"""The factorization of a matrix without rows or without columns."""

from __future__ import annotations

from .._adapter import Adapter
from .._typing import Array
from ._factor import Factor


def empty(lib: Adapter, a: Array) -> Factor:
    """Return the factor of A with min(M, N) = 0: rank 0, A⁺ = 0ᵀ.

    No library agrees with another on what its decompositions do here, so none is called.
    """
    xp = lib.xp
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    real = lib.precision(a.dtype).real  # type: ignore[union-attr]  # checked at the call
    device = lib.device(a)
    return Factor(
        w=xp.zeros((*batch, n, 0), dtype=a.dtype, device=device),
        z=xp.zeros((*batch, m, 0), dtype=a.dtype, device=device),
        rank=xp.astype(xp.zeros(batch, dtype=real, device=device), xp.asarray(0).dtype),
        s=xp.zeros((*batch, 0), dtype=real, device=device),
    )
