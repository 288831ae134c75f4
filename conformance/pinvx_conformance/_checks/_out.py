"""P1 and P19: results written into an array that the caller gives."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect, worst
from pinvx_conformance._oracle import truth
from pinvx_conformance._targets import Target


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in _gallery.SHAPES:
            recipe = m.integers(*shape, field=field, seed=61)
            yield Case(recipe, dtype)
            if target.claims("batches"):
                yield Case(m.batch(recipe, m.low_rank(*shape, 3, field=field)), dtype, "batch")
    yield from _gallery.fast(target, level)


def _call(target: Target, given: Any, **options: Any) -> Any:
    assert target.pinv is not None  # the check needs it
    return target.pinv(given, **options)


@check("P1", needs=("pinv", "out"), cases=_cases)
def out(target: Target, case: Case) -> Measurement:
    """`out` itself is returned, full of the result; A stays as it was."""
    lib, a = target.library, case.recipe.array(case.dtype)
    given = lib.asarray(a, case.dtype)
    # One row too many around it: a view shows whoever writes past the end, or in another order.
    around = lib.asarray(np.full((*a.shape[:-2], a.shape[-1] + 1, a.shape[-2]), 7.0))
    around = lib.xp.astype(around, given.dtype)
    view = around[..., :-1, :]
    result = _call(target, given, out=view)
    expect(result is view, f"the result is another object than `out`: a {type(result).__name__}")
    found = lib.to_numpy(around)
    expect(bool(np.all(found[..., -1, :] == 7.0)), "entries beside `out` were written to")
    expect(np.array_equal(lib.to_numpy(given), a), "the input was modified")
    items = case.recipe.positional if case.recipe.name == "batch" else (case.recipe,)
    values = found[..., :-1, :].reshape(-1, a.shape[-1], a.shape[-2])
    measurements = []
    for item, x in zip(items, values, strict=True):
        known = truth(item, case.dtype)
        bound = _bounds.PINV * _bounds.unit(a.shape, case.dtype, known.kappa)
        what = "‖X − A⁺‖/‖A⁺‖ in `out`"
        measurements.append(Measurement(known.error(x), bound, known.kappa, known.rank, what))
    return worst(measurements)


@check("P1", needs=("pinv", "out", "return_rank"), cases=_cases)
def out_and_rank(target: Target, case: Case) -> None:
    """With the rank beside it, too."""
    lib = target.library
    given = lib.asarray(case.recipe.array(case.dtype), case.dtype)
    expected = _evaluate.pinv(target, case.recipe, case.dtype)
    destination = lib.xp.zeros_like(lib.asarray(expected.x, case.dtype))
    x, rank = _call(target, given, out=destination, return_rank=True)
    expect(x is destination, f"the result is another object than `out`: a {type(x).__name__}")
    expect(np.array_equal(lib.to_numpy(rank), expected.rank), f"rank {rank}, not {expected.rank}")


def _one(target: Target, level: str) -> Iterator[Case]:
    del target, level
    yield Case(m.integers(4, 3))


def _refused(target: Target, given: Any, destination: Any, what: str) -> None:
    before = target.library.to_numpy(destination).copy()
    try:
        _call(target, given, out=destination)
    except (TypeError, ValueError):
        same = np.array_equal(target.library.to_numpy(destination), before)
        expect(same, f"{what} was refused, and written to")
        return
    except Exception as error:
        expect(False, f"{what} raises {type(error).__name__}, not TypeError or ValueError: {error}")
    expect(False, f"{what} was accepted")


@check("P19", needs=("pinv", "out"), cases=_one)
def out_that_does_not_fit(target: Target, case: Case) -> None:
    """An `out` of another shape or dtype is refused, and left as it is."""
    lib = target.library
    given = lib.asarray(case.recipe.array("float64"))
    for shape in ((4, 3), (3, 3), (1, 3, 4)):
        _refused(target, given, lib.asarray(np.ones(shape)), f"out of shape {shape} for (3, 4)")
    _refused(target, given, lib.asarray(np.ones((3, 4)), "float32"), "out of float32 for float64")


@check("P19", needs=("pinv", "immutable out"), cases=_one)
def out_that_cannot_be_written_to(target: Target, case: Case) -> None:
    """An `out` of a library without writeable arrays is a TypeError."""
    lib = target.library
    given = lib.asarray(case.recipe.array("float64"))
    try:
        _call(target, given, out=lib.asarray(np.ones((3, 4))))
    except TypeError:
        return
    expect(False, "an `out` that nothing can be written to was accepted")
