"""P14: the library's function transformations give what the plain call gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _calculus, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, worst
from pinvx_conformance._checks._batches import large, mixed
from pinvx_conformance._checks._derivatives import direction, distance
from pinvx_conformance._oracle import truth
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target

SHAPE = (12, 5)


def _dtypes(target: Target, level: str) -> list[str]:
    wanted = ("float64",) if level == "quick" else ("float32", "float64", "complex128")
    return [d for d in target.library.dtypes if d in wanted]


def _stacks(target: Target, level: str) -> Iterator[Case]:
    for name in target.library.transformations:
        for dtype in _dtypes(target, level):
            field = "complex" if dtype.startswith("complex") else "real"
            yield Case(m.batch(*mixed(SHAPE, field)), dtype, name, (name,))


def _transformed(target: Target, case: Case, f: Callable[[Any], Any]) -> Any:
    transform = target.library.transformations[case.arguments[0]]
    given = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    return target.library.to_numpy(transform(f, given))


def _and_large(target: Target, level: str) -> Iterator[Case]:
    yield from _stacks(target, level)
    if level == "full":
        for name in target.library.transformations:
            recipe = m.batch(*large(_gallery.LARGE_TALL, "real"))
            yield Case(recipe, "float64", name, (name,))


@check("P14", needs=("pinv", "transformations"), cases=_and_large)
def of_pinv(target: Target, case: Case) -> Measurement:
    """Transform(pinv)(batch), each item against the truth."""
    assert target.pinv is not None  # the check needs it
    x = _transformed(target, case, target.pinv)
    measurements = []
    for i, item in enumerate(case.recipe.positional):
        known = truth(item, case.dtype)
        bound = _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
        what = f"‖X − A⁺‖/‖A⁺‖ of item {i} under {case.variant}"
        measurements.append(Measurement(known.error(x[i]), bound, known.kappa, known.rank, what))
    return worst(measurements)


@check("P14", needs=("lstsq", "transformations", "lstsq batches"), cases=_stacks)
def of_lstsq(target: Target, case: Case) -> Measurement:
    """Transform(lstsq)(batch), one right-hand side for all."""
    lstsq = target.lstsq
    assert lstsq is not None  # the check needs it
    field = "complex" if case.dtype.startswith("complex") else "real"
    rhs = m.integers(SHAPE[0], 3, field=field, seed=7)
    b = target.library.asarray(rhs.array(case.dtype), case.dtype)
    x = _transformed(target, case, lambda a: lstsq(a, b).x)
    measurements = []
    for i, item in enumerate(case.recipe.positional):
        known = truth(item, case.dtype)
        bound = _bounds.LSTSQ * _bounds.unit(known.a.shape, case.dtype, 1.0)
        error = solution(item, case.dtype, rhs).error(x[i])
        what = f"the error of system {i} under {case.variant}"
        measurements.append(Measurement(error, bound, known.kappa, known.rank, what))
    return worst(measurements)


def _poisoned(target: Target, level: str) -> Iterator[Case]:
    del level
    first, *rest = mixed(SHAPE, "real")
    for name in target.library.transformations:
        recipe = m.batch(m.poisoned(first, "nan", 1, 1), *rest)
        yield Case(recipe, "float64", f"NaN, {name}", (name,))


@check("P14", needs=("pinv", "transformations"), cases=_poisoned)
def with_a_nan(target: Target, case: Case) -> Measurement:
    """Under a transformation, too, a matrix that is not finite harms no other."""
    assert target.pinv is not None  # the check needs it
    x = _transformed(target, case, target.pinv)
    poisoned = Measurement(float(not np.all(np.isnan(x[0]))), 0.5, what="NaN gave finite numbers")
    measurements = [poisoned]
    for i, item in enumerate(case.recipe.positional[1:], 1):
        known = truth(item, case.dtype)
        bound = _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
        what = f"‖X − A⁺‖/‖A⁺‖ of item {i} under {case.variant}"
        measurements.append(Measurement(known.error(x[i]), bound, known.kappa, known.rank, what))
    return worst(measurements)


def _jacobian_cases(target: Target, level: str) -> Iterator[Case]:
    del level
    for name in target.library.jacobians:
        for recipe in (m.integers(3, 2, seed=1), m.low_rank(3, 2, 1), m.diagonal((1.0,) * 2, 3, 2)):
            yield Case(recipe, "float64", name, (name,))


@check("P14", needs=("pinv", "transformations"), cases=_jacobian_cases)
def jacobians(target: Target, case: Case) -> Measurement:
    """∂X/∂A contracted with a direction is the exact dX."""
    lib = target.library
    da = direction(case)
    given = lib.asarray(case.recipe.array("float64"))
    jacobian = lib.to_numpy(lib.jacobians[case.arguments[0]](target.pinv, given))
    found = np.tensordot(jacobian, da.array("float64"), axes=2)
    exact = _calculus.derivative("pinv_jvp", case.recipe, "float64", da)
    known = truth(case.recipe, case.dtype)
    norm = float(np.linalg.norm(known.x.value, 2))
    size = norm**2 * float(np.linalg.norm(da.array("float64")))
    bound = _bounds.FIRST_ORDER * _bounds.unit(known.a.shape, case.dtype, known.kappa) * size
    what = f"{case.variant} against the exact derivative"
    return Measurement(distance(found, exact), bound, known.kappa, known.rank, what)
