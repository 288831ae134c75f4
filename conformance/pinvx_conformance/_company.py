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
RTOL = 2.0**-6
SMALL = 2.0**-8  # a singular value that RTOL drops and the default cutoff does not
FIVE = 5  # matrices in a company

# The functions, by the names of their checks; "hermitian" and "singular_values" are options.
PLAIN = ("pinv", "lstsq")
VALUES = ("pinv", "hermitian", "lstsq", "singular_values")
FORMS = ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp")
# The same derivatives by the library's automatic differentiation.
AUTOMATIC = ("pinv_forward", "pinv_reverse", "lstsq_forward", "lstsq_reverse")
EVERY = VALUES + FORMS
OF_B = ("lstsq", "singular_values", "lstsq_jvp", "lstsq_vjp")


@dataclass(frozen=True)
class Company:
    """The matrices of one call, of one shape, for each kind of function.

    Attributes
    ----------
    values : tuple of Recipe
        For `pinv` and `lstsq`: of full rank, deficient, with a singular value just above the
        cutoff, with one just below it, and not finite.
    smooth : tuple of Recipe
        For derivatives, with no singular value near the cutoff: deficient, two with a small
        singular value, of full rank, and not finite.
    hermitian : tuple of Recipe
        For hermitian=True, like `values`; empty where the shape is not square. The lower triangle
        counts.
    """

    values: tuple[Recipe, ...]
    smooth: tuple[Recipe, ...]
    hermitian: tuple[Recipe, ...] = ()

    def changed(self, change: Callable[[int, Recipe], Recipe]) -> Company:
        """Return the company with item i replaced by change(i, item)."""
        parts = (self.values, self.smooth, self.hermitian)
        return Company(*(tuple(change(i, r) for i, r in enumerate(p)) for p in parts))

    def part(self, *places: int) -> Company:
        """Return the company of the items at some places."""
        parts = (self.values, self.smooth, self.hermitian)
        return Company(*(tuple(p[i] for i in places if p) for p in parts))

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
    return _diagonal(shape, dtype, 0.0, above), _diagonal(shape, dtype, 0.25, below)


def _diagonal(shape: tuple[int, int], dtype: str, third: float, last: float) -> Recipe:
    # Half types hold these where they are multiplied by 2^10.
    unit = 2.0**10 if dtype in ("float16", "bfloat16") else 1.0
    values = (1.0, 0.5, third, 0.125, last)
    return m.diagonal(tuple(unit * v for v in values), *shape)


def tolerances(shape: tuple[int, int], dtype: str, count: int) -> tuple[float, ...]:
    """Return an rtol for each item of a company, or of the company again and again.

    Each changes what counts: the second value for derivatives, the third and the fourth for all.
    """
    above, below = near_the_cutoff(max(shape), dtype)
    return tuple((RTOL, RTOL, above / 8, below / 2, RTOL)[i % FIVE] for i in range(count))


def company(shape: tuple[int, int], dtype: str) -> Company:
    """Return five matrices of one shape, both sides of which are at least 5."""
    field = field_of(dtype)
    # Small integers: half types hold them, and exact derivatives take no time.
    full = m.integers(*shape, bound=4, field=field, seed=23)
    deficient = m.low_rank(*shape, 3, bound=2, field=field, seed=22)
    square = _hermitian(shape[0], dtype) if _is_floating(dtype) else (full, m.zeros(*shape))
    return _completed(shape, dtype, max(shape), full, deficient, square)


def _completed(
    shape: tuple[int, int],
    dtype: str,
    p: int,
    full: Recipe,
    deficient: Recipe,
    hermitian: tuple[Recipe, Recipe],
) -> Company:
    """Add what diagonals show, and a NaN."""
    diagonals, small = _diagonals(shape, dtype, p), _diagonal(shape, dtype, 0.25, SMALL)
    nan = m.poisoned(full, "nan", 0, 0)
    return Company(
        (full, deficient, *diagonals, nan),
        (deficient, small, small, full, nan),
        (*hermitian, *diagonals, nan) if shape[0] == shape[1] else (),
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
    """Return five matrices beyond the size of a block: Hadamard products of small ones."""
    small, field = (shape[0] // ORDER, shape[1] // ORDER), field_of(dtype)
    full = m.integers(*small, field=field, seed=23)
    deficient = m.low_rank(*small, 3, field=field, seed=22)
    square = _hermitian(small[0], dtype)
    items = _completed(small, dtype, max(shape), full, deficient, square)
    return items.changed(lambda _, item: m.hadamard(item, ORDER))


def around_rtol(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices with a singular value beside `RTOL` times the largest."""
    field, signs = field_of(dtype), (1, -1)
    ends = [RTOL * (1 + sign * 2.0**-6) for sign in signs]
    near = [m.of_values(*shape, (1.0, 0.5, 0.25, 0.125, end), field=field) for end in ends]
    full, deficient, *_, nan = company(shape, dtype).values
    items = (near[0], near[1], full, deficient, nan)
    if shape[0] != shape[1]:
        return Company(items, items)
    rest = (1.0, -0.5, 0.25, 0.125, -0.75)[: shape[0] - 1]
    mixed = [m.hermitian((*rest, end), field=field) for end in ends]
    return Company(items, items, (*mixed, *_hermitian(shape[0], dtype), nan))


def thin(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices of one row or one column, one of them zero, one not finite."""
    field = field_of(dtype)
    first, second = (m.integers(*shape, field=field, seed=k) for k in (25, 26))
    items = (first, m.zeros(*shape), second, first, m.poisoned(second, "nan", 0, 0))
    return Company(items, items, items if shape == (1, 1) else ())


# For ill-conditioned matrices: drops the third of their values, and not the second.
FINE_RTOL = 2.0**-30


def ill_conditioned(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices with κ beyond 1/√eps, two of them with values on both sides of cutoffs."""
    field, square = field_of(dtype), shape[0] == shape[1]
    full = m.spectrum(*shape, kappa=1e8, field=field, seed=27)
    _, below = near_the_cutoff(max(shape), dtype)
    graded = m.diagonal((1.0, 2.0**-27, 2.0**-36, 0.0, below), *shape)
    items = (full, graded, graded, m.poisoned(full, "nan", 0, 0))
    if not square:
        return Company(items, items)
    values = (1.0, -0.5, 0.25, 0.125, -1e-3, 1e-8)
    first = m.hermitian(values[-shape[0] :], field=field)
    return Company(items, items, (first, *items[1:]))


def integers(shape: tuple[int, int], dtype: str) -> Company:
    """Return matrices that a dtype of integers, or of booleans, holds."""
    square = shape[0] == shape[1]
    if dtype in ("uint8", "bool"):  # no signs
        n = min(shape)
        ones = m.adjoint(m.jordan(n)) if square else m.lauchli(n, mu=1.0, rows=max(shape))
        ones = ones if shape[0] >= shape[1] else m.adjoint(ones)
        values = (255.0, 128.0, 64.0, 0.0, 1.0) if dtype == "uint8" else (1.0,) * (n - 1)
        both = m.diagonal(values, *shape)
        return Company(*((ones, both, both) if part else () for part in (1, 1, square)))
    full, deficient, *_ = company(shape, dtype).values
    # As far apart as integers are: the last one is above the default cutoff of double precision.
    top = 2.0**50 if dtype == "int64" else 2.0**24
    apart = m.diagonal((top, top / 2, 0.0, top / 8, 8.0), *shape)
    below = m.diagonal((top, top / 2, top / 4, top / 8, 1.0), *shape)
    small = m.diagonal(tuple(v / SMALL for v in (1.0, 0.5, 0.25, 0.125, SMALL)), *shape)
    items = (full, deficient, apart, below)
    return Company(items, (deficient, small, small, full), items if square else ())


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
    a_as_well : bool
        Whether the matrices lie so, and not only what goes with them.
    rtol, atol : float or tuple of float, optional
        One tolerance, or one for each item.
    method : str
    calls : int
        How often the call is made; the last result counts.
    exponents : tuple of (int, int, int)
        For derivatives: A, b and the directions of A are multiplied by these powers of two, item
        by item, and everything else by what goes with them.
    functions : tuple of str
        Which functions are judged in the situation.
    """

    name: str
    dtype: str
    company: Company
    rhs: tuple[Recipe, ...]
    a_batch: tuple[int, ...] | None = None
    b_batch: tuple[int, ...] = ()
    vector: bool = False
    layout: str = ""
    a_as_well: bool = True
    rtol: float | tuple[float, ...] | None = None
    atol: float | tuple[float, ...] | None = None
    method: str = "auto"
    calls: int = 1
    exponents: tuple[tuple[int, int, int], ...] = ((0, 0, 0),)
    functions: tuple[str, ...] = EVERY

    def without_nan(self) -> Situation:
        """Return the situation with finite matrices and right-hand sides in place of the others."""
        company = self.company.changed(lambda _, r: clean(r))
        return replace(self, company=company, rhs=tuple(clean(b) for b in self.rhs))


def right_hand_sides(
    shape: tuple[int, int],
    dtype: str,
    count: int,
    columns: int = 3,
    value: str = "nan",
    first: int = 0,
) -> tuple[Recipe, ...]:
    """Return integers for right-hand sides, and one of five has a column that is not finite."""
    field, large = field_of(dtype), shape in LARGE
    rows = shape[0] // ORDER if large else shape[0]
    found = []
    for i in range(first, first + count):
        b = m.integers(rows, columns, field=field, seed=70 + i % (2 * FIVE))
        b = m.multiples(b, ORDER) if large else b
        found.append(m.poisoned(b, value, 0, 1 % columns) if columns and i % FIVE == 2 else b)
    return tuple(found)


def clean(recipe: Recipe) -> Recipe:
    """Return a matrix or a right-hand side without its NaN."""
    base: Recipe = recipe.positional[0] if recipe.name == "poisoned" else recipe
    if base.name in ("scaled", "hadamard"):
        inner, *more = base.positional
        return Recipe(base.name, (clean(inner), *more), base.keywords)
    return base


def alone(
    name: str, shape: tuple[int, int], dtype: str, items: Company | None = None, **more: Any
) -> Situation:
    """Return the situation in which each item stands alone, with its own right-hand sides."""
    items = items or company(shape, dtype)
    batch = int(np.prod(more.get("b_batch", ()), dtype=int))
    count = max(map(len, (items.values, items.smooth, items.hermitian))) * batch
    options = {k: more.pop(k) for k in ("columns", "value", "first") if k in more}
    rhs = right_hand_sides(shape, dtype, count, **options)
    return Situation(name, dtype, items, rhs, **more)


def together(
    name: str, shape: tuple[int, int], dtype: str, items: Company | None = None, **more: Any
) -> Situation:
    """Return the situation in which the items make a batch, with a right-hand side for each."""
    items = items or company(shape, dtype)
    batch = more.pop("a_batch", (max(len(items.values), len(items.hermitian)),))
    b_batch = more.pop("b_batch", batch)
    options = {k: more.pop(k) for k in ("columns", "value", "first") if k in more}
    rhs = right_hand_sides(shape, dtype, int(np.prod(b_batch, dtype=int)), **options)
    return Situation(name, dtype, items, rhs, a_batch=batch, b_batch=b_batch, **more)
