"""What every algorithm returns: factor once, apply many times."""

from __future__ import annotations

from typing import NamedTuple

from .._adapter import Adapter
from .._typing import Array


class Factor(NamedTuple):
    """The pseudoinverse in factored form, A⁺ = W Zᴴ.

    The singular value decomposition A = U Σ Vᴴ gives W = V Σ⁺ and Z = U, a QR decomposition
    gives W = R⁻¹ and Z = Q, the normal equations give W = (AᴴA)⁻¹ and Z = A. The factored form of
    (Aᴴ)⁺ = Z Wᴴ is the same pair the other way round. What gives A⁺ itself has Z = I.
    """

    w: Array
    """Shape (..., N, K)."""
    z: Array | None
    """Shape (..., M, K); None stands for the identity."""
    rank: Array
    """Integers, the batch shape."""
    s: Array | None
    """The singular values, descending, shape (..., min(M, N)); NaN where A is not finite. None
    where they were not computed."""

    def pinv(self, lib: Adapter) -> Array:
        """Return A⁺, shape (..., N, M)."""
        return self.w if self.z is None else lib.matmul(self.w, lib.adjoint(self.z))


def apply(lib: Adapter, w: Array, z: Array, b: Array) -> Array:
    """Return W Zᴴ b: with (w, z) this is A⁺b, with (z, w) it is A⁺ᴴb."""
    return lib.matmul(w, lib.matmul(lib.adjoint(z), b))
