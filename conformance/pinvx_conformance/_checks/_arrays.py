"""P1, P2 and P3: which array goes in, which comes out, and in what shape."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, NotApplicableError, check, expect
from pinvx_conformance._oracle import truth
from pinvx_conformance._targets import Target

BOTH = (m.integers(*_gallery.TALL, seed=6), m.low_rank(*_gallery.TALL, 3))


def _plain(target: Target, a: Any, **options: Any) -> Any:
    assert target.pinv is not None  # the check needs "pinv", so there is one
    return target.pinv(a, **options)


def expect_alike(target: Target, given: Any, result: Any, name: str = "the result") -> None:
    """Raise unless `result` has the namespace, device and dtype of `given`."""
    lib = target.library
    expect(isinstance(result, type(given)), f"{name} is a {type(result)}, not a {type(given)}")
    expect(result.dtype == given.dtype, f"{name} has dtype {result.dtype}, not {given.dtype}")
    where, wanted = (getattr(v, "device", None) for v in (result, given))
    expect(where == wanted, f"{name} of {lib.name} is on {where}, the input on {wanted}")


def _every_dtype(target: Target, level: str) -> Iterator[Case]:
    yield from _gallery.few(target, level)
    if level == "quick" and "complex64" in target.library.dtypes:
        yield Case(m.low_rank(*_gallery.TALL, 3, field="complex"), "complex64")


@check("P1", cases=_every_dtype)
def namespace_and_dtype(target: Target, case: Case) -> None:
    """A result of the same library, on the same device, of the same dtype; the input untouched."""
    before = case.recipe.array(case.dtype)
    given = target.library.asarray(before, case.dtype)
    expect_alike(target, given, _plain(target, given))
    after = target.library.to_numpy(given)
    expect(np.array_equal(before, after), "the input was modified")


@check("P1", needs=("lstsq",), cases=_gallery.few)
def lstsq_namespace_and_dtype(target: Target, case: Case) -> None:
    """The same for least squares, both inputs untouched."""
    assert target.lstsq is not None  # the check needs it
    before = case.recipe.array(case.dtype)
    rhs = m.integers(before.shape[0], 3, seed=8).array(case.dtype)
    given, b = (target.library.asarray(v, case.dtype) for v in (before, rhs))
    expect_alike(target, given, target.lstsq(given, b).x, "x")
    for value, original in ((given, before), (b, rhs)):
        same = np.array_equal(target.library.to_numpy(value), original)
        expect(same, "an input was modified")


def _layouts(target: Target, level: str) -> Iterator[Case]:
    del level
    for dtype in target.library.dtypes:
        field = "complex" if dtype.startswith("complex") else "real"
        recipe = m.integers(*_gallery.TALL, field=field, seed=6)
        for name, view in target.library.layouts(target.library, recipe.array(dtype)).items():
            if view.ndim == 2 or target.claims("batches"):
                yield Case(recipe, dtype, name)
    large = m.integers(*_gallery.LARGE_TALL, seed=6)
    for name in target.library.layouts(target.library, large.array("float64")):
        if name not in ("broadcast", "expanded"):  # which are batches, and compile as such
            yield Case(large, "float64", name)


@check("P1", cases=_layouts)
def layouts(target: Target, case: Case) -> Measurement:
    """Strided, reversed, read-only, broadcast, lazily conjugated inputs; none of them modified."""
    a = case.recipe.array(case.dtype)
    given = target.library.layouts(target.library, a)[case.variant]
    before = target.library.to_numpy(given).copy()
    x = target.library.to_numpy(_plain(target, given))
    after = target.library.to_numpy(given)
    expect(np.array_equal(before, after), f"the {case.variant} input was modified")
    known = truth(case.recipe, case.dtype)
    error = max(known.error(item) for item in x.reshape(-1, *x.shape[-2:]))
    bound = _bounds.PINV * _bounds.unit(a.shape, case.dtype, known.kappa)
    return Measurement(error, bound, known.kappa, known.rank, f"‖X − A⁺‖/‖A⁺‖, {case.variant}")


def _both(target: Target, level: str) -> Iterator[Case]:
    del target, level
    return (Case(recipe) for recipe in BOTH)


@check("P1", cases=_both)
def other_devices(target: Target, case: Case) -> None:
    """On a device that is not the default one, results stay there."""
    devices = target.library.other_devices
    if not devices:
        raise NotApplicableError(f"{target.library.name} has one device here")
    for device in devices:
        given = target.library.asarray(case.recipe.array("float64"), device=device)
        expect_alike(target, given, _plain(target, given))


# In the ordinary case: one for the size of the input, and one for the method that is tried.
BOOLEANS = 2


@check("P1", needs=("pinv", "host reads"), cases=_both)
def reads_booleans_alone(target: Target, case: Case) -> None:
    """To the host comes one boolean for the size of the input, and one for each method tried."""
    counting = target.library.host_reads
    assert counting is not None  # the check needs it
    given = target.library.asarray(case.recipe.array("float64"))
    _plain(target, given)
    with counting() as reads:
        _plain(target, given)
    expect(len(reads) <= BOOLEANS, f"{len(reads)} values were read back to the host: {reads}")


def _half(target: Target, level: str) -> Iterator[Case]:
    del level
    for dtype in target.library.half:
        yield from (Case(recipe, dtype) for recipe in BOTH)


@check("P2", needs=("pinv", "half"), cases=_half)
def half_precision(target: Target, case: Case) -> Measurement:
    """Computed in float32, rounded once, returned in the half type."""
    known = truth(case.recipe, case.dtype)
    given = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    x = _plain(target, given)
    expect_alike(target, given, x)
    error = known.error(target.library.to_numpy(x))
    rounding = _bounds.stored_eps(case.dtype)
    bound = _bounds.PINV * max(given.shape) * _bounds.eps_of(case.dtype) * known.kappa + rounding
    return Measurement(error, bound, known.kappa, known.rank, "‖X − A⁺‖/‖A⁺‖ in half precision")


def _integers(target: Target, level: str) -> Iterator[Case]:
    del level
    for dtype in target.library.integers:
        yield Case(m.diagonal((1.0, 0.0, 1.0), 4, 3), dtype)


@check("P2", needs=("pinv", "integers"), cases=_integers)
def integers(target: Target, case: Case) -> Measurement:
    """Integers and booleans become the library's default real floating dtype."""
    lib = target.library
    given = lib.asarray(case.recipe.array(case.dtype), case.dtype)
    x = _plain(target, given)
    wanted = lib.xp.zeros(1).dtype
    expect(x.dtype == wanted, f"{case.dtype} gives {x.dtype}; the library's default is {wanted}")
    expected = case.recipe.array("float64").T
    error = float(np.linalg.norm(lib.to_numpy(x) - expected))
    return Measurement(error, 1e-5, what=f"‖X − A⁺‖ of a {case.dtype} matrix")


def _shapes(target: Target, level: str) -> Iterator[Case]:
    empty, square, wide = [(0, 0), (0, 3), (3, 0)], (2, 2), _gallery.WIDE
    sizes: list[tuple[int, int]] = [(1, 1), (1, 12), (12, 1), square, wide, *empty]
    batches: list[tuple[int, ...]] = [(0,), (1,), (2,), (3, 2), (2, 0), (2, 1, 2)]
    if level == "quick":
        sizes, batches = [square, wide, *empty[1:]], [(0,), (2,), (2, 1, 2)]
    # Every size alone and in one batch, every batch of four sizes: what compiles does so for each.
    alone: list[tuple[int, ...]] = [(), (2,)]
    pairs = [(size, batch) for size in sizes for batch in alone]
    pairs += [(size, batch) for size in (square, wide, (0, 3), (3, 0)) for batch in batches]
    for size, batch in dict.fromkeys(pairs):
        if not batch or target.claims("batches"):
            yield Case(m.integers(*size, seed=9), "float64", f"batch {batch}", batch)


@check("P3", cases=_shapes)
def shapes(target: Target, case: Case) -> None:
    """(..., M, N) gives (..., N, M), with any of the sizes 0, and every item is the right one."""
    one = case.recipe.array(case.dtype)
    count = int(np.prod(case.arguments, dtype=int))
    items = [one * (i + 1) for i in range(count)]
    stack = np.zeros((*case.arguments, *one.shape))
    for place, item in zip(np.ndindex(*case.arguments), items, strict=True):
        stack[place] = item
    given = target.library.asarray(stack)
    values, ranks = _evaluate.answer(target, given)
    expected = (*case.arguments, one.shape[1], one.shape[0])
    expect(values.shape == expected, f"{given.shape} gave {values.shape}, not {expected}")
    if ranks is not None:
        shape = np.asarray(ranks).shape
        expect(shape == case.arguments, f"{given.shape} gave ranks of shape {shape}")
    known = truth(case.recipe, case.dtype)
    for i, place in enumerate(np.ndindex(*case.arguments)):
        error = known.error(values[place] * (i + 1))
        expect(error <= 1e-12, f"item {i} of the batch is wrong by {error:.3g}")


@check("P3", cases=_both)
def too_few_dimensions(target: Target, case: Case) -> None:
    """Ndim < 2 is a ValueError."""
    a = case.recipe.array("float64")
    for given in (a[0], a[0, 0]):
        try:
            _plain(target, target.library.asarray(given))
        except ValueError:
            continue
        expect(False, f"an input of {given.ndim} dimensions was accepted")
