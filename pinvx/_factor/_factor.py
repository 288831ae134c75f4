"""What every algorithm returns: factor once, apply many times."""

from __future__ import annotations

from typing import NamedTuple

from .._adapter import Adapter
from .._typing import Array


class Factor(NamedTuple):
    """The pseudoinverse in factored form, A⁺ = W Zᴴ.

    The singular value decomposition A = U Σ Vᴴ gives W = V Σ⁺ and Z = U, an orthonormal basis
    Q = A R⁻¹ gives W = R⁻¹ and Z = Q, the normal equations give W = (AᴴA)⁻¹ and Z = A. What gives
    A⁺ itself has None for the identity on the other side.
    """

    w: Array | None
    """Shape (..., N, R) with R ≥ rank."""
    z: Array | None
    """Shape (..., M, R)."""
    rank: Array | int
    """Integers of the batch shape, or one number for the whole batch."""
    s: Array | None = None
    """The singular values, descending, shape (..., min(M, N)); NaN where A is not finite. None
    where they were not computed."""

    def pinv(self, lib: Adapter) -> Array:
        """Return A⁺, shape (..., N, M)."""
        if self.z is None:
            return self.w
        zh = lib.adjoint(self.z)
        return zh if self.w is None else lib.matmul(self.w, zh)

    def with_ranks(self, lib: Adapter, a: Array) -> Factor:
        """Return this with the rank as an array of the batch shape of `a`."""
        return self._replace(rank=ranks(lib, self.rank, a))

    def adjoint(self) -> Factor:
        """Return the factor of Aᴴ: (Aᴴ)⁺ = (A⁺)ᴴ = Z Wᴴ."""
        return Factor(self.z, self.w, self.rank, self.s)


class Gramian(NamedTuple):
    """What several rungs need of a tall matrix A."""

    g: Array
    """AᴴA, shape (..., N, N)."""
    r_inverse: Array | None
    """R⁻¹ of the upper triangular R with RᴴR = AᴴA, and NaN where there is none."""


# In place of a factor that was given up.
NOTHING = Factor(None, None, 0)


def apply(lib: Adapter, w: Array | None, z: Array | None, b: Array) -> Array:
    """Return W Zᴴ b: with (w, z) this is A⁺b, with (z, w) it is A⁺ᴴb."""
    y = b if z is None else lib.matmul(lib.adjoint(z), b)
    return y if w is None else lib.matmul(w, y)


def solve(lib: Adapter, a: Array, b: Array, w: Array | None, z: Array | None, steps: int) -> Array:
    """Return A⁺b, given A⁺ = W Zᴴ.

    `steps` tells how often to solve again for what is left of b: an inverse, or the normal
    equations, lose more of the solution than of A⁺, and get it back so (Å. Björck, Linear Algebra
    Appl. 88/89 (1987), 31–48).
    """
    x = apply(lib, w, z, b)
    for _ in range(steps):
        x = x + apply(lib, w, z, b - lib.matmul(a, x))
    return x


def ranks(lib: Adapter, rank: Array | int, a: Array) -> Array:
    """Return the rank as an array of the batch shape of `a`."""
    if not isinstance(rank, int):
        return rank
    if a.ndim == 2:
        return lib.integer(rank, a)
    return lib.xp.full(tuple(a.shape[:-2]), rank, device=lib.device(a))
