"""A⁺ of a tall matrix from the normal equations: matrix products, and little else.

A⁺ = (AᴴA)⁻¹Aᴴ at full column rank. AᴴA squares the condition number, so the proposal is measured
against A, and accepted while what was lost does not show: for κ up to about √N, which covers the
data matrices of most users.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import judge


def gram(lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Array, Array]:
    """Propose Y = (AᴴA)⁻¹Aᴴ.

    Parameters and results as for `inverse`, with `a` of shape (..., M, N), M ≥ N.
    """
    ah = lib.adjoint(a)
    y = lib.matmul(lib.inv(lib.matmul(ah, a)), ah)
    return y, judge(lib, a, y, rtol, atol)
