"""P9 and P10: least squares, and the shape of what it returns."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target


def rhs_of(case: Case, columns: int = 3, seed: int = 7) -> Recipe:
    """Integer right-hand sides that fit a case; they lie in no special subspace."""
    field = "complex" if case.dtype.startswith("complex") else "real"
    return m.integers(case.recipe.shape[-2], columns, field=field, seed=seed)


def _systems(target: Target, level: str) -> Iterator[Case]:
    for case in _gallery.everything(target, level):
        # The residual of 10⁵ equations is judged on 10⁵ roundings of one row: nothing new.
        if case.recipe.name != "tiled":
            yield replace(case, rhs=rhs_of(case))


@check("P9", needs=("lstsq",), cases=_systems)
def minimum_norm_solution(target: Target, case: Case) -> Measurement:
    """‖x − A⁺b‖ over κ(2‖x‖ + ‖A⁺‖‖r‖) + ‖A⁺‖‖b‖, at every rank."""
    known = truth(case.recipe, case.dtype)
    rhs = rhs_of(case)
    error = solution(case.recipe, case.dtype, rhs).error(
        _evaluate.lstsq(target, case.recipe, case.dtype, rhs).x
    )
    bound = _bounds.LSTSQ * _bounds.unit(known.a.shape, case.dtype, 1.0)
    return Measurement(error, bound, known.kappa, known.rank, "‖x − A⁺b‖ over its natural scale")


@check("P10", needs=("lstsq", "residuals"), cases=_systems)
def residuals(target: Target, case: Case) -> Measurement:
    """Squared 2-norms of b − Ax, of shape (K,) whatever the rank."""
    rhs = rhs_of(case)
    known, exact = truth(case.recipe, case.dtype), solution(case.recipe, case.dtype, rhs)
    found = np.asarray(_evaluate.lstsq(target, case.recipe, case.dtype, rhs).residuals)
    expect(found.shape == (3,), f"residuals have shape {found.shape}, not (3,)")
    real = case.dtype.replace("complex64", "float32").replace("complex128", "float64")
    expect(str(found.dtype) == real, f"residuals have dtype {found.dtype}, not {real}")
    units = exact.residual_units(found, _bounds.unit(known.a.shape, case.dtype, 1.0))
    value = float(np.max(units, initial=0))
    return Measurement(value, 1.0, known.kappa, known.rank, "residuals against ‖b − Ax‖²")


@check("P7", needs=("lstsq", "lstsq rank"), cases=_systems)
def lstsq_rank(target: Target, case: Case) -> None:
    """The rank that least squares reports."""
    known = truth(case.recipe, case.dtype)
    found = np.asarray(_evaluate.lstsq(target, case.recipe, case.dtype, rhs_of(case)).rank)
    expect(found.dtype.kind in "iu", f"the rank has dtype {found.dtype}, not an integer one")
    expect(int(found) == known.rank, f"rank {int(found)}, but {known.rank} singular values count")


def _few(target: Target, level: str) -> Iterator[Case]:
    return (replace(case, rhs=rhs_of(case)) for case in _gallery.few(target, level))


def _vectors(target: Target, level: str) -> Iterator[Case]:
    for case in _gallery.few(target, level):
        if case.recipe.shape == _gallery.TALL or case.dtype == "float64":
            yield replace(case, rhs=rhs_of(case, 1))


@check("P9", needs=("lstsq",), cases=_vectors)
def vector(target: Target, case: Case) -> Measurement:
    """A right-hand side of one dimension is a vector, and x is one too."""
    assert target.lstsq is not None  # the check needs it
    known, rhs = truth(case.recipe, case.dtype), rhs_of(case, 1)
    a, b = (r.array(case.dtype) for r in (case.recipe, rhs))
    found = target.lstsq(*(target.library.asarray(v, case.dtype) for v in (a, b[:, 0])))
    expect(tuple(found.x.shape) == (a.shape[1],), f"x of a vector has shape {found.x.shape}")
    error = solution(case.recipe, case.dtype, rhs).error(target.library.to_numpy(found.x))
    bound = _bounds.LSTSQ * _bounds.unit(a.shape, case.dtype, 1.0)
    return Measurement(error, bound, known.kappa, known.rank, "‖x − A⁺b‖ over its natural scale")


@check("P10", needs=("lstsq", "residuals"), cases=_vectors)
def vector_residual(target: Target, case: Case) -> None:
    """For a vector, one residual for each matrix: shape ()."""
    assert target.lstsq is not None  # the check needs it
    a, b = (r.array(case.dtype) for r in (case.recipe, rhs_of(case, 1)))
    found = target.lstsq(*(target.library.asarray(v, case.dtype) for v in (a, b[:, 0])))
    shape = tuple(found.residuals.shape)
    expect(shape == (), f"residuals of a vector have shape {shape}, not ()")


BROADCAST = (((), (2,)), ((2,), ()), ((2,), (2,)), ((3, 1), (2,)), ((2,), (3, 2)))


def _batches(target: Target, level: str) -> Iterator[Case]:
    del target
    recipe = m.integers(4, 2, seed=12)
    for left, right in BROADCAST if level == "full" else BROADCAST[1::2]:
        yield Case(recipe, "float64", f"{left} with {right}", (left, right, 2))
    if level == "full":
        yield Case(recipe, "float64", "one column", ((3, 1), (2,), 1))
    # 2×2 matrices in a batch of 2: every confusion of axes still has a shape that fits.
    yield Case(m.integers(2, 2, seed=12), "float64", "2x2x2", ((2,), (2,), 2))


@check("P9", needs=("lstsq", "lstsq batches"), cases=_batches)
def broadcasting(target: Target, case: Case) -> None:
    """The batch dimensions of b broadcast with those of A, and each item is solved as alone."""
    assert target.lstsq is not None  # the check needs it
    left, right, columns = case.arguments
    rows, unknowns = case.recipe.shape
    a = _stack(left, rows, unknowns, 20)
    b = _stack(right, rows, columns, 40)
    found = target.lstsq(target.library.asarray(a), target.library.asarray(b))
    batch = np.broadcast_shapes(left, right)
    x = target.library.to_numpy(found.x)
    expect(x.shape == (*batch, unknowns, columns), f"x has shape {x.shape}, batch {batch}")
    a, b = (np.broadcast_to(v, (*batch, *v.shape[-2:])) for v in (a, b))
    for i in np.ndindex(batch):
        expected = np.linalg.lstsq(a[i], b[i], rcond=None)[0]
        close = np.allclose(x[i], expected, rtol=1e-9, atol=1e-9)
        expect(close, f"item {i} is not the solution of its own system")


@check("P10", needs=("lstsq", "lstsq batches", "residuals"), cases=_batches)
def broadcast_residuals(target: Target, case: Case) -> None:
    """In a batch the residuals have the shape (..., K)."""
    assert target.lstsq is not None  # the check needs it
    left, right, columns = case.arguments
    rows, unknowns = case.recipe.shape
    a, b = _stack(left, rows, unknowns, 20), _stack(right, rows, columns, 40)
    found = target.lstsq(target.library.asarray(a), target.library.asarray(b))
    expected = (*np.broadcast_shapes(left, right), columns)
    shape = tuple(found.residuals.shape)
    expect(shape == expected, f"residuals have shape {shape}, not {expected}")


def _stack(batch: tuple[int, ...], rows: int, columns: int, seed: int) -> Any:
    count = int(np.prod(batch, dtype=int))
    items = [m.integers(rows, columns, seed=seed + i).array("float64") for i in range(count)]
    return np.stack(items).reshape(*batch, rows, columns)


def _empties(target: Target, level: str) -> Iterator[Case]:
    del target, level
    for size in ((0, 3), (3, 0), (0, 0)):
        yield Case(m.integers(*size), "float64")


@check("P10", needs=("lstsq", "residuals"), cases=_empties)
def empty_systems(target: Target, case: Case) -> None:
    """No rows or no columns: x is zero or empty, the residuals are ‖b‖², the rank 0."""
    assert target.lstsq is not None  # the check needs it
    a = case.recipe.array("float64")
    b = np.arange(2.0 * a.shape[0]).reshape(-1, 2)
    found = target.lstsq(target.library.asarray(a), target.library.asarray(b))
    x, squares = (target.library.to_numpy(v) for v in (found.x, found.residuals))
    expect(x.shape == (a.shape[1], 2) and not np.any(x), f"x is {x!r}")
    expect(squares.shape == (2,), f"residuals have shape {squares.shape}, not (2,)")
    expect(np.allclose(squares, np.sum(b**2, axis=0)), f"residuals are {squares}")


@check("P10", needs=("lstsq", "singular_values"), cases=_few)
def singular_values(target: Target, case: Case) -> Measurement:
    """`s` is None unless asked for, and accurate to p·eps·σ₁ where it is."""
    assert target.lstsq is not None  # the check needs it
    known, rhs = truth(case.recipe, case.dtype), rhs_of(case)
    a = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    b = target.library.asarray(rhs.array(case.dtype), case.dtype)
    expect(target.lstsq(a, b).s is None, "s is not None though nobody asked")
    s = target.library.to_numpy(target.lstsq(a, b, singular_values=True).s)
    wide = np.asarray(known.a, dtype=np.result_type(known.a.dtype, np.float64))
    expected = np.linalg.svd(wide, compute_uv=False)
    expect(s.shape == expected.shape, f"s has shape {s.shape}, not {expected.shape}")
    bound = 3 * _bounds.unit(known.a.shape, case.dtype, 1.0)
    value = float(np.linalg.norm(s - expected)) / float(expected[0])
    return Measurement(value, bound, known.kappa, known.rank, "‖s − σ‖/σ₁")
