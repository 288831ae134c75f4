"""Matrices of rational numbers: the answers that floating-point results are measured against.

It shares no code with the rest of pinvx, and rounds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeAlias

Vector: TypeAlias = Sequence[Fraction]
Matrix: TypeAlias = Sequence[Vector]


def transpose(a: Matrix) -> Matrix:
    """Return Aᵀ."""
    return [list(column) for column in zip(*a, strict=True)]


def dot(x: Vector, y: Vector) -> Fraction:
    """Return xᵀy."""
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))


def apply(a: Matrix, x: Vector) -> Vector:
    """Return A x."""
    return [dot(row, x) for row in a]


def matmul(a: Matrix, b: Matrix) -> Matrix:
    """Return A B."""
    return [apply(transpose(b), row) for row in a]


def inverse(a: Matrix) -> Matrix:
    """Return A⁻¹ of a regular matrix, by Gauss and Jordan's elimination."""
    n = len(a)
    rows = [[*row, *(Fraction(i == j) for j in range(n))] for i, row in enumerate(a)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i:
                factor = rows[k][i]
                rows[k] = [p - factor * q for p, q in zip(rows[k], rows[i], strict=True)]
    return [row[n:] for row in rows]


def pinv_of_product(b: Matrix, c: Matrix) -> Matrix:
    """Return (B C)⁺ for B of full column rank and C of full row rank.

    A⁺ = Cᵀ(C Cᵀ)⁻¹(BᵀB)⁻¹Bᵀ (MacDuffee; see Ben-Israel & Greville, "Generalized Inverses", 2nd
    ed. (2003), theorem 1.5).
    """
    bt, ct = transpose(b), transpose(c)
    return matmul(
        matmul(ct, inverse(matmul(c, ct))),
        matmul(inverse(matmul(bt, b)), bt),
    )


def relative_difference(found: Iterable[float], exact: Iterable[Fraction]) -> float:
    """Return ‖found − exact‖₂ / ‖exact‖₂, infinite where `found` has a NaN or an infinity.

    The difference is taken before anything is rounded.
    """
    pairs = list(zip(found, exact, strict=True))
    if not all(math.isfinite(value) for value, _ in pairs):
        return math.inf
    error = math.hypot(*(float(Fraction(value) - true) for value, true in pairs))
    return error / math.hypot(*(float(true) for _, true in pairs))
