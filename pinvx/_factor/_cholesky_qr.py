"""A⁺ of a tall matrix from Cholesky QR, twice: matrix products, for κ up to about 10⁷ (float64).

With AᴴA = RᴴR the columns of Q = A R⁻¹ are orthonormal but for an error of eps·κ², and one more
Gram matrix repairs that: A⁺ = R⁻¹ (QᴴQ)⁻¹ Qᴴ (CholeskyQR2: T. Fukaya et al., ScalA 2014;
Y. Yamamoto et al., ETNA 44 (2015), 306–326). It does not matter how far R is from the triangular
factor of A: any R⁻¹ that makes Q well conditioned will do, and QᴴQ, which is there, tells.

QᴴQ = I + E needs no factorization: (I − E)(I + E²)(I + E⁴) is its inverse but for a factor I − E⁸.

Correcting (AᴴA)⁻¹Aᴴ by powers of I − Y A instead does not do: that cannot see an error of Y that
is orthogonal to the range of A, and A Y is then Hermitian to eps·κ² only.
"""

from __future__ import annotations

from typing import Any

from .._adapter import Adapter
from .._typing import Array
from ._certificate import identity, orthonormal, times_inverse
from ._factor import Factor, Gramian


def cholesky_qr(
    lib: Adapter, a: Array, gramian: Gramian, rtol: Any, atol: Any
) -> tuple[Factor, Any]:
    """Propose W = R⁻¹ (QᴴQ)⁻¹ and Z = Q.

    Parameters and results as for `gram`.
    """
    g, r_inverse = gramian
    q = lib.matmul(a, r_inverse)
    qq = lib.gramian(q)
    e = qq - identity(lib, qq)
    w = times_inverse(lib, r_inverse, e)
    return Factor(w, q, a.shape[-1]), orthonormal(lib, g, r_inverse, e, rtol, atol)
