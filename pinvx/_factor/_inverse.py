"""A⁺ of a square matrix: its inverse by Gaussian elimination, where the certificate holds.

The inverse costs 2N³ operations; the singular value decomposition more than 20N³. Growth in the
elimination shows up in I − A⁻¹A, and is refused.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import inverts
from ._factor import Factor, Gramian


def inverse(
    lib: Adapter, a: Array, gramian: Gramian | None, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = A⁻¹ and Z = I.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., N, N)
    gramian
        Not used.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    factor : Factor
    accepted : array of bool, the batch shape, or bool
    """
    del gramian
    w = lib.inv(a)
    return Factor(w, None, a.shape[-1]), inverts(lib, a, w, rtol, atol)
