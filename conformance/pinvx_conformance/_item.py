"""Judge what a function says about one matrix, whatever stood beside it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinvx_conformance import _bounds
from pinvx_conformance._check import Measurement, expect
from pinvx_conformance._exact import scale
from pinvx_conformance._oracle import Truth, truth, truth_of
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._solution import solution


@functools.lru_cache(maxsize=512)
def hermitian_truth(
    recipe: Recipe, dtype: str, rtol: float | None = None, atol: float = 0.0
) -> Truth:
    """Return the truth about the Hermitian matrix of which a recipe gives the lower triangle."""
    a = recipe.array(dtype)
    full = lower_of(a)
    if np.array_equal(a, full):
        return truth(recipe, dtype, rtol, atol)
    return truth_of(full, _bounds.eps_of(dtype), rtol, atol)


def lower_of(a: Any) -> Any:
    """Return the Hermitian matrix that has the lower triangle of A."""
    below = np.tril(a, -1)
    return below + np.conj(below.T) + np.diag(np.real(np.diag(a))).astype(a.dtype)


def _expect_nan(values: Any, message: str) -> None:
    """Raise unless all values are NaN: whoever is judged for something else breaks P11."""
    expect(bool(np.all(np.isnan(values))), message, "P11")


@functools.lru_cache(maxsize=1024)
def _singular_values(recipe: Recipe, dtype: str) -> tuple[int, Any]:
    """Return e and the singular values of A·2^−e in double precision, which is near one."""
    a = recipe.array(dtype)
    e = int(np.frexp(np.max(np.abs(a), initial=0))[1])
    near = scale(np.asarray(a, dtype=np.result_type(a.dtype, np.float64)), -e)
    return e, np.linalg.svd(near, compute_uv=False)


@dataclass(frozen=True)
class Item:
    """A matrix of a call, its dtype, and its tolerances."""

    recipe: Recipe
    dtype: str
    rtol: float | None
    atol: float
    hermitian: bool = False

    @property
    def words(self) -> str:
        """How a message names the matrix and its cutoff."""
        cut = "" if self.rtol is None else f", rtol={self.rtol:.4g}"
        return repr(self.recipe) + cut + (f", atol={self.atol:.4g}" if self.atol else "")

    @property
    def finite(self) -> bool:
        """Whether every entry that counts is finite."""
        a = self.recipe.array(self.dtype)
        return bool(np.all(np.isfinite(np.tril(a) if self.hermitian else a)))

    @property
    def known(self) -> Truth:
        """The truth about it."""
        oracle = hermitian_truth if self.hermitian else truth
        return oracle(self.recipe, self.dtype, self.rtol, self.atol)

    def expect_rank(self, rank: int | None) -> None:
        """Raise unless the rank is right; None if the target tells none."""
        wanted = self.known.rank if self.finite else 0
        said = f"{self.words} has rank {rank}, but {wanted} singular values count"
        expect(rank is None or rank == wanted, said, None if self.finite else "P11")

    def pinv(self, x: Any, rank: int | None) -> Measurement:
        """Judge A⁺ and the rank."""
        self.expect_rank(rank)
        if not self.finite:
            _expect_nan(x, f"{self.words} gives entries that are no NaN")
            return Measurement(0.0, 1.0)
        known = self.known
        if self.hermitian:
            same = np.array_equal(x, np.conj(x.T))
            expect(same, f"X of {self.words} is not exactly Hermitian")
        unit = _bounds.PINV * _bounds.computed_unit(known.a.shape, self.dtype, known.kappa)
        # Near κ = 1/(p·eps) the bound exceeds 1, and dropping a value is an error of 1.
        bound = min(_bounds.rounded(1.0, unit, self.dtype), 0.5)
        what = f"‖X − A⁺‖/‖A⁺‖ of {self.words}"
        return Measurement(known.error(x), bound, known.kappa, known.rank, what)

    def system(self, rhs: Recipe, x: Any, residuals: Any) -> list[Measurement]:
        """Judge x and the residuals, both with one column for each of b."""
        if not self.finite:
            expect(
                bool(np.all(np.isnan(x))), f"{self.words} gives entries of x that are no NaN", "P11"
            )
            nan = residuals is None or bool(np.all(np.isnan(residuals)))
            expect(nan, f"{self.words} gives residuals that are no NaN", "P11")
            return [Measurement(0.0, 1.0)]
        good = np.all(np.isfinite(rhs.array(self.dtype)), axis=0)
        clean = rhs.positional[0] if rhs.name == "poisoned" else rhs
        spoilt = [x[:, ~good]] + ([] if residuals is None else [residuals[~good]])
        nan = all(bool(np.all(np.isnan(part))) for part in spoilt)
        expect(
            nan, f"columns of {rhs!r} are not finite, and those of x or its residuals are", "P11"
        )
        known = self.known
        exact = solution(self.recipe, self.dtype, clean, self.rtol, self.atol)
        unit = _bounds.unit(known.a.shape, self.dtype, 1.0)
        error = float(np.max(exact.errors(x)[good], initial=0))
        what = f"‖x − A⁺b‖ over its natural scale, {self.words}, b = {rhs!r}"
        rows = [Measurement(error, _bounds.LSTSQ * unit, known.kappa, known.rank, what)]
        if residuals is not None:
            units = float(np.max(exact.residual_units(residuals, unit)[good], initial=0))
            what = f"residuals against ‖b − Ax‖², {self.words}, b = {rhs!r}"
            rows.append(Measurement(units, 1.0, known.kappa, known.rank, what))
        return rows

    def singular_values(self, s: Any) -> Measurement:
        """Judge the singular values: descending, and to p·eps·σ₁."""
        if not self.finite:
            expect(
                bool(np.all(np.isnan(s))),
                f"{self.words} gives singular values that are no NaN",
                "P11",
            )
            return Measurement(0.0, 1.0)
        e, exact = _singular_values(self.recipe, self.dtype)
        value = float(np.linalg.norm(np.ldexp(np.asarray(s, dtype="float64"), -e) - exact))
        bound = 3 * _bounds.unit(self.recipe.shape, self.dtype, 1.0) * float(exact[0])
        return Measurement(value, bound, what=f"‖s − σ‖, {self.words}")
