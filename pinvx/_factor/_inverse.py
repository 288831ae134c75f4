"""A⁺ of a square matrix: its inverse by Gaussian elimination, where the certificate holds.

The inverse costs 2N³ operations; the singular value decomposition more than 20N³. Growth in the
elimination shows up in I − A⁻¹A, and is refused.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import inverts


def inverse(
    lib: Adapter, a: Array, g: Array | None, rtol: Any, atol: Any
) -> tuple[Array, None, Any]:
    """Propose W = A⁻¹ and Z = I.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., N, N)
    g
        Not used.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    w : array, shape (..., N, N)
    z : None
        It stands for the identity.
    accepted : array of bool, the batch shape, or bool
    """
    del g
    w = lib.inv(a)
    return w, None, inverts(lib, a, w, rtol, atol)
