"""P4: which singular values count.

Rounding decides about a singular value within p·eps·σ₁ of the cutoff, and nobody promises anything
there. So values stand off by twice that ("just above", "just below"), or by a sixty-fourth of the
cutoff. Values far below p·eps·σ₁ are those of diagonal matrices, which sound methods find to a few
eps.
"""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target


def _compare(target: Target, case: Case, **options: Any) -> Measurement:
    """P6 and P7 for a case at explicit tolerances."""
    known = truth(case.recipe, case.dtype, options.get("rtol"), options.get("atol", 0.0))
    found = _evaluate.pinv(target, case.recipe, case.dtype, **options)
    cut = ", ".join(f"{k}={v:.4g}" for k, v in options.items()) or "the default cutoff"
    if found.rank is not None:
        rank = int(np.asarray(found.rank))
        said = f"rank {rank} with {cut}, but {known.rank} singular values count"
        expect(rank == known.rank, said)
    # Near κ = 1/(p·eps) the bound of P6 exceeds 1, and dropping a value is an error of 1: half
    # of that tells the two apart.
    bound = min(_bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa), 0.5)
    what = f"‖X − A⁺‖/‖A⁺‖ with {cut}"
    return Measurement(known.error(found.x), bound, known.kappa, known.rank, what)


def _around(tolerance: float) -> dict[str, float]:
    return {"above": tolerance * (1 + 2.0**-6), "below": tolerance * (1 - 2.0**-6)}


def _relative(target: Target, level: str) -> Iterator[Case]:
    shapes = _gallery.SHAPES if level == "full" else (_gallery.TALL,)
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in shapes:
            for name, value in _around(2.0**-10).items():
                values = (1.0, 0.5, 0.25, 0.125, value)
                recipe = m.of_values(*shape, values, field=field)
                yield Case(recipe, dtype, f"rtol {name}", (2.0**-10,))
    for shape in _gallery.LARGE[level]["float64"]:
        # Large enough for a fast algorithm, which must not accept what the cutoff drops.
        for name, value in _around(2.0**-10).items():
            many = (1.0, 0.5, 0.25, *(0.125,) * (min(shape) - 4), value)
            yield Case(m.of_values(*shape, many), "float64", f"rtol {name}", (2.0**-10,))
    margin = 2 * max(_gallery.TALL) * _bounds.eps_of("float64")
    for name, value in {"above": 2.0**-10 + margin, "below": 2.0**-10 - margin}.items():
        for exact in ((1.0, 0.5, value, 2.0**-9), (1.0, value, 0.0, 2.0**-11)):
            recipe = m.diagonal(exact, *_gallery.TALL)
            yield Case(recipe, "float64", f"just {name}", (2.0**-10,))


@check("P4", needs=("pinv", "rtol"), cases=_relative)
def rtol(target: Target, case: Case) -> Measurement:
    """σ counts iff σ > rtol·σ₁."""
    return _compare(target, case, rtol=case.arguments[0])


def _few_relative(target: Target, level: str) -> Iterator[Case]:
    for case in _relative(target, level):
        if not target.library.compiles or level == "full" or case.recipe.shape == _gallery.TALL:
            yield case


@check("P4", needs=("pinv", "atol"), cases=_few_relative)
def atol(target: Target, case: Case) -> Measurement:
    """σ counts iff σ > atol, in absolute terms: the matrix is scaled by 8 and the tolerance too."""
    scaled = Case(m.scaled(case.recipe, 3), case.dtype, case.variant)
    return _compare(target, scaled, atol=8.0 * case.arguments[0])


@check("P4", needs=("pinv", "rtol", "atol"), cases=_few_relative)
def the_larger_of_both(target: Target, case: Case) -> Measurement:
    """With both, the larger counts, whichever it is."""
    tolerance = case.arguments[0]
    first = _compare(target, case, rtol=tolerance, atol=tolerance / 4)
    second = _compare(target, case, rtol=tolerance / 4, atol=tolerance)
    return max(first, second, key=lambda one: one.units)


@check("P4", needs=("pinv", "rtol"), cases=_relative)
def rtol_is_relative(target: Target, case: Case) -> Measurement:
    """The same decisions for a matrix that is 2^20 times smaller."""
    scaled = Case(m.scaled(case.recipe, -20), case.dtype, case.variant)
    return _compare(target, scaled, rtol=case.arguments[0])


def _at_other_scales(target: Target, level: str) -> Iterator[Case]:
    # Where squares are subnormal or zero, and the squares of squares in any case.
    for dtype, exponents in (("float64", (-400, -290, 290)), ("float32", (-60, -45, 45))):
        if dtype not in target.library.dtypes:
            continue
        shape = _gallery.LARGE[level][dtype][0]
        for name, value in _around(2.0**-4).items():
            many = (1.0, 0.5, 0.25, *(0.125,) * (min(shape) - 4), value)
            for exponent in exponents:
                recipe = m.scaled(m.of_values(*shape, many), exponent)
                yield Case(recipe, dtype, f"rtol {name}", (2.0**-4,))


@check("P4", needs=("pinv", "rtol"), cases=_at_other_scales)
def rtol_at_other_scales(target: Target, case: Case) -> Measurement:
    """And for large matrices whose squares, or the squares of those, over- or underflow."""
    return _compare(target, case, rtol=case.arguments[0])


def _default(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        for m_, n in _gallery.SHAPES if level == "full" else (_gallery.TALL, _gallery.SQUARE):
            cutoff = max(m_, n) * _bounds.eps_of(dtype)
            # Half of it tells p·eps from min(M, N)·eps, and is some eps away from both.
            for factor in (0.25, 0.5, 2.5, 8.0) if m_ > 2 * n else (0.25, 2.5, 8.0):
                values = (1.0, 0.5, 0.25, 0.125, factor * cutoff)
                yield Case(m.diagonal(values, m_, n), dtype, f"{factor} p eps")


@check("P4", cases=_default)
def default_rtol(target: Target, case: Case) -> Measurement:
    """Without tolerances a singular value counts iff σ > p·eps·σ₁."""
    return _compare(target, case)


def _below_default(dtype: str) -> Recipe:
    """Return a matrix with σ = p·eps·σ₁/2. That is 24 eps, and methods are wrong by a few."""
    m_, n = _gallery.LARGE_TALL
    return m.diagonal((1.0, 0.5, 0.5 * max(m_, n) * _bounds.eps_of(dtype)), m_, n)


def _far_below(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        if not target.library.compiles or dtype == "float64":
            yield Case(_below_default(dtype), dtype)


@check("P4", needs=("pinv", "atol"), cases=_far_below)
def atol_alone(target: Target, case: Case) -> Measurement:
    """With a positive atol and no rtol, rtol is 0: a σ below p·eps·σ₁ counts."""
    return _compare(target, case, atol=2.0**-100)


def _zeros(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        yield Case(m.diagonal((1.0, 0.0, 0.5, 0.0), *_gallery.TALL), dtype)
        yield Case(m.zeros(12, 5), dtype)
        yield Case(m.zeros(6, 6), dtype)


@check("P4", needs=("pinv", "rtol"), cases=_zeros)
def zeros_never_count(target: Target, case: Case) -> Measurement:
    """With rtol = 0 an exactly zero singular value still does not count."""
    return _compare(target, case, rtol=0.0)


def _one_batch(target: Target, level: str) -> Iterator[Case]:
    del target, level
    items = [m.diagonal((1.0, 0.5, 2.0**-i), *_gallery.TALL) for i in (2, 5, 8)]
    yield Case(m.batch(*items))


def _item_by_item(target: Target, case: Case, **tolerances: tuple[float, ...]) -> None:
    """One tolerance an item, as an array of the batch shape."""
    assert target.pinv is not None  # the check needs it
    lib = target.library
    given = lib.asarray(case.recipe.array("float64"))
    options = {k: lib.asarray(np.asarray(v)) for k, v in tolerances.items()}
    found = _evaluate.answer(target, given, **options)
    for i, item in enumerate(case.recipe.positional):
        one = {k: v[i] for k, v in tolerances.items()}
        known = truth(item, "float64", one.get("rtol"), one.get("atol", 0.0))
        error = known.error(found.x[i])
        bound = min(_bounds.PINV * _bounds.unit(known.a.shape, "float64", known.kappa), 0.5)
        expect(error <= bound, f"item {i} with {one} is wrong by {error:.3g}")
        rank = known.rank if found.rank is None else int(found.rank[i])
        expect(rank == known.rank, f"item {i} with {one} has rank {rank}, not {known.rank}")


@check("P4", needs=("pinv", "rtol", "array tolerances"), cases=_one_batch)
def rtol_of_each_item(target: Target, case: Case) -> None:
    """An array rtol broadcasts with the batch shape."""
    _item_by_item(target, case, rtol=(2.0**-4, 2.0**-4, 2.0**-9))
    _item_by_item(target, case, rtol=(0.75, 0.0, 0.0))


@check("P4", needs=("pinv", "atol", "array tolerances"), cases=_one_batch)
def atol_of_each_item(target: Target, case: Case) -> None:
    """An array atol too; the default rtol is 0 exactly for the items whose atol is positive."""
    _item_by_item(target, case, atol=(2.0**-4, 2.0**-4, 2.0**-9))
    if target.library.compiles:
        return  # another shape; `atol_alone` has it for one matrix
    both = Case(m.batch(*(_below_default("float64"),) * 3))
    _item_by_item(target, both, atol=(0.0, 2.0**-100, 0.0))


@check("P4", needs=("pinv", "rcond"), cases=_one_batch)
def rcond(target: Target, case: Case) -> None:
    """Rcond is another name for rtol; both together are a TypeError."""
    assert target.pinv is not None  # the check needs it
    given = target.library.asarray(case.recipe.array("float64"))
    one = target.library.to_numpy(target.pinv(given, rcond=2.0**-4))
    other = target.library.to_numpy(target.pinv(given, rtol=2.0**-4))
    off = float(np.max(np.abs(one - other)))
    expect(off <= 1e-12 * np.max(np.abs(other)), f"rcond differs from rtol by {off:.3g}")
    try:
        target.pinv(given, rcond=0.1, rtol=0.1)
    except TypeError:
        return
    expect(False, "rcond and rtol together were accepted")


@check("P4", needs=("pinv", "rtol", "tolerance errors"), cases=_one_batch)
def impossible_tolerances(target: Target, case: Case) -> None:
    """A negative or NaN tolerance is a ValueError."""
    assert target.pinv is not None  # the check needs it
    given = target.library.asarray(case.recipe.array("float64"))
    names = ["rtol", "atol"] if target.claims("atol") else ["rtol"]
    for name in names:
        for value in (-1.0, float("nan")):
            try:
                target.pinv(given, **{name: value})
            except ValueError:
                continue
            expect(False, f"{name}={value} was accepted")


def _one_batch_scaled(target: Target, level: str) -> Iterator[Case]:
    # So that a relative tolerance differs from an absolute one.
    for case in _one_batch(target, level):
        yield Case(m.batch(*(m.scaled(item, 4) for item in case.recipe.positional)))


@check("P4", needs=("pinv", "lstsq", "positional rtol"), cases=_one_batch_scaled)
def rtol_without_its_name(target: Target, case: Case) -> None:
    """The relative tolerance may stand behind the arrays: pinv(a, rtol), lstsq(a, b, rtol)."""
    assert target.pinv is not None  # the check needs both
    assert target.lstsq is not None
    given = target.library.asarray(case.recipe.array("float64"))
    x = target.library.to_numpy(target.pinv(given, 2.0**-4))
    b = target.library.asarray(
        np.broadcast_to(np.eye(given.shape[-2]), (3, *(given.shape[-2],) * 2))
    )
    solved = target.library.to_numpy(target.lstsq(given, b, 2.0**-4).x)
    for i, item in enumerate(case.recipe.positional):
        known = truth(item, "float64", 2.0**-4)
        for name, value in (("pinv", x[i]), ("lstsq", solved[i])):
            error = known.error(value)
            expect(
                error <= 1e-12, f"{name}, rtol without its name: item {i} is wrong by {error:.3g}"
            )


@check("P4", needs=("pinv", "rtol", "any number"), cases=_one_batch)
def any_number(target: Target, case: Case) -> None:
    """A tolerance may be a scalar of NumPy, or an integer beyond every float."""
    given = target.library.asarray(case.recipe.array("float64"))
    for rtol, kept in (
        (np.float32(2.0**-4), 2.0**-4),
        (np.asarray(2.0**-4), 2.0**-4),
        (10**400, 1),
    ):
        x = _evaluate.answer(target, given, rtol=rtol).x
        for i, item in enumerate(case.recipe.positional):
            error = truth(item, "float64", kept).error(x[i])
            expect(error <= 1e-12, f"rtol={rtol!r:.20}: item {i} is wrong by {error:.3g}")
