"""P11 and P17: what one matrix of a batch does to the others."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect, in_time, worst
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target


def mixed(shape: tuple[int, int], field: str) -> tuple[Recipe, ...]:
    """Four matrices that take different ways through any algorithm: well and ill, full and not."""
    return (
        m.spectrum(*shape, kappa=10.0, field=field, seed=1),
        m.low_rank(*shape, 3, field=field, seed=2),
        m.spectrum(*shape, kappa=1e3, field=field, seed=3),
        m.zeros(*shape),
    )


def large(shape: tuple[int, int], field: str) -> tuple[Recipe, ...]:
    """Four matrices where a fast algorithm pays, each of which it has to treat differently."""
    return (
        m.integers(*shape, field=field, seed=63),
        m.nearly_duplicated(*shape, gap=2.0**-8, field=field),
        m.low_rank(*shape, 9, field=field),
        m.graded(*shape, by="rows", decades=3, field=field),
    )


def _batches(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        every = level == "full" and _gallery.is_double(dtype)
        for shape in _gallery.SHAPES if every else (_gallery.TALL,):
            yield Case(m.batch(*mixed(shape, field)), dtype)
    yield Case(m.batch(m.integers(2, 2, seed=12), m.integers(2, 2, seed=13)))
    yield Case(m.batch(*large(_gallery.LARGE_TALL, "real")))
    if level == "full":
        yield Case(m.batch(*large(_gallery.LARGE_WIDE, "complex")), "complex128")


@check("P17", needs=("pinv", "batches"), cases=_batches)
def each_as_alone(target: Target, case: Case) -> Measurement:
    """Item i of a batch is what the call on item i gives, to rounding: values and rank."""
    together = _evaluate.pinv(target, case.recipe, case.dtype)
    measurements = []
    for i, item in enumerate(case.recipe.positional):
        known = truth(item, case.dtype)
        alone = _evaluate.pinv(target, item, case.dtype)
        size = float(np.linalg.norm(known.x.value)) or 1.0
        error = float(np.linalg.norm(together.x[i] - alone.x)) / size
        bound = 2 * _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
        what = f"item {i} of the batch beside the same matrix alone"
        measurements.append(Measurement(error, bound, known.kappa, known.rank, what))
        if together.rank is not None:
            same = int(together.rank[i]) == int(np.asarray(alone.rank))
            expect(same, f"item {i} has rank {together.rank[i]} in the batch, {alone.rank} alone")
    return worst(measurements)


@check("P17", needs=("pinv", "batches"), cases=_batches)
def each_is_right(target: Target, case: Case) -> Measurement:
    """And it is the right answer: a function may be wrong for 2×2×2 and for one item alike."""
    together = _evaluate.pinv(target, case.recipe, case.dtype)
    measurements = []
    for i, item in enumerate(case.recipe.positional):
        known = truth(item, case.dtype)
        bound = _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
        what = f"‖X − A⁺‖/‖A⁺‖ of item {i}"
        error = known.error(together.x[i])
        measurements.append(Measurement(error, bound, known.kappa, known.rank, what))
    return worst(measurements)


@check("P17", needs=("lstsq", "lstsq batches"), cases=_batches)
def systems_as_alone(target: Target, case: Case) -> Measurement:
    """Least squares, item by item."""
    assert target.lstsq is not None  # the check needs it
    field = "complex" if case.dtype.startswith("complex") else "real"
    rows = case.recipe.shape[-2]
    rhs = m.integers(rows, 3, field=field, seed=8)
    a = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    stack = np.stack([rhs.array(case.dtype)] * case.recipe.shape[0])
    b = target.library.asarray(stack, case.dtype)
    x = target.library.to_numpy(target.lstsq(a, b).x)
    measurements = []
    for i, item in enumerate(case.recipe.positional):
        alone = _evaluate.lstsq(target, item, case.dtype, rhs).x
        known = truth(item, case.dtype)
        size = solution(item, case.dtype, rhs).scale
        error = float(np.linalg.norm(x[i] - alone)) / (size or 1.0)
        bound = 2 * _bounds.LSTSQ * _bounds.unit(known.a.shape, case.dtype, 1.0)
        what = f"system {i} of the batch beside the same one alone"
        measurements.append(Measurement(error, bound, known.kappa, known.rank, what))
    return worst(measurements)


def _poisoned(target: Target, level: str) -> Iterator[Case]:
    shapes = _gallery.SHAPES if level == "full" else (_gallery.TALL, _gallery.SQUARE)
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in shapes:
            for value in ("nan", "inf", "-inf"):
                yield Case(
                    m.poisoned(m.spectrum(*shape, kappa=10.0, field=field), value, 2, 1), dtype
                )
    yield Case(m.poisoned(m.integers(1, 1), "nan"))
    for case in _gallery.fast(target, level):
        for value in ("nan", "inf"):
            yield Case(m.poisoned(case.recipe, value, 2, 1), case.dtype)


@check("P11", cases=_poisoned)
def one_matrix(target: Target, case: Case) -> None:
    """A NaN or an infinity gives a result full of NaN and rank 0, and no exception."""
    found = _evaluate.pinv(target, case.recipe, case.dtype)
    expect(bool(np.all(np.isnan(found.x))), "a matrix that is not finite gives finite entries")
    if found.rank is not None:
        expect(int(np.asarray(found.rank)) == 0, f"its rank is {found.rank}, not 0")


@check("P11", needs=("lstsq",), cases=_poisoned)
def one_system(target: Target, case: Case) -> None:
    """The same for least squares."""
    rhs = m.integers(case.recipe.shape[0], 3, seed=8)
    found = _evaluate.lstsq(target, case.recipe, case.dtype, rhs)
    expect(bool(np.all(np.isnan(found.x))), "a matrix that is not finite gives a finite x")
    if target.claims("lstsq rank"):
        expect(int(np.asarray(found.rank)) == 0, f"its rank is {found.rank}, not 0")


def _endless(target: Target, level: str) -> Iterator[Case]:
    del target
    ones = m.diagonal((1.0,) * 6)
    for value, place in (("inf", 0), ("-inf", 3))[: 2 if level == "full" else 1]:
        yield Case(m.poisoned(ones, value, place, place))


@check("P11", cases=_endless)
def returns(target: Target, case: Case) -> None:
    """From an infinity on the diagonal of a diagonal matrix some of LAPACK's loops never return."""
    calls: list[Callable[[], Any]] = [lambda: _evaluate.pinv(target, case.recipe, case.dtype)]
    if target.claims("lstsq"):
        rhs = m.integers(case.recipe.shape[0], 3, seed=8)
        calls.append(lambda: _evaluate.lstsq(target, case.recipe, case.dtype, rhs))
    for call in calls:
        found = in_time(call)
        expect(bool(np.all(np.isnan(found.x))), "a matrix that is not finite gives finite entries")


def _poisoned_batches(target: Target, level: str) -> Iterator[Case]:
    for case in _batches(target, level):
        first, *rest = case.recipe.positional
        for value in ("nan", "inf"):
            yield Case(m.batch(*rest, m.poisoned(first, value, 1, 1)), case.dtype)


@check("P11", needs=("pinv", "batches"), cases=_poisoned_batches)
def the_others(target: Target, case: Case) -> Measurement:
    """Every other matrix of the batch is as it would be without the one that is not finite."""
    together = _evaluate.pinv(target, case.recipe, case.dtype)
    expect(bool(np.all(np.isnan(together.x[-1]))), "the poisoned item is not full of NaN")
    measurements = []
    for i, item in enumerate(case.recipe.positional[:-1]):
        known = truth(item, case.dtype)
        bound = _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
        what = f"‖X − A⁺‖/‖A⁺‖ of item {i}, the last item not being finite"
        error = known.error(together.x[i])
        measurements.append(Measurement(error, bound, known.kappa, known.rank, what))
        if together.rank is not None:
            right = int(together.rank[i]) == known.rank
            expect(right, f"item {i} has rank {together.rank[i]}, not {known.rank}")
    return worst(measurements)
