"""A⁺ of a Hermitian matrix from its eigenvalues, whose magnitudes are the singular values.

A = Q Λ Qᴴ, A⁺ = Q Λ⁺ Qᴴ, σ = |λ| (Golub & Van Loan, Matrix Computations, 4th ed., §8.1).
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._tolerance import counted
from .._typing import Array
from ._balance import balance
from ._empty import empty
from ._factor import Factor


def eigh(lib: Adapter, a: Array, rtol: Any, atol: Any) -> Factor:
    """Factorize a matrix that is exactly Hermitian.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., N, N)
        As `from_lower_triangle` makes it.
    rtol, atol
        As `tolerances` returns them.
    """
    if 0 in a.shape[-2:]:
        return empty(lib, a)
    xp = lib.xp
    a, unit, finite = balance(lib, a)
    w, q = xp.linalg.eigh(a)
    s = xp.abs(w)
    keep = counted(lib, s, xp.max(s, axis=-1), unit, rtol, atol)
    inverse = xp.where(keep, unit[..., None] / xp.where(keep, w, xp.ones_like(w)), xp.zeros_like(w))
    nan = xp.asarray(float("nan"), dtype=s.dtype, device=lib.device(s))
    inverse = xp.where(finite[..., None], inverse, nan)
    return Factor(
        w=q * inverse[..., None, :],
        z=q,
        rank=xp.sum(xp.astype(keep, xp.asarray(0).dtype), axis=-1),
        s=xp.where(finite[..., None], xp.sort(s, axis=-1, descending=True) / unit[..., None], nan),
    )


def from_lower_triangle(lib: Adapter, a: Array) -> Array:
    """Return the Hermitian matrix with the lower triangle of `a`, shape (..., N, N).

    The libraries differ: LAPACK reads one triangle, JAX averages the two. The upper triangle is
    never read here, so NaN or uninitialized memory may stand there; nor are imaginary parts on
    the diagonal. It is made of differentiable operations, so a gradient reaches the lower
    triangle alone.
    """
    xp = lib.xp
    strict = xp.tril(a, k=-1)
    diagonal = xp.linalg.diagonal(a)
    known = lib.precision(a.dtype)
    if known is not None and known.is_complex:
        diagonal = xp.astype(xp.real(diagonal), a.dtype)
    on_diagonal = xp.eye(a.shape[-1], dtype=xp.bool, device=lib.device(a))
    return xp.where(on_diagonal, diagonal[..., None, :], strict + lib.adjoint(strict))
