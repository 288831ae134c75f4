"""Implementations that are right: the wrong ones are variations of them."""

import mpmath
import numpy as np
from pinvx_conformance import Solved


def pinv(a, *, rtol=None, atol=None, hermitian=False, return_rank=False, out=None):
    """The SVD formula in NumPy, item by item, with every option."""
    if not isinstance(a, np.ndarray):
        raise TypeError(f"pinv got a {type(a).__name__}.\nHint: pass an array.")
    if a.ndim < 2:
        raise ValueError(f"pinv got shape {a.shape}.\nHint: pass a matrix or a stack of them.")
    for tolerance in (rtol, atol):
        if tolerance is not None and not np.all(np.asarray(tolerance) >= 0):
            raise ValueError(f"pinv got the tolerance {tolerance}.\nHint: not below zero.")
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype("float64")
    work = a.astype("float32" if dtype == "float16" else dtype)
    batch = a.shape[:-2]
    try:
        rtol, atol = (None if t is None else np.broadcast_to(t, batch) for t in (rtol, atol))
    except ValueError as error:
        raise ValueError(f"a tolerance does not fit the batch {batch}: {error}") from error
    x = np.zeros((*batch, *a.shape[:-3:-1]), dtype=dtype)
    rank = np.zeros(batch, dtype="int64")
    for i in np.ndindex(batch):
        cut = [None if t is None else float(t[i]) for t in (rtol, atol)]
        x[i], rank[i] = one(work[i], *cut, hermitian)
    if out is not None:
        x = written(out, x)
    return (x, rank) if return_rank else x


def written(out, x):
    """`out`, filled with x."""
    if (out.shape, out.dtype) != (x.shape, x.dtype):
        raise ValueError(f"out of shape {out.shape} and dtype {out.dtype} for {x.shape}, {x.dtype}")
    out[...] = x
    return out


def factors(a, rtol=None, atol=None):
    """U, 1/σ or 0, V and the rank of one finite matrix."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    floor = (0.0 if atol else max(a.shape) * np.finfo(a.dtype).eps) if rtol is None else rtol
    keep = (s > max(atol or 0.0, floor * s[0])) & (s > 0)
    inverse = np.divide(1, s, out=np.zeros_like(s), where=keep)
    return u, inverse, np.conj(vh.T), int(np.sum(keep))


def one(a, rtol=None, atol=None, hermitian=False):
    """A⁺ and the rank of one matrix."""
    if hermitian:
        a = np.tril(a) + np.conj(np.tril(a, -1).T)
    if a.size == 0:
        return np.zeros(a.shape[::-1], a.dtype), 0
    if not np.all(np.isfinite(a)):
        return np.full(a.shape[::-1], np.nan, a.dtype), 0
    u, inverse, v, rank = factors(a, rtol, atol)
    x = (v * inverse) @ np.conj(u.T)
    return ((x + np.conj(x.T)) / 2 if hermitian else x), rank


def lstsq(a, b):
    """Minimum-norm least squares by the SVD, item by item, in shapes that the inputs decide."""
    if a.shape[-2] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"lstsq got shapes {a.shape} and {b.shape}.\nHint: as many rows in both.")
    if type(a) is not type(b):
        raise TypeError(f"lstsq got {type(a)} and {type(b)} of {type(b).__module__}.")
    columns = b[:, None] if b.ndim == 1 else b
    batch = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
    x = np.zeros((*batch, a.shape[-1], columns.shape[-1]), dtype=a.dtype)
    rank = np.zeros(batch, dtype="int64")
    for i in np.ndindex(batch):
        x[i], rank[i] = solve(a[i], columns[i])
    squares = np.sum(np.abs(columns - a @ x) ** 2, axis=-2)
    return (
        Solved(x[..., 0], squares[..., 0], rank, None)
        if b.ndim == 1
        else Solved(x, squares, rank, None)
    )


def solve(a, b):
    """V·Σ⁺·(Uᴴb), which is stable where V·Σ⁺·Uᴴ, formed first, is not."""
    if a.size == 0 or not np.all(np.isfinite(a)):
        empty = 0.0 if a.size == 0 else np.nan
        return np.full((a.shape[1], b.shape[1]), empty, a.dtype), 0
    u, inverse, v, rank = factors(a)
    return v @ (inverse[:, None] * (np.conj(u.T) @ b)), rank


def mpmath_pinv(a):
    """A⁺ in fifteen lines: the SVD to 50 digits, the contract's cutoff, one rounding at the end."""
    if a.ndim != 2:
        raise ValueError(f"shape {a.shape}; this one takes one matrix")
    if a.size == 0 or not np.all(np.isfinite(a)):
        return np.full(a.shape[::-1], np.nan, a.dtype)
    mp = mpmath.MPContext()  # one of its own: the precision of mpmath.mp is shared by all threads
    mp.dps = 50
    number = complex if a.dtype.kind == "c" else float
    svd = mp.svd_c if number is complex else mp.svd_r
    u, s, v = svd(mp.matrix(a.astype(number).tolist()))
    cutoff = max(a.shape) * float(np.finfo(a.dtype).eps) * s[0]
    inverse = mp.diag([1 / t if t > cutoff else mp.mpf(0) for t in s])
    rows = (v.H * inverse * u.H).tolist()
    return np.asarray([[number(entry) for entry in row] for row in rows]).astype(a.dtype)
