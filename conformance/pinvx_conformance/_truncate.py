"""The pseudoinverse with small singular values dropped, to at least 60 digits.

Three ways, the cheapest that holds: a matrix with one entry in each row and column shows its
singular values; singular values that stand apart from the rest are found by inverse
iteration in integers, since A⁺ is known exactly; everything else is mpmath's.
"""

from __future__ import annotations

import functools
from typing import Any

import mpmath
import numpy as np
from flint import fmpq, fmpq_mat, fmpz, fmpz_mat

from pinvx_conformance import _exact

DIGITS = 60
BITS = 256
# Each step of the iteration gains the square of the ratio of what is kept to what is dropped.
FEWEST_STEPS = 3
MOST_BITS = 4096


@functools.lru_cache(maxsize=1024)
def pinv(data: bytes, shape: tuple[int, int], dtype: str, cutoff: float) -> tuple[list[float], Any]:
    """Return the singular values, descending, and the rational A⁺ of those above the cutoff."""
    a = np.frombuffer(data, dtype=dtype).reshape(shape)
    exact = _of_one_entry_each(a, cutoff) or _by_inverse_iteration(a, cutoff)
    return exact or _by_mpmath(data, shape, dtype, cutoff)


def _of_one_entry_each(a: Any, cutoff: float) -> tuple[list[float], Any] | None:
    filled = a != 0
    if np.any(np.imag(a)) or np.any(filled.sum(0) > 1) or np.any(filled.sum(1) > 1):
        return None
    sigma = np.sort(np.abs(a[filled]))[::-1].tolist()
    sigma += [0.0] * (min(a.shape) - len(sigma))
    kept = _exact.rational(np.where(np.abs(a) > cutoff, a, 0.0))
    return sigma, _exact.pinv(kept)[0]


def _by_inverse_iteration(a: Any, cutoff: float) -> tuple[list[float], Any] | None:
    """A_r⁺ = (I − YY⁺)A⁺, the columns of Y spanning what is dropped: A⁺A⁺ᵀ grows it fastest."""
    if a.shape[0] < a.shape[1]:
        tall = _by_inverse_iteration(np.conj(a.T), cutoff)
        return tall and (tall[0], tall[1].transpose())
    _, s, vh = np.linalg.svd(a, full_matrices=False)
    r = int(np.sum(s > cutoff))
    if s[-1] <= 64 * np.finfo(s.dtype).eps * s[0]:
        return None
    exact = _exact.pinv_of(a)[1]
    if r == len(s):
        return s.tolist(), exact
    if r == 0 or s[r - 1] <= 4 * s[r]:
        return None
    steps = FEWEST_STEPS + int(BITS / (2 * np.log2(s[r - 1] / s[r])))
    y = np.conj(vh[r:].T)
    if a.dtype.kind == "c":
        y = np.block([[y.real, -y.imag], [y.imag, y.real]])
    # So many bits that what is kept is not lost beside what is dropped, which is larger in A⁺, nor
    # the weakest of the columns beside the strongest, whose direction they all take.
    bits = BITS + 2 * int(np.log2(s[0] / s[-1]) + steps * np.log2(s[r] / s[-1]))
    if bits > MOST_BITS:
        return None
    x, unit = _rounded(exact, bits)
    xt = x.transpose()
    start = np.ldexp(y, 53).ravel().tolist()
    columns = fmpz_mat(*y.shape, [fmpz(int(v)) for v in start])
    for _ in range(steps):
        columns = _shortened(x * (xt * columns), bits)
    rows = columns.transpose()
    dropped = fmpq_mat(columns) * fmpq_mat(rows * columns).solve(fmpq_mat(rows * x))
    kept, more = _rounded(fmpq_mat(x) - dropped, BITS)
    return s.tolist(), fmpq_mat(kept) * (1 / (unit * more))


def _rounded(x: Any, bits: int) -> tuple[Any, fmpq]:
    """Return integers of so many bits at most, and the power of two that they are multiplied by."""
    numerators, denominator = x.numer_denom()
    top, bottom = [int(v) for v in numerators.entries()], int(denominator)
    longest = max((v.bit_length() for v in top), default=1)
    shift = max(bits - longest + bottom.bit_length(), 0)
    whole = [fmpz((v << shift) // bottom) for v in top]
    return fmpz_mat(x.nrows(), x.ncols(), whole), fmpq(1 << shift)


def _shortened(y: fmpz_mat, bits: int) -> fmpz_mat:
    entries = [int(v) for v in y.entries()]
    down = max(max(v.bit_length() for v in entries) - bits, 0)
    return fmpz_mat(y.nrows(), y.ncols(), [fmpz(v >> down) for v in entries])


@functools.lru_cache(maxsize=256)
def _svd(data: bytes, shape: tuple[int, int], dtype: str) -> tuple[Any, Any, Any]:
    a = np.frombuffer(data, dtype=dtype).reshape(shape)
    with mpmath.workdps(DIGITS):
        svd = mpmath.svd_c if a.dtype.kind == "c" else mpmath.svd_r
        return tuple(svd(mpmath.matrix(a.tolist())))


def _by_mpmath(
    data: bytes, shape: tuple[int, int], dtype: str, cutoff: float
) -> tuple[list[float], Any]:
    u, s, v = _svd(data, shape, dtype)
    embedded = np.dtype(dtype).kind == "c"
    with mpmath.workdps(DIGITS):
        sigma = [s[i] for i in range(len(s))]
        rank = sum(1 for value in sigma if value > cutoff)
        if rank == 0:
            times = 2 if embedded else 1
            return [float(t) for t in sigma], fmpq_mat(times * shape[1], times * shape[0])
        x = v[:rank, :].H * mpmath.diag([1 / t for t in sigma[:rank]]) * u[:, :rank].H
        return [float(t) for t in sigma], _rational(x, shape[::-1], embedded)


def _rational(x: Any, shape: tuple[int, int], embedded: bool) -> fmpq_mat:
    n, m = shape

    def part(i: int, j: int, name: str) -> fmpq:
        p, q = mpmath.libmp.to_rational(getattr(x[i, j], name)._mpf_)
        return fmpq(int(p), int(q))

    re = [[part(i, j, "real") for j in range(m)] for i in range(n)]
    if not embedded:
        return fmpq_mat(n, m, [v for row in re for v in row])
    im = [[part(i, j, "imag") for j in range(m)] for i in range(n)]
    top = [r + [-v for v in i] for r, i in zip(re, im, strict=True)]
    bottom = [i + r for r, i in zip(re, im, strict=True)]
    return fmpq_mat(2 * n, 2 * m, [v for row in top + bottom for v in row])
