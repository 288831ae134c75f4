"""The exact derivatives of one system, in integer directions, and the natural size of each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _calculus, _exact
from pinvx_conformance import matrices as m
from pinvx_conformance._compositions import hadamard_matrix, multiples_of
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import CARRIER, Recipe
from pinvx_conformance._solution import solution

# Cotangents of the residuals; more columns repeat them.
WEIGHTS = (2.0, -1.0, 3.0)

# What chooses the directions of A, those of b, and the cotangents of the answer to both.
Seeds = tuple[int, int, int]
SEEDS = (31, 37, 36)


def real_of(dtype: str) -> str:
    """Return the real dtype of the same precision."""
    return dtype.replace("complex64", "float32").replace("complex128", "float64")


def direction(rows: int, columns: int, dtype: str, seed: int) -> Recipe:
    """Return integers of a shape: a direction or a cotangent."""
    field = "complex" if dtype.startswith("complex") else "real"
    return m.integers(rows, columns, bound=4, field=field, seed=seed)


@dataclass(frozen=True, eq=False)
class Moves:
    """Directions, the exact derivatives in them, and what their bounds are made of.

    Attributes
    ----------
    given : mapping of str to numpy.ndarray
        "da" and "db" for the forward mode; for the reverse mode "G", "g" and "weights", the
        cotangents of X, x and ‖r‖².
    values : mapping of str to numpy.ndarray
        "dX", "dx", "dresiduals", and the cotangents "A by X", "A by x", "b by x",
        "A by residuals", "b by residuals".
    sizes : mapping of str to float
        The natural size of each (`_bounds`).
    """

    given: Mapping[str, Any]
    values: Mapping[str, Any]
    sizes: Mapping[str, float]


def directions(recipe: Recipe, rhs: Recipe, dtype: str, seeds: Seeds) -> dict[str, Any]:
    """Return what a system is moved by, and what its answers are weighted with."""
    (rows, columns), count = recipe.shape, rhs.shape[1]
    of_a, of_b, of_both = seeds
    recipes = {
        "da": direction(rows, columns, dtype, of_a),
        "G": direction(columns, rows, dtype, of_a + 1),
        "db": direction(rows, count, dtype, of_b),
        "g": direction(columns, count, dtype, of_both),
    }
    given = {name: one.array(dtype) for name, one in recipes.items()}
    return given | {"weights": np.resize(WEIGHTS, count).astype(real_of(CARRIER.get(dtype, dtype)))}


@functools.lru_cache(maxsize=2048)
def moves(
    recipe: Recipe,
    dtype: str,
    rhs: Recipe,
    seeds: Seeds = SEEDS,
    rtol: float | None = None,
    atol: float = 0.0,
) -> Moves:
    """Return the exact derivatives of A⁺ and of least squares in directions of these seeds."""
    if recipe.name == "hadamard":
        return _of_hadamard(recipe, dtype, rhs, seeds, rtol, atol)
    known = truth(recipe, dtype, rtol, atol)
    given = directions(recipe, rhs, dtype, seeds)

    def read(v: Any) -> Any:
        return _exact.split(v, embedded=known.embedded).value

    values = _values(*known.exact, rhs.array(dtype), given, _exact.rational, read)
    return Moves(given, values, _sizes(recipe, dtype, rhs, given, rtol, atol))


def _values(
    a: Any,
    x: Any,
    b: Any,
    given: Mapping[str, Any],
    enter: Callable[[Any], Any],
    read: Callable[[Any], Any],
) -> dict[str, Any]:
    """Evaluate every formula in the numbers that `enter` makes of floats, and `read` them back."""
    system = _calculus.system_of(a, x, enter(b))
    da, cotangent, g, db = (enter(given[k]) for k in ("da", "G", "g", "db"))
    weights = np.diag(given["weights"]).astype(given["g"].dtype)
    dx, half = _calculus.lstsq_jvp(system, da, db)
    by_x = _calculus.lstsq_vjp(system, g, enter(0 * weights))
    by_r = _calculus.lstsq_vjp(system, enter(0 * given["g"]), enter(weights))
    found = {
        "dX": _calculus.pinv_jvp(a, x, da),
        "A by X": _calculus.pinv_vjp(a, x, cotangent),
        "dx": dx,
        "A by x": by_x[0],
        "b by x": by_x[1],
        "A by residuals": by_r[0],
        "b by residuals": by_r[1],
    }
    values = {k: read(v) for k, v in found.items()}
    return values | {"dresiduals": 2 * np.real(np.diag(read(half)))}


@dataclass(frozen=True, eq=False)
class _Floats:
    """A matrix of double precision, with the operations that the formulas ask for."""

    array: Any

    def transpose(self) -> _Floats:
        return _Floats(np.conj(self.array.T))

    def __mul__(self, other: _Floats) -> _Floats:
        return _Floats(self.array @ other.array)

    def __add__(self, other: _Floats) -> _Floats:
        return _Floats(self.array + other.array)

    def __sub__(self, other: _Floats) -> _Floats:
        return _Floats(self.array - other.array)

    def __neg__(self) -> _Floats:
        return _Floats(-self.array)


def _sizes(
    recipe: Recipe, dtype: str, rhs: Recipe, given: Mapping[str, Any], rtol: Any, atol: float
) -> dict[str, float]:
    known, exact = truth(recipe, dtype, rtol, atol), solution(recipe, dtype, rhs, rtol, atol)

    def norm(v: Any) -> float:
        return float(np.linalg.norm(v))

    pinv = float(np.linalg.norm(known.x.value, 2)) if known.x.hi.size else 0.0
    pinv = pinv or 1.0
    x, r = norm(exact.value), float(np.sqrt(np.sum(exact.residuals)))
    b = float(np.linalg.norm(known.a, 2)) * x + r
    core = (pinv * x + pinv**2 * r) or pinv * b
    da, db, g = (norm(given[k]) for k in ("da", "db", "g"))
    weight = 2 * float(np.max(np.abs(given["weights"]), initial=0))
    return {
        "dX": pinv**2 * da,
        "A by X": pinv**2 * norm(given["G"]),
        "dx": core * da + pinv * db,
        "dresiduals": 2 * b * (db + da * (x + pinv * b)),
        "A by x": core * g,
        "b by x": pinv * g,
        "A by residuals": weight * b * (x + pinv * r),
        "b by residuals": weight * b,
    }


def _of_hadamard(
    recipe: Recipe, dtype: str, rhs: Recipe, seeds: Seeds, rtol: Any, atol: float
) -> Moves:
    """H ⊗ B with b = c ⊗ b_B moves like B with b_B, while its directions are such products, too.

    With H·c = √k·c each factor A⁺ divides what is along c by √k. The small system is evaluated in
    double precision, from the exact B⁺: the bounds of the large one are 10⁴ times the rounding.
    """
    base, order = recipe.positional
    small, floor = rhs.positional[0], order * max(base.shape) * _bounds.eps_of(dtype)
    rtol, atol = (floor if rtol is None and atol == 0 else rtol), atol / order**0.5
    known, drawn = truth(base, dtype, rtol, atol), directions(base, small, dtype, seeds)
    wide = np.result_type(known.a.dtype, np.float64)
    a, x = (_Floats(np.asarray(v, dtype=wide)) for v in (known.a, known.x.value))
    values = _values(a, x, small.array(dtype), drawn, _Floats, lambda v: v.array)
    one = Moves(drawn, values, _sizes(base, dtype, small, drawn, rtol, atol))
    h, c, root = hadamard_matrix(order), multiples_of(rhs), order**0.5
    column, both = c[:, None], np.outer(c, c)
    factors = {
        "dX": h / order, "A by X": h / order, "dx": column / root, "b by x": column / root,
        "A by x": both / order, "A by residuals": both / root, "b by residuals": column,
    }  # fmt: skip
    values = {k: np.kron(f, one.values[k]) for k, f in factors.items()}
    square = float(c @ c)
    values["dresiduals"] = square * one.values["dresiduals"]
    grows = {
        "dX": 1.0, "A by X": 1.0, "dx": square**0.5 / root, "b by x": square**0.5 / root,
        "A by x": square / order, "A by residuals": square / root,
        "b by residuals": square**0.5, "dresiduals": square,
    }  # fmt: skip
    sizes = {k: one.sizes[k] * f for k, f in grows.items()}
    given = {k: np.kron(h, one.given[k]).astype(dtype) for k in ("da", "G")}
    given |= {k: np.kron(column, one.given[k]).astype(dtype) for k in ("g", "db")}
    return Moves(given | {"weights": one.given["weights"]}, values, sizes)
