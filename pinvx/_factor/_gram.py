"""A⁺ of a tall matrix from the normal equations: matrix products, and little else.

A⁺ = (AᴴA)⁻¹Aᴴ at full column rank. AᴴA squares the condition number: the error is eps·κ² where
other ways lose eps·κ. So this is for the matrices whose κ² is no more than their size, which are
the data matrices of most users, and the inverse tells whether A is one of them before anything of
A's size has been formed.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import well_conditioned
from ._factor import Factor, Gramian


def gram(lib: Adapter, a: Array, gramian: Gramian, rtol: Any, atol: Any) -> tuple[Factor, Any]:
    """Propose W = (AᴴA)⁻¹ and Z = A.

    Parameters and results as for `inverse`, with `a` of shape (..., M, N), M ≥ N.
    """
    g, r_inverse = gramian
    w = lib.gramian(lib.adjoint(r_inverse))  # R⁻¹R⁻ᴴ
    return Factor(w, a, a.shape[-1]), well_conditioned(lib, a, g, w, rtol, atol)
