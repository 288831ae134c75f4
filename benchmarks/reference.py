"""Reference answers for the exact input, with more digits than its dtype.

Single precision: the singular value decomposition in double precision, with the cutoff of single
precision. Double precision: refinement with residuals in extended precision, which needs full rank.
A rank-deficient matrix is given as a product A = B C of two that have full rank, and A⁺ = C⁺B⁺.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .extended_product import EXTENDED, product

AVAILABLE = EXTENDED < 1e-18
"""Whether long double is longer than double here. If not, double precision has no reference."""


def pinv(a: Any, factors: tuple[Any, Any] | None = None) -> Any:
    """Return A⁺ with a relative error of about 1e-19·κ (single precision: 1e-16·κ).

    Parameters
    ----------
    a : array, shape (..., M, N)
        Of full rank, unless in single precision or given by factors.
    factors : tuple of two arrays, optional
        B (..., M, r) and C (..., r, N) of full rank r with A = B C.

    Returns
    -------
    array, shape (..., N, M)

    Raises
    ------
    ValueError
        If a matrix is so close to a lower rank that the refinement fails.
    """
    if a.dtype in (np.float32, np.complex64):
        cutoff = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
        return np.linalg.pinv(_double(a), rtol=cutoff)
    if factors is not None:
        b, c = factors
        return product(_full_rank_pinv(c), _full_rank_pinv(b))
    return _full_rank_pinv(a)


def _full_rank_pinv(a: Any) -> Any:
    """Refine a left inverse.

    X = M Aᴴ with any M ≈ (AᴴA)⁻¹ has its rows in the column space of A, and so has X + E X with
    E = I − X A, the residual of which is E². A left inverse with such rows is A⁺. The residual has
    to be formed in extended precision; the correction is smaller by E, and float64 does for it.
    """
    if a.shape[-2] < a.shape[-1]:
        return _adjoint(_full_rank_pinv(_adjoint(a)))
    _, s, vh = np.linalg.svd(a, full_matrices=False)
    v = _adjoint(vh) / s[..., None, :]
    x = product(v @ _adjoint(v), _adjoint(a))
    one: Any = np.eye(a.shape[-1], dtype=np.longdouble)
    for _ in range(8):
        e = one - product(x, a)
        size = float(np.max(np.sqrt(np.sum(np.abs(e) ** 2, axis=(-2, -1)))))
        if not size < 0.5:
            break
        x = x + _double(e) @ _double(x)
        if size**2 < EXTENDED:
            return x
    raise ValueError(
        f"no reference for a matrix of shape {a.shape}, κ = {np.max(s[..., 0] / s[..., -1]):.1e}: "
        f"the residual stays at {size:.1e}. Hint: A must have full rank, with κ below 1e7."
    )


def solution(x: Any, b: Any) -> Any:
    """Return A⁺b for X = A⁺ (..., N, M) and b (M,) or (..., M, K)."""
    return _times(x, b)


def pinv_gradient(a: Any, x: Any, g: Any) -> Any:
    """Return the cotangent of A for the cotangent G of X = A⁺, each of the shape of its matrix.

    Ā = −Xᴴ G Xᴴ + (I − A X) Gᴴ X Xᴴ + Xᴴ X Gᴴ (I − X A)
    (Golub & Pereyra 1973, eq. 4.12), ordered so that only min(M, N) squared is formed.
    """
    if a.shape[-2] < a.shape[-1]:
        return _adjoint(pinv_gradient(_adjoint(a), _adjoint(x), _adjoint(g)))
    xh, gh = _adjoint(x), _adjoint(g)
    xgh = product(x, gh)
    left = product(gh - product(a, xgh), product(x, xh))
    return product(xh, xgh - _adjoint(xgh) - product(xgh, product(x, a))) + left


def lstsq_gradients(a: Any, b: Any, x: Any, g: Any) -> tuple[Any, Any]:
    """Return the cotangents of A and b for the cotangent g of the solution.

    b̄ = y and Ā = −y xᴴ + r zᴴ + w qᴴ with y = Xᴴg, z = X y, w = Xᴴx, q = g − X A g, for the
    solution x = X b and its residual r = b − A x.
    """
    b, g = (v[..., None] if v.ndim == 1 else v for v in (b, g))
    xh = _adjoint(x)
    solution = product(x, b)
    r = b - product(a, solution)
    y, w = product(xh, g), product(xh, solution)
    z = product(x, y)
    q = g - product(x, product(a, g))
    outer = -y * _adjoint(solution) + r * _adjoint(z) + w * _adjoint(q)
    return outer, y[..., 0] if a.ndim == 2 else y


def error(found: Any, exact: Any) -> float:
    """Return ‖X − X_exact‖_F / ‖X_exact‖_F, the largest of a batch; NaN if an entry is."""
    found = found.reshape(exact.shape).astype(np.result_type(found, exact))
    axes = (-2, -1) if exact.ndim > 1 else (-1,)
    difference, size = (
        np.sqrt(np.sum(np.abs(x) ** 2, axis=axes, dtype=np.longdouble))
        for x in (found - exact, exact)
    )
    return float(np.max(difference / size))


def _times(x: Any, b: Any) -> Any:
    return product(x, b[:, None])[:, 0] if b.ndim == 1 else product(x, b)


def _adjoint(x: Any) -> Any:
    return x.conj().mT


def _double(x: Any) -> Any:
    return x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)
