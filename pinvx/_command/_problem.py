"""The problem that every library is given, and its exact answer.

The heat that 13 cement mixtures set free while they harden, explained by their composition:
H. Woods, H. H. Steinour, H. R. Starke, "Effect of composition of Portland cement on heat evolved
during hardening", Industrial and Engineering Chemistry 24 (1932), 1207–1214, in the form in which
A. Hald, "Statistical Theory with Engineering Applications" (1952), made it a textbook example.

The shares of a mixture sum to one, so a design with the remainder and an intercept has rank 5 on
paper although it has 6 columns. Rounded to float32 it has a sixth singular value of about
6e-9·σ₁, which is nothing but rounding error: that is where cutoffs part.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from ._exact import Matrix, Vector, apply, dot, pinv_of_product, transpose

# Percent of four clinker compounds in each mixture, and the heat in calories a gram.
_MIXTURES = (
    ((7, 26, 6, 60), "78.5"),
    ((1, 29, 15, 52), "74.3"),
    ((11, 56, 8, 20), "104.3"),
    ((11, 31, 8, 47), "87.6"),
    ((7, 52, 6, 33), "95.9"),
    ((11, 55, 9, 22), "109.2"),
    ((3, 71, 17, 6), "102.7"),
    ((1, 31, 22, 44), "72.5"),
    ((2, 54, 18, 22), "93.1"),
    ((21, 47, 4, 26), "115.9"),
    ((1, 40, 23, 34), "83.8"),
    ((11, 66, 9, 12), "113.3"),
    ((10, 68, 8, 12), "109.4"),
)

RANK = 5
KAPPA = 112.393
"""σ₁/σ₅ of the exact matrix."""

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


class Problem(NamedTuple):
    """A x ≈ b and its exact answers, in rational numbers."""

    a: Matrix
    """13 × 6: the five shares of each mixture, and 1."""
    b: Vector
    """The heat."""
    pinv: Matrix
    """A⁺"""
    x: Vector
    """A⁺b"""
    gradient: Matrix
    """The gradient of the sum of the entries of A⁺b with respect to A."""


@cache
def cement() -> Problem:
    """Return the problem with its exact answer."""
    shares = [
        [*(Fraction(n, 100) for n in percent), Fraction(100 - sum(percent), 100)]
        for percent, _ in _MIXTURES
    ]
    # A = B C: B are the shares, and C = [I 1] appends the intercept, which is their sum.
    c = [[*(Fraction(i == j) for j in range(RANK)), Fraction(1)] for i in range(RANK)]
    a = [[*row, Fraction(1)] for row in shares]
    b = [Fraction(heat) for _, heat in _MIXTURES]
    pinv = pinv_of_product(shares, c)
    return Problem(a, b, pinv, apply(pinv, b), sum_gradient(a, b, pinv))


def sum_gradient(a: Matrix, b: Vector, pinv: Matrix) -> Matrix:
    """Return the gradient of 1ᵀA⁺b with respect to A, at constant rank.

    −y xᵀ + r (A⁺y)ᵀ + (A⁺ᵀx) qᵀ with x = A⁺b, y = A⁺ᵀ1, r = b − A x and q = 1 − Aᵀy: Golub &
    Pereyra (1973), equation 4.12, read as a linear form in dA. No term of it vanishes here.
    """
    x = apply(pinv, b)
    y = [sum(column, Fraction(0)) for column in transpose(pinv)]
    r = [value - dot(row, x) for value, row in zip(b, a, strict=True)]
    q = [1 - value for value in apply(transpose(a), y)]
    xy, yx = apply(pinv, y), apply(transpose(pinv), x)
    return [
        [-y[i] * x[j] + r[i] * xy[j] + yx[i] * q[j] for j in range(len(x))] for i in range(len(y))
    ]


def bound(dtype: str) -> float:
    """Return the largest residual or relative difference that a row may have.

    A singular value decomposition is exact for a matrix that differs by at most max(M, N)·eps·σ₁
    (LAPACK Users' Guide, 3rd ed., section 4.9); what follows it and the rounding of the data are
    allowed as much again. To first order a relative change d of A (in the 2-norm) changes A⁺ by
    0.95 κ d, x by 1.6 κ d and the gradient by 4.2 κ d in this problem: 2 · 4.2 is below 10.
    """
    problem = cement()
    return 10.0 * max(len(problem.a), len(problem.x)) * EPS[dtype] * KAPPA
