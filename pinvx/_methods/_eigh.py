"""A⁺ of a Hermitian matrix from its eigenvalues, whose magnitudes are the singular values.

A = Q Λ Qᴴ, A⁺ = Q Λ⁺ Qᴴ, σ = |λ| (Golub & Van Loan, Matrix Computations, 4th ed., §8.1).
"""

from __future__ import annotations

from .._adapter import Adapter
from .._decompositions import eigh as decomposed
from .._factor import Factor
from .._problem import Problem
from .._tolerance import counted
from .._typing import Array
from ._proposal import Proposal
from ._svd import empty, number_of


def eigh(p: Problem) -> Proposal:
    """Accept every matrix; it is exactly Hermitian, as `from_lower_triangle` makes it."""

    def answer() -> Factor:
        lib, xp, a = p.lib, p.lib.xp, p.c
        if 0 in a.shape[-2:]:
            return empty(lib, a)
        w, q = decomposed(lib, a)
        s = xp.abs(w)
        keep = counted(lib, s, xp.max(s, axis=-1), p.rtol, p.atol)
        one = xp.ones_like(w)
        inverse = xp.where(keep, one / xp.where(keep, w, one), w - w)  # NaN where it failed
        ordered = xp.sort(s, axis=-1, descending=True)
        return Factor(q * inverse[..., None, :], q, number_of(lib, keep), ordered, steps=0)

    return Proposal(True, answer)


def from_lower_triangle(lib: Adapter, a: Array) -> Array:
    """Return the Hermitian matrix with the lower triangle of `a`, shape (..., N, N).

    The libraries differ: LAPACK reads one triangle, JAX averages the two. Here the upper triangle
    is never read, so it may hold NaN or uninitialized memory; imaginary parts on the diagonal are
    ignored, too. All operations are differentiable, so a gradient reaches the lower triangle alone.
    """
    xp = lib.xp
    strict = xp.tril(a, k=-1)
    diagonal = xp.linalg.diagonal(a)
    known = lib.precision(a.dtype)
    if known is not None and known.is_complex:
        diagonal = xp.astype(xp.real(diagonal), a.dtype)
    on_diagonal = xp.eye(a.shape[-1], dtype=xp.bool, device=lib.device(a))
    return xp.where(on_diagonal, diagonal[..., None, :], strict + lib.adjoint(strict))
