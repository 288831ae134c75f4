"""How well X satisfies the four Penrose conditions for A."""

from __future__ import annotations

from typing import NamedTuple

from . import _arguments as arguments
from . import _scale as scale
from ._adapter import Adapter
from ._typing import Array


class PenroseResiduals(NamedTuple):
    """The four residuals in the Frobenius norm, each over its natural scale; the batch shape."""

    axa: Array
    """‖A X A − A‖ / ‖A‖"""
    xax: Array
    """‖X A X − X‖ / ‖X‖"""
    ax: Array
    """‖(A X)ᴴ − A X‖ / max(1, ‖A X‖)"""
    xa: Array
    """‖(X A)ᴴ − X A‖ / max(1, ‖X A‖)"""


def penrose_residuals(a: Array, x: Array, /) -> PenroseResiduals:
    """Return the four Penrose residuals of `x` as a pseudoinverse of `a`.

    X is the pseudoinverse of A if and only if A X A = A, X A X = X, and A X and X A are Hermitian.
    In floating-point arithmetic each residual of a good pseudoinverse is a small multiple of
    max(M, N)·eps·κ with κ = σ₁/σ_r, and ‖A X‖ = ‖X A‖ = √r.

    Parameters
    ----------
    a : array, shape (..., M, N)
        As for `pinv`.
    x : array, shape (..., N, M)
        The candidate, from anywhere.

    Returns
    -------
    PenroseResiduals
        The fields `axa`, `xax`, `ax` and `xa`, arrays of the batch shape. Zero over zero is zero.
        Memory: a few copies of A, and no square matrix of its long side.

    Raises
    ------
    TypeError, ValueError
        As `pinv`, and if `x` is not of the transposed shape, or of another library or device.

    References
    ----------
    .. [1] R. Penrose, "A generalized inverse for matrices", Proc. Cambridge Philos. Soc. 51
       (1955), 406–413.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> a = np.arange(6.0).reshape(3, 2)
    >>> bool(max(pinvx.penrose_residuals(a, pinvx.pinv(a))) < 1e-14)
    True
    >>> float(pinvx.penrose_residuals(a, a.T).axa) > 1
    True
    """
    m = arguments.matrix(a, "penrose_residuals")
    lib, xp, a = m.lib, m.lib.xp, m.a
    shape = (*a.shape[:-2], a.shape[-1], a.shape[-2])
    x = arguments.companion(m, x, shape, "penrose_residuals", "x")
    if 0 in shape:
        zero = xp.zeros(shape[:-2], dtype=m.known.real, device=lib.device(a))
        return PenroseResiduals(zero, zero, zero, zero)
    return PenroseResiduals(*lib.run(_residuals, None, a, x))


def _residuals(lib: Adapter, _: None, a: Array, x: Array) -> tuple[Array, ...]:
    # Norms square the entries, so A and X are scaled, which changes no residual.
    a, steps, finite = scale.enter(lib, a)
    a = scale.leave(lib, a, None, finite)
    if steps is not None:
        x = scale.leave(lib, x, -steps)
    if a.shape[-2] < a.shape[-1]:  # the conditions of Aᴴ are the same, in pairs
        axa, xax, xa, ax = _tall(lib, lib.adjoint(a), lib.adjoint(x))
    else:
        axa, xax, ax, xa = _tall(lib, a, x)
    return axa, xax, ax, xa


def _tall(lib: Adapter, a: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """Return the residuals for M ≥ N without an M×M matrix."""
    xp, h, dot = lib.xp, lib.adjoint, lib.matmul
    xa = dot(x, a)
    ax_norm, ax_skew = _product_norms(lib, a, x)
    return (
        _over(lib, _norm(lib, dot(a, xa) - a), _norm(lib, a)),
        _over(lib, _norm(lib, dot(xa, x) - x), _norm(lib, x)),
        ax_skew / xp.maximum(xp.ones_like(ax_norm), ax_norm),
        _norm(lib, h(xa) - xa) / xp.maximum(xp.ones_like(ax_norm), _norm(lib, xa)),
    )


def _product_norms(lib: Adapter, a: Array, x: Array) -> tuple[Array, Array]:
    """Return ‖A X‖ and ‖A X − (A X)ᴴ‖ for M ≥ N.

    With [A Xᴴ] = Q R the two are ‖R₁ R₂ᴴ‖ and ‖R₁ R₂ᴴ − R₂ R₁ᴴ‖, where R = [R₁ R₂] has 2N rows:
    a unitary factor changes no Frobenius norm.
    """
    h = lib.adjoint
    n = a.shape[-1]
    left, right = a, h(x)
    if a.shape[-2] > 2 * n:
        r = lib.xp.linalg.qr(lib.xp.concat([left, right], axis=-1), mode="reduced")[1]
        left, right = r[..., :n], r[..., n:]
    product = lib.matmul(left, h(right))
    return _norm(lib, product), _norm(lib, product - h(product))


def _norm(lib: Adapter, x: Array) -> Array:
    return lib.xp.linalg.matrix_norm(x, ord="fro")


def _over(lib: Adapter, numerator: Array, denominator: Array) -> Array:
    one = lib.xp.ones_like(denominator)
    return numerator / lib.xp.where(denominator == 0.0, one, denominator)
