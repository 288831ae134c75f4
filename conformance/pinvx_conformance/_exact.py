"""Rational linear algebra: the pseudoinverse of a float matrix, exactly.

Every float is a rational number, so A⁺ is rational too. A complex matrix goes through its real
embedding φ(A) = [[Re A, −Im A], [Im A, Re A]]: φ is a homomorphism of rings and turns the conjugate
transpose into the transpose, so any formula made of sums, products and adjoints can be
evaluated on embedded matrices and read off at the end.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from flint import fmpq, fmpq_mat

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
    if a.dtype.kind == "c":
        a = np.block([[a.real, -a.imag], [a.imag, a.real]])
    wide = np.asarray(a, dtype="float64")
    return fmpq_mat(*a.shape, [fmpq(*v.as_integer_ratio()) for v in wide.ravel().tolist()])


def split(x: Matrix, *, embedded: bool) -> Split:
    """Read a rational matrix back as floats, and un-embed it."""
    m, n = x.nrows(), x.ncols()
    flat = [Fraction(int(q.p), int(q.q)) for q in x.entries()]
    exponent = max((_exponent(v) for v in flat if v), default=0)
    unit = Fraction(2) ** -exponent
    scaled = [v * unit for v in flat]
    hi = np.asarray([float(v) for v in scaled], dtype="float64")
    rest = [float(v - Fraction(h)) for v, h in zip(scaled, hi.tolist(), strict=True)]
    lo = np.asarray(rest, dtype="float64")
    hi, lo = hi.reshape(m, n), lo.reshape(m, n)
    if embedded:
        hi, lo = _unembed(hi), _unembed(lo)
    return Split(hi, lo, exponent)


def _exponent(v: Fraction) -> int:
    return abs(v.numerator).bit_length() - v.denominator.bit_length()


def _unembed(x: Any) -> Any:
    m, n = x.shape[0] // 2, x.shape[1] // 2
    return x[:m, :n] + 1j * x[m:, :n]


def pinv(a: Matrix) -> tuple[Matrix, int]:
    """Return the exact pseudoinverse and the exact rank.

    With A = B·C, B the pivot columns and C the non-zero rows of the reduced echelon form,
    A⁺ = Cᵀ(CCᵀ)⁻¹(BᵀB)⁻¹Bᵀ.
    """
    m, n = a.nrows(), a.ncols()
    if m == 0 or n == 0:
        return fmpq_mat(n, m), 0
    echelon, r = a.rref()
    if r == 0:
        return fmpq_mat(n, m), 0
    rows = echelon.tolist()
    pivots = [next(j for j, v in enumerate(rows[i]) if v != 0) for i in range(r)]
    table = a.tolist()
    b = fmpq_mat(m, r, [table[i][j] for i in range(m) for j in pivots])
    bt = b.transpose()
    x = (bt * b).solve(bt)
    if r < n:
        c = fmpq_mat(r, n, [v for row in rows[:r] for v in row])
        ct = c.transpose()
        x = ct * (c * ct).solve(x)
    return x, r
