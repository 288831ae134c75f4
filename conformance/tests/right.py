"""Implementations that are right: the wrong ones are variations of them."""

import warnings

import mpmath
import numpy as np
from pinvx_conformance import Solved

HALF = ("float16",)
METHODS = ("auto", "svd")


class CutoffWarning(UserWarning):
    """The default cutoff is above a hundredth of the largest singular value."""


def pinv(
    a, rtol=None, *, atol=None, rcond=None, hermitian=False, return_rank=False, out=None,
    method="auto",
):  # fmt: skip
    """The SVD formula in NumPy, item by item, with every option."""
    work, dtype = matrix(a, "pinv")
    if method not in METHODS:
        raise ValueError(f"pinv got the method {method!r}.\nHint: one of {METHODS}.")
    cuts = Cutoffs(work, "pinv", rtol, atol, rcond)
    batch = work.shape[:-2]
    x = np.zeros((*batch, *work.shape[:-3:-1]), dtype=work.dtype)
    rank = np.zeros(batch, dtype="int64")
    with np.errstate(all="ignore"):
        for i in np.ndindex(batch):
            x[i], rank[i] = one(work[i], cuts[i], hermitian)
        x = x.astype(dtype)
    if out is not None:
        x = written(out, x)
    return (x, rank) if return_rank else x


def matrix(a, function):
    """`a` in the dtype computed in, and the dtype of the result."""
    if not isinstance(a, np.ndarray):
        raise TypeError(f"{function} got a {type(a).__name__}.\nHint: pass an array.")
    if a.ndim < 2:
        raise ValueError(f"{function} got shape {a.shape}.\nHint: pass a matrix or a stack.")
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype("float64")
    return a.astype("float32" if dtype in HALF else dtype), dtype


class Cutoffs:
    """The tolerances of each item of a batch, rounded to the dtype computed in."""

    def __init__(self, work, function, rtol, atol, rcond):
        if rcond is not None:
            if rtol is not None:
                raise TypeError(f"{function} got rtol and rcond.\nHint: pass rtol alone.")
            rtol = rcond
        p, self.real = max(work.shape[-2:]), np.finfo(work.dtype).dtype
        given = rtol is not None or atol is not None
        default = p * float(np.finfo(self.real).eps)
        if not given and default > 0.01:
            text = f"{function}: the default cutoff is {default:.2g} of the largest singular value"
            warnings.warn(f"{text}.\nHint: pass rtol.", CutoffWarning, stacklevel=3)
        batch = work.shape[:-2]
        self.atol = self.of_each(0.0 if atol is None else atol, batch, function)
        if rtol is None:
            self.rtol = np.where(self.atol > 0, 0.0, default).astype(self.real)
        else:
            self.rtol = np.minimum(self.of_each(rtol, batch, function), 1)

    def of_each(self, tolerance, batch, function):
        """A tolerance as one number an item."""
        if isinstance(tolerance, int):
            tolerance = min(tolerance, 2**1000)  # larger ones are no floats
        with np.errstate(all="ignore"):
            rounded = np.asarray(tolerance).astype(self.real)
        if not np.all(rounded >= 0):
            raise ValueError(f"{function} got the tolerance {tolerance}.\nHint: not below zero.")
        try:
            return np.broadcast_to(rounded, batch)
        except ValueError as error:
            text = f"{function}: a tolerance of shape {rounded.shape} for the batch {batch}"
            raise ValueError(f"{text}.\nHint: one number, or one an item.") from error

    def __getitem__(self, i):
        return self.rtol[i], self.atol[i]


def written(out, x):
    """`out`, filled with x."""
    if (out.shape, out.dtype) != (x.shape, x.dtype):
        raise ValueError(f"out of shape {out.shape} and dtype {out.dtype} for {x.shape}, {x.dtype}")
    out[...] = x
    return out


def scale(a, exponent):
    """A·2^exponent, without an overflow on the way; the exponent may be an array."""
    if a.dtype.kind != "c":
        return np.ldexp(a, exponent)
    out = np.empty_like(a)
    out.real, out.imag = np.ldexp(a.real, exponent), np.ldexp(a.imag, exponent)
    return out


def exponent_of(a, axis=None):
    """The e for which the largest entry of A·2^−e is about one; columns one by one for axis 0."""
    largest = np.maximum(np.abs(a.real), np.abs(a.imag))
    return np.frexp(np.max(largest, axis=axis, initial=0))[1]


def svd(a):
    """U, the singular values and Vᴴ; a name of its own, so that tests can keep the results."""
    return np.linalg.svd(a, full_matrices=False)


def eigh(a):
    """The eigenvalues and eigenvectors, likewise."""
    return np.linalg.eigh(a)


class Factors:
    """A·2^−e = U·diag(s)·Vᴴ of one finite matrix, what counts of s inverted, and the rank."""

    def __init__(self, a, cut, hermitian=False):
        rtol, atol = cut
        self.e = int(exponent_of(a))
        self.near = scale(a, -self.e)
        if hermitian:
            values, v = eigh(self.near)
            self.s, self.v = np.abs(values), v
            self.u = v * np.where(values < 0, -1, 1).astype(values.dtype)
        else:
            self.u, self.s, vh = svd(self.near)
            self.v = np.conj(vh.T)
        # Strictly above: a singular value of zero does not count with a tolerance of zero.
        keep = self.s > max(np.ldexp(atol, -self.e), rtol * np.max(self.s))
        self.inverse = np.divide(1, self.s, out=np.zeros_like(self.s), where=keep)
        self.rank = int(np.sum(keep))

    def times(self, b):
        """(A·2^−e)⁺·b, which is stable where the pseudoinverse, formed first, is not."""
        return self.v @ (self.inverse[:, None] * (np.conj(self.u.T) @ b))

    @property
    def pinv(self):
        """(A·2^−e)⁺."""
        return (self.v * self.inverse) @ np.conj(self.u.T)


def one(a, cut, hermitian=False):
    """A⁺ and the rank of one matrix."""
    if hermitian:
        a = np.tril(a, -1) + np.conj(np.tril(a, -1).T) + np.diag(np.diag(a).real.astype(a.dtype))
    if a.size == 0:
        return np.zeros(a.shape[::-1], a.dtype), 0
    if not np.all(np.isfinite(a)):
        return np.full(a.shape[::-1], np.nan, a.dtype), 0
    f = Factors(a, cut, hermitian)
    x = f.pinv
    return scale((x + np.conj(x.T)) / 2 if hermitian else x, -f.e), f.rank


def lstsq(a, b, rtol=None, *, atol=None, rcond=None, singular_values=False, method="auto"):
    """Minimum-norm least squares by the SVD, item by item, in shapes that the inputs decide."""
    if method not in METHODS:
        raise ValueError(f"lstsq got the method {method!r}.\nHint: one of {METHODS}.")
    work, columns, dtype, is_vector = equations(a, b, "lstsq")
    cuts = Cutoffs(work, "lstsq", rtol, atol, rcond)
    batch = np.broadcast_shapes(work.shape[:-2], columns.shape[:-2])
    m, n = work.shape[-2:]
    x = np.zeros((*batch, n, columns.shape[-1]), dtype=work.dtype)
    real = np.finfo(work.dtype).dtype
    squares = np.zeros((*batch, columns.shape[-1]), dtype=real)
    rank = np.zeros(work.shape[:-2], dtype="int64")
    s = np.zeros((*work.shape[:-2], min(m, n)), dtype=real)
    with np.errstate(all="ignore"):
        for i in np.ndindex(batch):
            j, k = own(i, work), own(i, columns)
            x[i], squares[i], rank[j], s[j] = solve(work[j], columns[k], cuts[j])
        x, squares, s = (
            x.astype(dtype),
            squares.astype(np.finfo(dtype).dtype),
            s.astype(np.finfo(dtype).dtype),
        )
    if is_vector:
        x, squares = x[..., 0], squares[..., 0]
    return Solved(x, squares, rank, s if singular_values else None)


def equations(a, b, function):
    """A, b as columns, the dtype of the result, and whether b was a vector."""
    work, dtype = matrix(a, function)
    if type(a) is not type(b):
        raise TypeError(f"{function} got {type(a)} and {type(b)} of {type(b).__module__}.")
    if b.ndim == 0 or a.shape[-2] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"{function} got shapes {a.shape} and {b.shape}.\nHint: as many rows.")
    columns = b[:, None] if b.ndim == 1 else b
    np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
    wide = columns.dtype if columns.dtype.kind in "fc" else dtype
    dtype = np.result_type(dtype, wide)
    compute = np.result_type(dtype, "float32")
    return work.astype(compute), columns.astype(compute), dtype, b.ndim == 1


def own(i, array):
    """The index of an item of the batch in an array that broadcasts with it."""
    shape = array.shape[:-2]
    return tuple(k if n > 1 else 0 for k, n in zip(i[len(i) - len(shape) :], shape, strict=True))


def solve(a, b, cut):
    """X, ‖b − Ax‖² column by column, the rank and the singular values of one system."""
    m, n = a.shape
    k, real = b.shape[1], np.finfo(a.dtype).dtype
    if a.size and not np.all(np.isfinite(a)):
        nan = np.full((n, k), np.nan, a.dtype)
        return nan, np.full(k, np.nan, real), 0, np.full(min(m, n), np.nan, real)
    good = np.all(np.isfinite(b), axis=0)
    b = np.where(good, b, 0)
    t = exponent_of(b, axis=0)
    near = scale(b, -t)
    if a.size == 0:
        x, r, rank, s = np.zeros((n, k), a.dtype), near, 0, np.zeros(0, real)
    else:
        f = Factors(a, cut)
        y = f.times(near)
        x, r, rank, s = scale(y, t - f.e), near - f.near @ y, f.rank, np.ldexp(f.s, f.e)
    squares = np.ldexp(np.sum(r.real**2 + r.imag**2, axis=0), 2 * t)
    return np.where(good, x, np.nan), np.where(good, squares, np.nan), rank, s


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
