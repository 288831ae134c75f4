"""Pseudoinverses and their derivatives in rational arithmetic.

A = B·C with B of full column rank and C of full row rank, so the rank of A is known, and
A⁺ = Cᴴ(CCᴴ)⁻¹(BᴴB)⁻¹Bᴴ is rational. A complex matrix stands as the real one
[[Re, −Im], [Im, Re]]: products and inverses of such matrices are such matrices.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import numpy as np


def rational(x: Any) -> flint.fmpq_mat:
    """The real embedding of a matrix of integers, Fractions or floats, exactly."""
    x = np.asarray(x)
    if x.dtype != object:
        re, im = np.real(x), np.imag(x)
        rows = np.block([[re, -im], [im, re]])
    else:
        rows = np.block([[x, 0 * x], [0 * x, x]])
    if 0 in rows.shape:
        return flint.fmpq_mat(*rows.shape)
    return flint.fmpq_mat([[_fmpq(v) for v in row] for row in rows])


def _fmpq(v: Any) -> flint.fmpq:
    q = v if isinstance(v, Fraction) else Fraction(*v.as_integer_ratio())
    return flint.fmpq(q.numerator, q.denominator)


def rounded(x: flint.fmpq_mat) -> Any:
    """The complex128 matrix nearest to an embedded one; real if the imaginary part is zero."""
    rows, columns = x.nrows() // 2, x.ncols() // 2
    y = np.zeros((rows, columns), dtype=complex)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = complex(_float(x[i, j]), _float(x[i + rows, j]))
    return y if y.imag.any() else y.real.copy()


def _float(q: flint.fmpq) -> float:
    return float(Fraction(int(q.p), int(q.q)))


def pinv(b: flint.fmpq_mat, c: flint.fmpq_mat) -> flint.fmpq_mat:
    """(B·C)⁺."""
    if b.ncols() == 0:
        return flint.fmpq_mat(c.ncols(), b.nrows())
    bh, ch = b.transpose(), c.transpose()
    return ch * (c * ch).inv() * (bh * b).inv() * bh


def derivative(f: Any, *, step: Fraction = Fraction(1, 2**50)) -> flint.fmpq_mat:
    """f′(0) by central differences: nothing is rounded, so the error is about step² = 2⁻¹⁰⁰."""
    h = flint.fmpq(step.numerator, step.denominator)
    return (f(h) - f(-h)) * (1 / (2 * h))
