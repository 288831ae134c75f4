"""Rational linear algebra: the pseudoinverse of a float matrix, exactly.

Every float is a rational number, so A⁺ is rational too. A complex matrix goes through its real
embedding φ(A) = [[Re A, −Im A], [Im A, Re A]]: φ is a homomorphism of rings and turns the conjugate
transpose into the transpose, so any formula made of sums, products and adjoints can be
evaluated on embedded matrices and read off at the end.
"""

from __future__ import annotations

import functools
from math import ldexp
from typing import Any, NamedTuple

import numpy as np
from flint import fmpq, fmpq_mat, fmpz, fmpz_mat

Matrix = Any  # flint's fmpq_mat


class Split(NamedTuple):
    """The value 2^exponent·(hi + lo): a rational matrix to about twice the precision of float64."""

    hi: Any
    lo: Any
    exponent: int

    @property
    def value(self) -> Any:
        """The matrix as one float64 or complex128 array."""
        return scale(self.hi + self.lo, self.exponent)


def scale(a: Any, exponent: int) -> Any:
    """A·2^exponent, for complex arrays too."""
    if a.dtype.kind == "c":
        return np.ldexp(a.real, exponent) + 1j * np.ldexp(a.imag, exponent)
    return np.ldexp(a, exponent)


def rational(a: Any) -> Matrix:
    """Return the float matrix `a` as rationals, embedded if it is complex."""
    wide = _embedded(a)
    return fmpq_mat(*wide.shape, [fmpq(*v.as_integer_ratio()) for v in wide.ravel().tolist()])


def integral(a: Any) -> tuple[fmpz_mat, int]:
    """Return integers, embedded if `a` is complex, and the k ≥ 0 for which `a` is these·2^−k.

    Products of such matrices have no fractions to reduce.
    """
    wide = _embedded(a)
    pairs = [v.as_integer_ratio() for v in wide.ravel().tolist()]
    # Every denominator is a power of two, the largest a multiple of the others.
    denominator = max((q for _, q in pairs), default=1)
    whole = [fmpz(p * (denominator // q)) for p, q in pairs]
    return fmpz_mat(*wide.shape, whole), denominator.bit_length() - 1


def _embedded(a: Any) -> Any:
    if a.dtype.kind == "c":
        a = np.block([[a.real, -a.imag], [a.imag, a.real]])
    return np.asarray(a, dtype="float64")


# Bits kept behind the largest entry: `lo` begins 53 below, and entries as small as 2^−140 of
# the largest still have a full float64.
BITS = 200


def split(x: Matrix, *, embedded: bool) -> Split:
    """Read a rational matrix back as floats, and un-embed it."""
    m, n = x.nrows(), x.ncols()
    numerators, denominator = x.numer_denom()
    top, bottom = [int(v) for v in numerators.entries()], int(denominator)
    longest = max((v.bit_length() for v in top), default=0)
    exponent = longest - bottom.bit_length() if longest else 0
    # Integers with BITS bits behind the point of 2^−exponent·X: no fraction needs to be reduced.
    shift = BITS - exponent
    up, down = max(shift, 0), bottom << max(-shift, 0)
    scaled = [(v << up) // down for v in top]
    unit = 1 << BITS
    high = [v / unit for v in scaled]  # Python divides integers with one correct rounding
    low = [(v - int(ldexp(h, BITS))) / unit for v, h in zip(scaled, high, strict=True)]
    hi, lo = (np.asarray(part, dtype="float64").reshape(m, n) for part in (high, low))
    if embedded:
        hi, lo = _unembed(hi), _unembed(lo)
    return Split(hi, lo, exponent)


def nearest(q: Any) -> float:
    """Return the float nearest to a rational number."""
    return int(q.p) / int(q.q)


def _unembed(x: Any) -> Any:
    m, n = x.shape[0] // 2, x.shape[1] // 2
    return x[:m, :n] + 1j * x[m:, :n]


@functools.lru_cache(maxsize=1024)
def _pinv_of(data: bytes, shape: tuple[int, int], dtype: str) -> tuple[Matrix, Matrix, int]:
    exact = rational(np.frombuffer(data, dtype=dtype).reshape(shape))
    return exact, *pinv(exact)


def pinv_of(a: Any) -> tuple[Matrix, Matrix, int]:
    """Return a float matrix as rationals, its pseudoinverse and its rank; found once a matrix."""
    return _pinv_of(a.tobytes(), a.shape, str(a.dtype))


def pinv(a: Matrix) -> tuple[Matrix, int]:
    """Return the exact pseudoinverse and the exact rank.

    With A = B·C, B the pivot columns and C the non-zero rows of the reduced echelon form,
    A⁺ = Cᵀ(CCᵀ)⁻¹(BᵀB)⁻¹Bᵀ.
    """
    m, n = a.nrows(), a.ncols()
    if m == 0 or n == 0:
        return fmpq_mat(n, m), 0
    if m < n:  # the echelon form of a wide matrix is long, that of a tall one nearly all zeros
        x, r = pinv(a.transpose())
        return x.transpose(), r
    echelon, r = a.rref()
    if r == 0:
        return fmpq_mat(n, m), 0
    rows = echelon.tolist()
    pivots = [next(j for j, v in enumerate(rows[i]) if v != 0) for i in range(r)]
    table = a.tolist()
    if m == r:
        return a.inv(), r
    b = fmpq_mat(m, r, [table[i][j] for i in range(m) for j in pivots])
    bt = b.transpose()
    x = (bt * b).solve(bt)
    if r < n:
        c = fmpq_mat(r, n, [v for row in rows[:r] for v in row])
        ct = c.transpose()
        x = ct * (c * ct).solve(x)
    return x, r
