"""What `cupy.linalg` does where it differs from NumPy: an error of LAPACK is reported to nobody.

`cupyx.errstate(linalg="ignore")` is CuPy's default, since a report would have to be read from the
device. What is left behind by a failure is left to cuSOLVER; here it is what misleads most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ._array import ndarray, unwrapped, wrapped

__all__ = ["LinAlgError", "cholesky", "eigh", "inv", "lstsq", "norm", "pinv", "qr", "solve", "svd"]

LEFTOVER = 3.0
"""What stands in memory that nobody has written to."""


def _checked(*arrays: Any) -> list[np.ndarray]:
    for a in arrays:
        if not isinstance(a, ndarray):
            raise LinAlgError("cupy.linalg only supports cupy.ndarray")
        if a.dtype == np.float16:
            raise TypeError("float16 is unsupported in linalg")
    found = [unwrapped(a) for a in arrays]
    return [x if x.dtype.kind in "fc" else x.astype(np.float64) for x in found]


def _each(
    function: Any, x: np.ndarray, *shapes: tuple[int, ...], real: tuple[int, ...] = ()
) -> Any:
    """Return what a function gives for each matrix, and NaN where it raises."""
    batch = x.shape[:-2]
    results = tuple(
        np.full((*batch, *shape), np.nan, x.real.dtype if i in real else x.dtype)
        for i, shape in enumerate(shapes)
    )
    with np.errstate(all="ignore"):
        for index in np.ndindex(batch):
            if np.isfinite(x[index]).all():
                for result, part in zip(results, function(x[index]), strict=True):
                    result[index] = part
    return results


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    (x,) = _checked(a)
    m, n = x.shape[-2:]
    k = min(m, n)
    rows, columns = (m, n) if full_matrices else (k, k)

    def one(y: np.ndarray) -> Any:
        return np.linalg.svd(y, full_matrices=full_matrices)

    u, s, vh = _each(one, x, (m, rows), (k,), (columns, n), real=(1,))
    return wrapped((u, s, vh)) if compute_uv else wrapped(s)


def eigh(a: Any, UPLO: str = "L") -> Any:
    (x,) = _checked(a)
    n = x.shape[-1]
    return wrapped(_each(lambda y: np.linalg.eigh(y, UPLO), x, (n,), (n, n), real=(0,)))


def qr(a: Any, mode: str = "reduced") -> Any:
    (x,) = _checked(a)
    m, n = x.shape[-2:]
    k = min(m, n)
    if mode == "r":
        return wrapped(_each(lambda y: (np.linalg.qr(y, mode="r"),), x, (k, n))[0])
    return wrapped(_each(lambda y: np.linalg.qr(y, mode=mode), x, (m, k), (k, n)))


def cholesky(a: Any) -> Any:
    """The factor as far as it gets: from the first pivot that is not positive on, A itself."""
    (x,) = _checked(a)
    r = np.tril(x).copy()
    with np.errstate(all="ignore"):
        for index in np.ndindex(x.shape[:-2]):
            y = r[index]
            for j in range(x.shape[-1]):
                y[j:, j] -= y[j:, :j] @ y[j, :j].conj()
                if not y[j, j].real > 0:
                    break
                y[j:, j] /= np.sqrt(y[j, j].real)
    return wrapped(r)


def solve(a: Any, b: Any) -> Any:
    """By elimination, which divides by the pivots whatever they are."""
    x, y = _checked(a, b)
    if y.ndim > 1 and x.shape[:-1] != y.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K)")
    y = np.broadcast_to(y, x.shape[:-1])[..., None] if y.ndim == 1 else y
    found = np.empty(y.shape, np.result_type(x, y))
    for index in np.ndindex(x.shape[:-2]):
        found[index] = _eliminated(x[index], y[index])
    return wrapped(found[..., 0] if b.ndim == 1 else found)


def inv(a: Any) -> Any:
    """Of one matrix by `solve`; of a batch by a routine that writes nothing for a pivot of zero."""
    (x,) = _checked(a)
    identity = np.eye(x.shape[-1], dtype=x.dtype)
    if x.ndim == 2:
        return wrapped(_eliminated(x, identity))
    found = np.empty_like(x)
    for index in np.ndindex(x.shape[:-2]):
        found[index] = _eliminated(x[index], identity, LEFTOVER)
    return wrapped(found)


def _eliminated(a: np.ndarray, b: np.ndarray, without: float | None = None) -> np.ndarray:
    """Return A⁻¹B; where a pivot is zero, B divided by it, or what is given."""
    with np.errstate(all="ignore"):
        try:
            return np.linalg.solve(a, b)
        except LinAlgError:
            zero = np.zeros((), b.dtype)
            return b / zero if without is None else np.full_like(b, without)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    with np.errstate(all="ignore"):
        return wrapped(np.linalg.norm(unwrapped(x), ord=ord, axis=axis, keepdims=keepdims))


def pinv(a: Any, rcond: Any = 1e-15) -> Any:
    """CuPy's own, by its steps."""
    u, s, vt = svd(a.conj(), full_matrices=False)
    r = _inverse(s, s <= rcond * s.max(axis=-1)[..., None])
    return vt.swapaxes(-2, -1) @ (r[..., None] * u.swapaxes(-2, -1))


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """CuPy's own, by its steps: of one matrix."""
    if a.ndim != 2:
        raise LinAlgError(f"{a.ndim}-dimensional array given. Array must be two-dimensional")
    u, s, vh = svd(a, full_matrices=False)
    rcond = np.finfo(s.dtype).eps * max(a.shape) if rcond is None else rcond
    small = s <= rcond * s.max()
    z = ((b.T @ u.conj()) * _inverse(s, small)).T
    nothing = ndarray(np.empty((0,), s.dtype))
    return vh.T.conj() @ z, nothing, ndarray(np.asarray(s.size)) - small.sum(), s


def _inverse(s: Any, small: Any) -> Any:
    inverse = 1 / s
    inverse[small] = 0
    return inverse
