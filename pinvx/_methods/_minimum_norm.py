"""x = A⁺b by the library's own least squares, if it returns its singular values.

LAPACK's `gelsd` applies the orthogonal factors of the SVD to b and never forms them. The rank that
it used is accepted only if it follows from its singular values by pinvx's cutoff.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._factor import Solution
from .._problem import Problem
from .._tolerance import counted, how_many
from .._typing import Array
from ._proposal import REFUSED, Proposal
from ._svd import number_of


def minimum_norm(p: Problem) -> Proposal:
    """Propose what the library returns, for the whole batch or not at all."""
    found = solution(p.lib, p.a, p.b, p.rtol, p.atol) if p.readable else None
    return REFUSED if found is None else Proposal(True, lambda: found)


def solution(lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any) -> Solution | None:
    """Return A⁺b by the library's own least squares, or None if that cannot be used."""
    if not isinstance(rtol, float) or not 0.0 < rtol < 1.0:
        return None
    if not isinstance(atol, float) or atol != 0.0 or 0 in a.shape or 0 in b.shape:
        return None
    solved = lib.minimum_norm(a, b, rtol)
    if solved is None:
        return None
    x, squares, rank, s = solved
    if a.ndim == 2:
        sigma = lib.numbers(s)
        counts: Any = how_many(sigma, rtol * sigma[0])
        agreed = int(rank) == counts and sigma[0] == sigma[0]
    else:
        counts = number_of(lib, counted(lib, s, s[..., 0], rtol, 0.0))
        agreed = lib.all((rank == counts) & (s[..., 0] == s[..., 0]))
    return Solution(x, squares, counts, s) if agreed else None
