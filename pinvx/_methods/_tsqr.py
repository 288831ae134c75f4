"""The SVD of a tall matrix from blocks of its rows.

It takes a QR decomposition of each block, another of the stacked triangles, and the SVD of the last
triangle (J. Demmel et al., SIAM J. Sci. Comput. 34 (2012), A206–A239). If the blocks are on several
devices, only N×N matrices travel.
"""

from __future__ import annotations

from .._adapter import Adapter
from .._decompositions import svd
from .._typing import Array


def tsqr_svd(lib: Adapter, a: Array, blocks: int) -> tuple[Array, Array, Array]:
    """Return U, σ and Vᴴ of A, shape (..., M, N), where `blocks` divides M, and N ≤ M/blocks."""
    xp = lib.xp
    *batch, m, n = a.shape
    q, r = xp.linalg.qr(xp.reshape(a, (*batch, blocks, m // blocks, n)))
    q_of_r, r = xp.linalg.qr(xp.reshape(r, (*batch, blocks * n, n)))
    u, s, vh = svd(lib, r)
    u = xp.reshape(lib.matmul(q_of_r, u), (*batch, blocks, n, n))
    return xp.reshape(lib.matmul(q, u), a.shape), s, vh
