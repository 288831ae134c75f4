"""Exact derivatives: the Golub–Pereyra formulas evaluated in rational arithmetic.

With X = A⁺, P = AX and Q = XA (constant rank; Golub & Pereyra 1973, eq. 4.12)::

    dX = −X dA X + X Xᴴ dAᴴ (I − P) + (I − Q) dAᴴ Xᴴ X
    Ā  = −Xᴴ G Xᴴ + (I − P) Gᴴ X Xᴴ + Xᴴ X Gᴴ (I − Q),      dL = Re⟨G, dX⟩

Every matrix may be the real embedding of a complex one; the transpose is then the adjoint.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from pinvx_conformance import _exact
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe

Matrix = Any  # flint's fmpq_mat


def pinv_jvp(a: Matrix, x: Matrix, da: Matrix) -> Matrix:
    """DX for a direction dA."""
    dah, xh = da.transpose(), x.transpose()
    row = x * (xh * dah)
    column = (dah * xh) * x
    return (row - (row * a) * x) + (column - x * (a * column)) - x * da * x


def pinv_vjp(a: Matrix, x: Matrix, g: Matrix) -> Matrix:
    """Ā for a cotangent G."""
    gh, xh = g.transpose(), x.transpose()
    row = gh * x * xh
    column = xh * x * gh
    return (row - a * (x * row)) + (column - (column * x) * a) - xh * g * xh


def pinv_vjp_jvp(a: Matrix, x: Matrix, g: Matrix, da: Matrix) -> Matrix:
    """DĀ: the derivative of `pinv_vjp` in a direction dA, by the product rule."""
    dx = pinv_jvp(a, x, da)
    gh, xh, dxh = g.transpose(), x.transpose(), dx.transpose()
    row, column = gh * x * xh, xh * x * gh
    drow = gh * dx * xh + gh * x * dxh
    dcolumn = dxh * x * gh + xh * dx * gh
    first = dxh * g * xh + xh * g * dxh
    second = drow - a * (x * drow) - da * (x * row) - a * (dx * row)
    third = dcolumn - (dcolumn * x) * a - (column * dx) * a - (column * x) * da
    return second + third - first


FORMULAS: dict[str, Callable[..., Matrix]] = {
    "pinv_jvp": pinv_jvp,
    "pinv_vjp": pinv_vjp,
    "pinv_vjp_jvp": pinv_vjp_jvp,
}


def lstsq_vjp_jvp(system: System, g: Matrix, da: Matrix, db: Matrix) -> tuple[Matrix, Matrix]:
    """DĀ and db̄ for the cotangent g of x: how `lstsq_vjp` moves with A and b.

    Ā is `pinv_vjp` for the cotangent g·bᴴ, which moves with b, and b̄ = Xᴴg.
    """
    a, pinv, b, _, _ = system
    moved = pinv_vjp_jvp(a, pinv, g * b.transpose(), da)
    return moved + pinv_vjp(a, pinv, g * db.transpose()), pinv_jvp(a, pinv, da).transpose() * g


class System(NamedTuple):
    """Rational least squares: A, X = A⁺, b, x = Xb and r = b − Ax."""

    a: Matrix
    pinv: Matrix
    b: Matrix
    x: Matrix
    r: Matrix


def lstsq_jvp(system: System, da: Matrix, db: Matrix) -> tuple[Matrix, Matrix]:
    """Dx, and the matrix whose real diagonal is half of d‖r‖² column by column."""
    a, pinv, b, x, r = system
    dx = pinv_jvp(a, pinv, da) * b + pinv * db
    return dx, r.transpose() * (db - da * x)


def lstsq_vjp(system: System, g: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Ā and b̄ for cotangents g of x and diag(weights) of the residuals."""
    a, pinv, b, x, r = system
    # dL = Re⟨g, dX·b + X·db⟩ makes g·bᴴ the cotangent of X.
    weighted = r * weights
    bar_a = pinv_vjp(a, pinv, g * b.transpose()) - (weighted + weighted) * x.transpose()
    return bar_a, pinv.transpose() * g + weighted + weighted


@functools.lru_cache(maxsize=2048)
def derivative(kind: str, recipe: Recipe, dtype: str, *directions: Recipe) -> _exact.Split:
    """Evaluate "pinv_jvp", "pinv_vjp" or "pinv_vjp_jvp" at a recipe, and read it back."""
    known = truth(recipe, dtype)
    rational = [_exact.rational(d.array(dtype)) for d in directions]
    return _exact.split(FORMULAS[kind](*known.exact, *rational), embedded=known.embedded)


def system(recipe: Recipe, dtype: str, rhs: Recipe) -> System:
    """Return the rational least-squares problem of two recipes."""
    return system_of(*truth(recipe, dtype).exact, _exact.rational(rhs.array(dtype)))


def system_of(a: Matrix, pinv: Matrix, b: Matrix) -> System:
    """Return the least-squares problem of A, A⁺ and b, in whatever numbers these are."""
    x = pinv * b
    return System(a, pinv, b, x, b - a * x)
