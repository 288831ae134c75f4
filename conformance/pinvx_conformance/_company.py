"""What stands together in one call: matrices of every kind, right-hand sides, tolerances, a layout.

A fault shows only where a matrix can show it: a wrong cutoff needs a singular value beside it,
a wrong conjugate needs complex entries, a solution that is not the least needs a null space. A
company has one of each, and a situation says how it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pinvx_conformance import _bounds
from pinvx_conformance import matrices as m
from pinvx_conformance._recipe import Recipe

ORDER = 16  # of the Hadamard matrix that makes a large matrix of a small one
# Beyond the 32, 64, 128 and 256 rows and columns at which blocks end.
LARGE = ((320, 80), (80, 320), (288, 288))
RTOL = 2.0**-10

# The functions, by the names of their checks; "hermitian" and "singular_values" are options.
PLAIN = ("pinv", "lstsq")
VALUES = ("pinv", "hermitian", "lstsq", "singular_values")
FORMS = ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp")
EVERY = VALUES + FORMS
OF_B = ("lstsq", "singular_values", "lstsq_jvp", "lstsq_vjp")


@dataclass(frozen=True)
class Company:
    """The matrices of one call, of one shape, for each kind of function.

    Attributes
    ----------
    values : tuple of Recipe
        For `pinv` and `lstsq`: of full rank, deficient, a singular value just above the cutoff
        and one just below it.
    smooth : tuple of Recipe
        For derivatives: full rank and deficient, with no singular value near the cutoff.
    hermitian : tuple of Recipe
        For hermitian=True; empty where the shape is not square. The lower triangle counts.
    """

    values: tuple[Recipe, ...]
    smooth: tuple[Recipe, ...]
    hermitian: tuple[Recipe, ...] = ()

    def changed(self, change: Callable[[int, Recipe], Recipe]) -> Company:
        """Return the company with item i replaced by change(i, item)."""
        parts = (self.values, self.smooth, self.hermitian)
        return Company(*(tuple(change(i, r) for i, r in enumerate(p)) for p in parts))

    def repeated(self, count: int) -> Company:
        """Return the items again and again, `count` in all."""
        parts = (self.values, self.smooth, self.hermitian)
        return Company(*(tuple(p[i % len(p)] for i in range(count * bool(p))) for p in parts))


def field_of(dtype: str) -> str:
    """Return "real" or "complex"."""
    return "complex" if dtype.startswith("complex") else "real"


def near_the_cutoff(p: int, dtype: str) -> tuple[float, float]:
    """Return a power of two above p·eps by a factor of 2 to 4, and one below it likewise."""
    eps = _bounds.eps_of(dtype)
    return eps * 2.0 ** ((p - 1).bit_length() + 1), eps * 2.0 ** (p.bit_length() - 2)


def _diagonals(shape: tuple[int, int], dtype: str, p: int) -> tuple[Recipe, Recipe]:
    """Return a deficient matrix with a value just above the cutoff, and one with a value below."""
    above, below = near_the_cutoff(p, dtype)
    # Half types hold these where they are multiplied by 2^10.
    unit = 2.0**10 if dtype in ("float16", "bfloat16") else 1.0
    return tuple(  # type: ignore[return-value]  # there are two
        m.diagonal(tuple(unit * v for v in values), *shape)
        for values in ((1.0, 0.5, 0.0, 0.125, above), (1.0, 0.5, 0.25, 0.125, below))
    )


def company(shape: tuple[int, int], dtype: str) -> Company:
    """Return four matrices of one shape, both sides of which are at least 5."""
    field = field_of(dtype)
    # Small integers: half types hold them, and exact derivatives take no time.
    full, other = (m.integers(*shape, bound=4, field=field, seed=k) for k in (23, 24))
    hermitian = _hermitian(shape[0], dtype) if _is_floating(dtype) else (full, other)
    deficient, lowest = (m.low_rank(*shape, r, bound=2, field=field, seed=22) for r in (3, 1))
    diagonals = _diagonals(shape, dtype, max(shape))
    return Company(
        (full, deficient, *diagonals),
        (full, deficient, other, lowest),
        (*hermitian, *diagonals) if shape[0] == shape[1] else (),
    )


def _is_floating(dtype: str) -> bool:
    """Tell the dtypes that hold any real number from half precision and integers."""
    return dtype in ("float32", "float64", "complex64", "complex128")


def _hermitian(n: int, dtype: str) -> tuple[Recipe, Recipe]:
    """Return two indefinite Hermitian matrices, the second of them deficient."""
    full = (4.0, -2.0, 1.0, 0.5, -0.25) + (3.0, -1.5, 0.75) * n
    deficient = (4.0, -2.0, 0.0, 0.5, 0.0) + (3.0, -1.5, 0.0) * n
    field = field_of(dtype)
    first, second = (m.hermitian(v[:n], field=field) for v in (full, deficient))
    return first, second


def large(shape: tuple[int, int], dtype: str) -> Company:
    """Return four matrices beyond the size of a block: Hadamard products of small ones."""
    rows, columns = small = (shape[0] // ORDER, shape[1] // ORDER)
    field = field_of(dtype)
    smooth = (m.integers(*small, field=field, seed=23), m.low_rank(*small, 3, field=field, seed=22))
    diagonals = _diagonals(small, dtype, max(shape))
    hermitian = (*_hermitian(rows, dtype), *diagonals) if rows == columns else ()
    items = Company((*smooth, *diagonals), smooth, hermitian)
    return items.changed(lambda _, item: m.hadamard(item, ORDER))


def around_rtol(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices with a singular value beside `RTOL` times the largest."""
    field = field_of(dtype)
    near = [
        m.of_values(*shape, (1.0, 0.5, 0.25, 0.125, RTOL * (1 + sign * 2.0**-6)), field=field)
        for sign in (1, -1)
    ]
    full, deficient, *_ = company(shape, dtype).values
    items = (near[0], near[1], full, deficient)
    if shape[0] != shape[1]:
        return Company(items, items)
    rest = (1.0, -0.5, 0.25, 0.125, -0.75)[: shape[0] - 1]
    mixed = [m.hermitian((*rest, RTOL * (1 + s * 2.0**-6)), field=field) for s in (1, -1)]
    return Company(items, items, (*mixed, *_hermitian(shape[0], dtype)))


def thin(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices of one row or one column, one of them zero."""
    field = field_of(dtype)
    items = tuple(m.integers(*shape, field=field, seed=k) for k in (25, 26))
    return Company((*items, m.zeros(*shape)), items, items if shape == (1, 1) else ())


def ill_conditioned(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices of full rank with κ = 10⁵ and 10⁸, and two that need the cutoff."""
    field = field_of(dtype)
    items = tuple(m.spectrum(*shape, kappa=k, field=field, seed=27) for k in (1e5, 1e8))
    diagonals = _diagonals(shape, dtype, max(shape))
    values = (1.0, -0.5, 0.25, 0.125, -1e-3, 1e-7)
    hermitian = (m.hermitian(values[-shape[0] :], field=field), *diagonals)
    square = shape[0] == shape[1]
    return Company((*items, *diagonals), (items[0],), hermitian if square else ())


def integers(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices that a dtype of integers, or of booleans, holds."""
    if dtype in ("uint8", "bool"):  # no signs
        n = min(shape)
        corner = m.diagonal((1.0,) * (n - 1), *shape)
        ones = m.lauchli(n, mu=1.0, rows=shape[0]) if shape[0] > n else m.jordan(n)
        ones = ones if shape[0] >= shape[1] else m.adjoint(m.lauchli(n, mu=1.0, rows=shape[1]))
        return Company((ones, corner), (ones, corner), (ones, corner) if len({*shape}) == 1 else ())
    full, deficient, other, lowest = company(shape, dtype).smooth
    # As far apart as integers are: the last one is above the default cutoff of double precision.
    top = 2.0**50 if dtype == "int64" else 2.0**24
    apart = m.diagonal((top, top / 2, 0.0, top / 8, 8.0), *shape)
    below = m.diagonal((top, top / 2, top / 4, top / 8, 1.0), *shape)
    items = (full, deficient, apart, below)
    return Company(items, (full, deficient, other, lowest), items if len({*shape}) == 1 else ())


def poisoned(items: Company, places: tuple[int, ...] = (0,)) -> Company:
    """Return a company with a NaN in the items at these places."""
    return items.changed(lambda i, r: m.poisoned(r, "nan", 0, 0) if i in places else r)


@dataclass(frozen=True)
class Situation:
    """Calls of one kind.

    Attributes
    ----------
    name : str
        As the report has it.
    dtype : str
    company : Company
    rhs : tuple of Recipe
        Right-hand sides, as many as there are in `b_batch`: for each item, if it stands alone.
    a_batch : tuple of int or None
        The batch that the items make; None for a call with each of them alone.
    b_batch : tuple of int
        The batch that the right-hand sides make. It broadcasts with `a_batch`.
    vector : bool
        Whether b is a vector.
    layout : str
        How the arrays lie in memory, a name of the library's layouts.
    rtol, atol : float or tuple of float, optional
        One tolerance, or one for each item.
    method : str
    calls : int
        How often the call is made; the last result counts.
    functions : tuple of str
        Which functions are judged in the situation.
    automatic : bool
        Whether derivatives by the library's automatic differentiation are judged here, too.
    """

    name: str
    dtype: str
    company: Company
    rhs: tuple[Recipe, ...]
    a_batch: tuple[int, ...] | None = None
    b_batch: tuple[int, ...] = ()
    vector: bool = False
    layout: str = ""
    rtol: float | tuple[float, ...] | None = None
    atol: float | tuple[float, ...] | None = None
    method: str = "auto"
    calls: int = 1
    functions: tuple[str, ...] = EVERY
    automatic: bool = False


def right_hand_sides(
    shape: tuple[int, int], dtype: str, count: int, columns: int = 3
) -> tuple[Recipe, ...]:
    """Return integers for right-hand sides, different ones for each item."""
    field = field_of(dtype)
    large = shape in LARGE
    rows = shape[0] // ORDER if large else shape[0]
    found = (m.integers(rows, columns, field=field, seed=70 + i) for i in range(count))
    return tuple(m.multiples(b, ORDER) if large else b for b in found)


def alone(
    name: str, shape: tuple[int, int], dtype: str, items: Company | None = None, **more: Any
) -> Situation:
    """Return the situation in which each item stands alone, with its own right-hand sides."""
    items = items or company(shape, dtype)
    count = max(len(items.values), len(items.hermitian)) * int(
        np.prod(more.get("b_batch", ()), dtype=int)
    )
    rhs = right_hand_sides(shape, dtype, count, more.pop("columns", 3))
    return Situation(name, dtype, items, rhs, **more)


def together(
    name: str, shape: tuple[int, int], dtype: str, items: Company | None = None, **more: Any
) -> Situation:
    """Return the situation in which the items make a batch, with a right-hand side for each."""
    items = items or company(shape, dtype)
    batch = more.pop("batch", (len(items.values),))
    b_batch = more.pop("b_batch", batch)
    count = int(np.prod(b_batch, dtype=int))
    rhs = right_hand_sides(shape, dtype, count, more.pop("columns", 3))
    return Situation(name, dtype, items, rhs, a_batch=batch, b_batch=b_batch, **more)


def with_nan_in_b(situation: Situation, value: str = "nan") -> Situation:
    """Return the situation with one column of each second right-hand side not finite."""
    rhs = tuple(
        b if i % 2 else m.poisoned(b, value, 0, i // 2 % b.shape[1])
        for i, b in enumerate(situation.rhs)
    )
    return replace(situation, rhs=rhs)
