"""A⁺ of a square matrix: its inverse by Gaussian elimination, where the certificate holds.

The inverse costs 2N³ operations; the singular value decomposition more than 20N³. Growth in the
elimination shows up in I − A⁻¹A, and is refused.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import judge


def inverse(lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Array, Array]:
    """Propose Y = A⁻¹.

    Parameters
    ----------
    lib
        The adapter of `a`.
    a : array, shape (..., N, N)
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    y : array, shape (..., N, N)
    accepted : array of bool, the batch shape
        Whether Y is proved to be A⁺, to the accuracy of the singular value decomposition.
    """
    y = lib.inv(a)
    # Elimination leaves a residual of a few eps·κ where the other rungs leave one.
    return y, judge(lib, a, y, rtol, atol, slack=4.0)
