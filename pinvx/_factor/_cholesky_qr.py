"""A⁺ of a tall matrix from Cholesky QR, twice: matrix products, for κ up to about 10⁷ (float64).

With AᴴA = L Lᴴ, the columns of Q = A L⁻ᴴ are orthonormal but for an error of κ²·eps, and one more
Gram matrix repairs that: A⁺ = L⁻ᴴ (QᴴQ)⁻¹ Qᴴ (CholeskyQR2: T. Fukaya et al., ScalA 2014;
Y. Yamamoto et al., ETNA 44 (2015), 306–326). Correcting Y = (AᴴA)⁻¹Aᴴ instead, by powers of
I − Y A, does not do: it cannot see an error in Y that is orthogonal to the range of A, and
A Y is then Hermitian to κ²·eps only.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import judge


def cholesky_qr(lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Array, Array]:
    """Propose Y = L⁻ᴴ (QᴴQ)⁻¹ Qᴴ.

    Parameters and results as for `inverse`, with `a` of shape (..., M, N), M ≥ N.
    """
    h, dot = lib.adjoint, lib.matmul
    r_inverse = h(lib.inv(lib.cholesky(dot(h(a), a))))
    q = dot(a, r_inverse)
    qh = h(q)
    y = dot(dot(r_inverse, lib.inv(dot(qh, q))), qh)
    return y, judge(lib, a, y, rtol, atol)
