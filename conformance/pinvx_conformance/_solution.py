"""The truth about least squares: the exact minimum-norm solution, column by column, at any scale.

A is brought near one by a power of two, and so is each column of b. What is multiplied back at
the end is kept as an exponent, so nothing here over- or underflows, even where A⁺ itself does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from pinvx_conformance import _bounds, _exact
from pinvx_conformance._compositions import hadamard_matrix, multiples_of
from pinvx_conformance._oracle import Truth, truth
from pinvx_conformance._recipe import Recipe


@dataclass(frozen=True, eq=False)
class Solution:
    """The exact minimum-norm least-squares solution, and what its error bounds are made of.

    Attributes
    ----------
    near : Split
        The solution x′ for A and b near one; x is x′ with column j times 2^exponents[j].
    exponents, b_exponents : numpy.ndarray
        What the columns of x, and those of b and r, are multiplied by.
    squares : numpy.ndarray
        ‖r′‖² of each column.
    scales : numpy.ndarray
        The natural scale of the error of each column of x′ (`_bounds`).
    moves : numpy.ndarray
        ‖A‖‖x‖ + ‖b‖ + κ‖r‖ of each column: r moves by this many p·eps.
    """

    near: _exact.Split
    exponents: Any
    b_exponents: Any
    squares: Any
    scales: Any
    moves: Any

    @property
    def value(self) -> Any:
        """The solution as floats."""
        return _exact.scale(self.near.value, self.exponents)

    @property
    def residuals(self) -> Any:
        """‖b − Ax‖² of each column, infinite or zero where it cannot be represented."""
        with np.errstate(all="ignore"):
            return np.ldexp(self.squares, 2 * self.b_exponents)

    @property
    def scale(self) -> float:
        """The natural scale of the error of all columns together."""
        return float(np.linalg.norm(np.ldexp(self.scales, self.exponents)))

    def errors(self, x: Any) -> Any:
        """‖x − A⁺b‖ of each column over its natural scale, infinite where x is not finite."""
        wide = np.asarray(x, dtype=np.result_type(x.dtype, np.float64)).reshape(self.near.hi.shape)
        good = np.all(np.isfinite(wide), axis=0)
        sizes = np.ldexp(self.scales, -self.near.exponent)
        with np.errstate(all="ignore"):  # a wrong solution may be anything
            near = _exact.scale(np.where(good, wide, 0), -(self.exponents + self.near.exponent))
            off = np.linalg.norm((near - self.near.hi) - self.near.lo, axis=0)
        units = off / np.where(sizes > 0, sizes, 1)
        return np.where(good & ~np.isnan(units), units, np.inf)

    def error(self, x: Any) -> float:
        """Return the largest of `errors`; zero if there is no column."""
        return float(np.max(self.errors(x), initial=0))

    def residual_units(self, found: Any, unit: float) -> Any:
        """How far each found residual is from ‖r‖², in units of what rounding may do to it.

        r moves by δ = c·p·eps·(‖A‖‖x‖ + ‖b‖ + κ‖r‖), so its square by 2‖r‖δ + δ². A square that
        the dtype cannot represent may be found as anything but NaN.
        """
        found = np.asarray(found)
        kind = found.dtype if found.dtype.kind == "f" else np.dtype("float64")
        delta = _bounds.LSTSQ * unit * self.moves
        bound = 2 * np.sqrt(self.squares) * delta + delta**2
        size = np.frexp(self.squares + bound)[1] + 2 * self.b_exponents
        beyond = (size <= np.finfo(kind).minexp + 1) | (size > np.finfo(kind).maxexp)
        with np.errstate(all="ignore"):  # a wrong residual may be anything
            near = np.ldexp(found.astype("float64"), -2 * self.b_exponents)
            off = np.abs(near - self.squares)
            units = np.where(off == 0, 0, off / np.where(bound > 0, bound, 1e-300))
        units = np.where(np.isfinite(near), units, np.inf)
        return np.where(beyond & ~np.isnan(near), 0, units)


@functools.lru_cache(maxsize=4096)
def solution(
    recipe: Recipe, dtype: str, rhs: Recipe, rtol: float | None = None, atol: float = 0.0
) -> Solution:
    """Return the exact minimum-norm minimiser of ‖Ax − b‖₂, column by column of `rhs`."""
    if recipe.name == "hadamard":
        return _of_hadamard(recipe, dtype, rhs, rtol, atol)
    return solution_of(truth(recipe, dtype, rtol, atol), rhs.array(dtype))


def solution_of(known: Truth, b: Any) -> Solution:
    """Return the exact solution for one matrix and a NumPy array of right-hand sides."""
    b = b[:, None] if b.ndim == 1 else b
    wide = np.asarray(b, dtype=np.result_type(b.dtype, np.float64))
    largest = np.max(np.maximum(np.abs(wide.real), np.abs(wide.imag)), axis=0, initial=0)
    t = np.frexp(largest)[1].astype(int)
    near_b = _exact.scale(wide, -t)
    shift = int(np.frexp(np.max(np.abs(known.a), initial=0))[1])
    a, pinv = (
        _times_power_of_two(part, e) for part, e in zip(known.exact, (-shift, shift), strict=True)
    )
    rational = _exact.rational(near_b)
    x = pinv * rational
    table = (rational - a * x).tolist()
    squares = np.asarray(
        [_exact.nearest(sum((row[j] ** 2 for row in table), fmpq(0))) for j in range(b.shape[1])]
    )
    split = _exact.split(x, embedded=known.embedded)
    norm = np.linalg.norm
    norm_x, norm_b, norm_r = norm(split.value, axis=0), norm(near_b, axis=0), np.sqrt(squares)
    norm_pinv, norm_a = 0.0, 0.0
    if known.x.hi.size:
        norm_pinv = float(np.ldexp(norm(known.x.hi, 2), known.x.exponent + shift))
        norm_a = float(norm(_exact.scale(np.asarray(known.a, dtype=wide.dtype), -shift), 2))
    scales = known.kappa * (2 * norm_x + norm_pinv * norm_r) + norm_pinv * norm_b
    moves = norm_a * norm_x + norm_b + known.kappa * norm_r
    return Solution(split, t - shift, t, squares, scales, moves)


def _times_power_of_two(x: Any, exponent: int) -> Any:
    if exponent == 0:
        return x
    unit = Fraction(2) ** exponent
    return x * fmpq(unit.numerator, unit.denominator)


def _of_hadamard(
    recipe: Recipe, dtype: str, rhs: Recipe, rtol: float | None, atol: float
) -> Solution:
    """(H ⊗ B)⁺(c ⊗ b) = (Hc/k) ⊗ B⁺b, and r = c ⊗ r_B, for `multiples` as the right-hand side."""
    if rhs.name != "multiples":
        raise ValueError(f"{rhs!r} does not go with {recipe!r}.\nHint: pass multiples(…).")
    base, order = recipe.positional
    one = solution(base, dtype, rhs.positional[0], rtol, atol)
    c = multiples_of(rhs)
    left = (hadamard_matrix(order) @ c).reshape(-1, 1)
    size, log2 = float(np.linalg.norm(c)), order.bit_length() - 1
    return replace(
        one,
        near=_exact.Split(
            np.kron(left, one.near.hi), np.kron(left, one.near.lo), one.near.exponent - log2
        ),
        squares=one.squares * size**2,
        scales=one.scales * size / order**0.5,
        moves=one.moves * size,
    )
