"""P13: reverse mode, forward mode, second order and the closed forms, against exact derivatives."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _calculus, _exact, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, worst
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target


def recipes(dtype: str, level: str) -> Iterator[Recipe]:
    """Yield constant-rank matrices: full, deficient, and with repeated, zero and single σ."""
    field = "complex" if dtype.startswith("complex") else "real"
    every = level == "full" or dtype == "float64"
    for shape in _gallery.SHAPES if every else (_gallery.TALL,):
        yield m.spectrum(*shape, kappa=10.0, field=field, seed=4)
        yield m.low_rank(*shape, 3, field=field)
    # Repeated singular values, the undoing of every gradient that goes through the SVD.
    yield m.spectrum(*_gallery.TALL, kappa=10.0, profile="repeated", field=field)
    if every:
        yield m.diagonal((1.0,) * 6)
        yield m.diagonal((2.0, 2.0, 0.0, 0.0, 1.0), *_gallery.TALL)
        yield m.zeros(*_gallery.TALL)
        yield m.integers(1, 1, seed=1)
    if level == "full":
        yield m.integers(1, 12, field=field)
        yield m.integers(12, 1, field=field)
        yield m.zeros(1, 1)
        yield m.low_rank(6, 6, 1, field=field)
        yield m.spectrum(*_gallery.TALL, kappa=1e3, field=field)


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        # A library that compiles spends its time here: one complex dtype is enough.
        if dtype in ("float64", "complex128") or (level == "full" and dtype == "float32"):
            yield from (Case(recipe, dtype) for recipe in recipes(dtype, level))


def direction(case: Case, shape: tuple[int, ...] | None = None, seed: int = 31) -> Recipe:
    """An integer direction or cotangent that fits a case."""
    field = "complex" if case.dtype.startswith("complex") else "real"
    rows, columns = shape or case.recipe.shape
    return m.integers(rows, columns, bound=4, field=field, seed=seed)


def cotangent(case: Case) -> Recipe:
    """An integer G of the shape of X."""
    return direction(case, case.recipe.shape[::-1], seed=32)


def _arrays(target: Target, case: Case, *recipes: Recipe) -> list[Any]:
    return [target.library.asarray(r.array(case.dtype), case.dtype) for r in recipes]


def distance(found: Any, exact: _exact.Split) -> float:
    """‖found − exact‖_F, infinite where found has a NaN."""
    if not np.all(np.isfinite(found)):
        return float("inf")
    return float(np.linalg.norm(found - exact.value))


def _measure(case: Case, found: Any, exact: _exact.Split, size: float) -> Measurement:
    """Compare in units of c·p·eps·κ·‖X‖²·size."""
    known = truth(case.recipe, case.dtype)
    norm = float(np.linalg.norm(known.x.value, 2)) or 1.0
    unit = _bounds.unit(known.a.shape, case.dtype, known.kappa)
    value = distance(np.asarray(found), exact)
    what = "the derivative against the exact one"
    return Measurement(
        value, _bounds.FIRST_ORDER * unit * norm**2 * size, known.kappa, known.rank, what
    )


def _norm(case: Case, recipe: Recipe) -> float:
    return float(np.linalg.norm(recipe.array(case.dtype)))


def _gradient(target: Target, a: Any, g: Any) -> Any:
    assert target.library.vjp is not None  # the check needs it
    return target.library.vjp(target.pinv, (a,), g)[0]


@functools.lru_cache(maxsize=1024)
def _reverse(target: Target, case: Case) -> Any:
    """Ā as a NumPy array."""
    given = _arrays(target, case, case.recipe, cotangent(case))
    return target.library.to_numpy(_gradient(target, *given))


@functools.lru_cache(maxsize=1024)
def _forward(target: Target, case: Case) -> Any:
    """DX as a NumPy array."""
    assert target.library.jvp is not None  # the check needs it
    a, tangent = _arrays(target, case, case.recipe, direction(case))
    return target.library.to_numpy(target.library.jvp(target.pinv, (a,), (tangent,)))


@check("P13", needs=("pinv", "vjp"), cases=_cases)
def reverse_mode(target: Target, case: Case) -> Measurement:
    """Ā by the library's reverse mode."""
    g = cotangent(case)
    found = _reverse(target, case)
    exact = _calculus.derivative("pinv_vjp", case.recipe, case.dtype, g)
    return _measure(case, found, exact, _norm(case, g))


@check("P13", needs=("pinv", "jvp"), cases=_cases)
def forward_mode(target: Target, case: Case) -> Measurement:
    """DX by the library's forward mode."""
    da = direction(case)
    found = _forward(target, case)
    exact = _calculus.derivative("pinv_jvp", case.recipe, case.dtype, da)
    return _measure(case, found, exact, _norm(case, da))


@check("P13", needs=("pinv_vjp",), cases=_cases)
def closed_form_vjp(target: Target, case: Case) -> Measurement:
    """pinv_vjp(a, g)."""
    g = cotangent(case)
    result = target.closed_forms["pinv_vjp"](*_arrays(target, case, case.recipe, g))
    found = target.library.to_numpy(result)
    exact = _calculus.derivative("pinv_vjp", case.recipe, case.dtype, g)
    return _measure(case, found, exact, _norm(case, g))


@check("P13", needs=("pinv_jvp",), cases=_cases)
def closed_form_jvp(target: Target, case: Case) -> Measurement:
    """pinv_jvp(a, da)."""
    da = direction(case)
    result = target.closed_forms["pinv_jvp"](*_arrays(target, case, case.recipe, da))
    found = target.library.to_numpy(result)
    exact = _calculus.derivative("pinv_jvp", case.recipe, case.dtype, da)
    return _measure(case, found, exact, _norm(case, da))


@check("P13", needs=("pinv", "vjp", "jvp"), cases=_cases)
def forward_and_reverse_agree(target: Target, case: Case) -> Measurement:
    """⟨Ā, dA⟩ = ⟨G, dX⟩, whatever the truth is."""
    da, g = direction(case), cotangent(case)
    back, forth = _reverse(target, case), _forward(target, case)
    left = np.real(np.vdot(back, da.array(case.dtype)))
    right = np.real(np.vdot(g.array(case.dtype), forth))
    known = truth(case.recipe, case.dtype)
    size = (float(np.linalg.norm(known.x.value, 2)) or 1.0) ** 2 * _norm(case, da) * _norm(case, g)
    bound = 2 * _bounds.FIRST_ORDER * _bounds.unit(known.a.shape, case.dtype, known.kappa) * size
    what = "⟨Ā, dA⟩ − ⟨G, dX⟩"
    return Measurement(float(abs(left - right)), bound, known.kappa, known.rank, what)


def _second(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        if dtype == "float64" or (level == "full" and dtype == "complex128"):
            shape = _gallery.TALL if level == "quick" else None
            for recipe in recipes(dtype, "quick"):
                if shape in (None, recipe.shape):
                    yield Case(recipe, dtype)


@check("P13", needs=("pinv", "vjp", "second order"), cases=_second)
def second_order(target: Target, case: Case) -> Measurement:
    """Reverse over reverse against the exact derivative of Ā, in directions that keep the rank."""
    assert target.library.vjp is not None  # the check needs it
    da, g = direction(case), cotangent(case)
    a, tangent, weight = _arrays(target, case, case.recipe, da, g)
    gradient = lambda a: _gradient(target, a, weight)  # noqa: E731 — an argument, not a helper
    found = target.library.to_numpy(target.library.vjp(gradient, (a,), tangent)[0])
    known = truth(case.recipe, case.dtype)
    measurements = []
    for seed in (33, 34):
        along = _rank_keeping(known.a, case, seed)
        if not np.any(along):
            continue
        rational = (_exact.rational(v) for v in (g.array(case.dtype), along))
        moved = _calculus.pinv_vjp_jvp(*known.exact, *rational)
        exact = _exact.split(moved, embedded=known.embedded).value
        error = np.real(np.vdot(found, along)) - np.real(np.vdot(da.array(case.dtype), exact))
        size = float(np.linalg.norm(along)) * _norm(case, da) * _norm(case, g)
        size *= (float(np.linalg.norm(known.x.value, 2)) or 1.0) ** 3
        bound = _bounds.SECOND_ORDER * _bounds.unit(known.a.shape, case.dtype, known.kappa) * size
        value = float(abs(error)) if np.isfinite(error) else float("inf")
        what = "the second derivative against the exact one"
        measurements.append(Measurement(value, bound, known.kappa, known.rank, what))
    nan = float("inf") if not np.all(np.isfinite(found)) else 0.0
    return worst([*measurements, Measurement(nan, 1.0, known.kappa, known.rank, "a NaN in it")])


def _rank_keeping(a: Any, case: Case, seed: int) -> Any:
    """F·A + A·E for integer F and E: tangent to the matrices of the rank of A."""
    rows, columns = a.shape
    left = direction(case, (rows, rows), seed).array(case.dtype)
    right = direction(case, (columns, columns), seed + 10).array(case.dtype)
    return left @ a + a @ right


def _double(target: Target, level: str) -> Iterator[Case]:
    return _second(target, level)


@check("P13", needs=("pinv", "vjp"), cases=_double)
def against_differences(target: Target, case: Case) -> Measurement:
    """⟨Ā, dA⟩ beside Richardson-extrapolated differences of the target's own pinv.

    The curve (I + tF)·A·(I + tE) keeps the rank, so X is smooth on it. Three central differences,
    extrapolated twice, leave h⁶ and the rounding of X over h.
    """
    lib, pinv, g = target.library, target.pinv, cotangent(case)
    assert pinv is not None  # the check needs it
    a = case.recipe.array(case.dtype)
    rows, columns = a.shape
    left = direction(case, (rows, rows), 35).array(case.dtype) / 64
    right = direction(case, (columns, columns), 45).array(case.dtype) / 64
    weight = g.array(case.dtype)

    def loss(t: float) -> float:
        moved = (np.eye(rows) + t * left) @ a @ (np.eye(columns) + t * right)
        # Rounding made of a deficient matrix a full one of κ = 1e16; that is not the subject here.
        cut = {"rtol": 1e-11} if target.claims("rtol") else {}
        return float(np.real(np.vdot(weight, lib.to_numpy(pinv(lib.asarray(moved), **cut)))))

    h = 2.0**-7
    central = [(loss(h / 2**i) - loss(-h / 2**i)) / (2 * h / 2**i) for i in range(3)]
    once = [(4 * central[i + 1] - central[i]) / 3 for i in range(2)]
    expected = (16 * once[1] - once[0]) / 15
    found = float(np.real(np.vdot(_reverse(target, case), left @ a + a @ right)))
    known = truth(case.recipe, case.dtype)
    norm = float(np.linalg.norm(known.x.value, 2)) or 1.0
    size = float(np.linalg.norm(weight)) * norm * known.kappa
    what = "⟨Ā, dA⟩ beside extrapolated differences"
    return Measurement(abs(found - expected), 1e-7 * size, known.kappa, known.rank, what)
