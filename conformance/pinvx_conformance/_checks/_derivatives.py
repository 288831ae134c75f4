"""P13: reverse mode, forward mode, second order and the closed forms, against exact derivatives."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _calculus, _exact, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, worst
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target

TALL, SQUARE, WIDE = _gallery.SHAPES

# Nothing takes a library that compiles as long as derivatives do, shape by shape. Single precision
# differs from double in its rounding alone; the quick choice has all shapes, and both fields.
Shapes = Mapping[str, Mapping[str, tuple[tuple[int, int], ...]]]
FIRST: Shapes = {
    "quick": {"float64": (TALL, SQUARE), "complex128": (WIDE,)},
    "full": {
        "float64": (TALL, SQUARE, WIDE),
        "complex128": (WIDE, SQUARE, TALL),
        "float32": (WIDE,),
        "complex64": (TALL,),
    },
}
SECOND: Shapes = {
    "quick": {"float64": (TALL,)},
    "full": {"float64": (TALL, WIDE), "complex128": (WIDE,), "float32": (WIDE,)},
}


def recipes(dtype: str, level: str) -> Iterator[Recipe]:
    """Yield constant-rank matrices: full, deficient, and with repeated, zero and single σ."""
    field = "complex" if dtype.startswith("complex") else "real"
    shapes = FIRST[level].get(dtype, ())
    for shape in shapes:
        yield m.spectrum(*shape, kappa=10.0, field=field, seed=4)
        yield m.low_rank(*shape, 3, field=field)
    for shape in shapes[:1]:
        # Repeated singular values, the undoing of every gradient that goes through the SVD.
        yield m.spectrum(*shape, kappa=10.0, profile="repeated", field=field)
        yield m.diagonal((1.0,) * 5, *shape)
        yield m.diagonal((2.0, 2.0, 0.0, 0.0, 1.0), *shape)
        yield m.zeros(*shape)
        if level == "full":
            yield m.spectrum(*shape, kappa=1e3, field=field)
            yield m.low_rank(*shape, 1, field=field)
    if level == "full" and dtype == "float64":
        yield m.integers(1, 12)
        yield m.integers(12, 1)
        yield m.zeros(12, 1)


def large(dtype: str, level: str) -> Iterator[Recipe]:
    """Yield the like where the value comes from a fast algorithm, if there is one."""
    if level == "full" and dtype == "float64":
        yield m.integers(*_gallery.LARGE_TALL, seed=63)
        yield m.low_rank(*_gallery.LARGE_TALL, 19)


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        for recipe in (*recipes(dtype, level), *large(dtype, level)):
            yield Case(recipe, dtype)


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
        for recipe in recipes(dtype, level):
            if recipe.shape in SECOND[level].get(dtype, ()):
                yield Case(recipe, dtype)


def _rank_keeping_directions(case: Case) -> Iterator[Any]:
    known = truth(case.recipe, case.dtype)
    for seed in (33, 34):
        along = rank_keeping(known.a, case, seed)
        if np.any(along):
            yield along


def _second_size(case: Case, along: Any) -> float:
    """‖X‖³·‖G‖·‖dA‖ without the direction that is still to be contracted."""
    known = truth(case.recipe, case.dtype)
    norm = float(np.linalg.norm(known.x.value, 2)) or 1.0
    return norm**3 * float(np.linalg.norm(along)) * _norm(case, cotangent(case))


def _moved(case: Case, along: Any) -> Any:
    """The exact derivative of Ā in a direction, as a NumPy array."""
    known = truth(case.recipe, case.dtype)
    rational = (_exact.rational(v) for v in (cotangent(case).array(case.dtype), along))
    moved = _calculus.pinv_vjp_jvp(*known.exact, *rational)
    return _exact.split(moved, embedded=known.embedded).value


def _second_measure(case: Case, error: Any, size: float, what: str) -> Measurement:
    known = truth(case.recipe, case.dtype)
    bound = _bounds.SECOND_ORDER * _bounds.unit(known.a.shape, case.dtype, known.kappa) * size
    value = float(np.linalg.norm(error)) if np.all(np.isfinite(error)) else float("inf")
    return Measurement(value, bound, known.kappa, known.rank, f"{what} against the exact one")


@check("P13", needs=("pinv", "vjp", "second order"), cases=_second)
def second_order(target: Target, case: Case) -> Measurement:
    """Reverse over reverse against the exact derivative of Ā, in directions that keep the rank."""
    assert target.library.vjp is not None  # the check needs it
    da = direction(case)
    a, tangent, weight = _arrays(target, case, case.recipe, da, cotangent(case))
    gradient = lambda a: _gradient(target, a, weight)  # noqa: E731 — an argument, not a helper
    found = target.library.to_numpy(target.library.vjp(gradient, (a,), tangent)[0])
    rows = [_second_measure(case, 0.0 * found, 1.0, "a NaN in the second derivative")]
    for along in _rank_keeping_directions(case):
        exact = np.vdot(da.array(case.dtype), _moved(case, along))
        error = np.real(np.vdot(found, along)) - np.real(exact)
        size = _second_size(case, along) * _norm(case, da)
        rows.append(_second_measure(case, error, size, "the second derivative"))
    return worst(rows)


@check("P13", needs=("pinv", "vjp", "jvp", "second order"), cases=_second)
def forward_over_reverse(target: Target, case: Case) -> Measurement:
    """The forward derivative of Ā, entry by entry: a product with the Hessian."""
    assert target.library.jvp is not None  # the check needs it
    a, weight = _arrays(target, case, case.recipe, cotangent(case))
    rows = []
    for along in _rank_keeping_directions(case):
        tangent = target.library.asarray(along, case.dtype)
        gradient = lambda a: _gradient(target, a, weight)  # noqa: E731 — an argument
        found = target.library.to_numpy(target.library.jvp(gradient, (a,), (tangent,)))
        error = found - _moved(case, along)
        rows.append(_second_measure(case, error, _second_size(case, along), "dĀ"))
    return worst(rows) if rows else _second_measure(case, 0.0, 1.0, "dĀ")


@check("P13", needs=("pinv", "jvp", "second order"), cases=_second)
def forward_over_forward(target: Target, case: Case) -> Measurement:
    """The forward derivative of dX: ⟨G, d²X⟩ = ⟨dĀ, dA⟩, by differentiating ⟨G, dX⟩ = ⟨Ā, dA⟩."""
    jvp = target.library.jvp
    assert jvp is not None  # the check needs it
    da, g = direction(case), cotangent(case)
    a, first = _arrays(target, case, case.recipe, da)
    rows = []
    for along in _rank_keeping_directions(case):
        tangent = target.library.asarray(along, case.dtype)
        moves = lambda a: jvp(target.pinv, (a,), (first,))  # noqa: E731 — an argument
        found = target.library.to_numpy(jvp(moves, (a,), (tangent,)))
        exact = np.vdot(da.array(case.dtype), _moved(case, along))
        error = np.real(np.vdot(g.array(case.dtype), found)) - np.real(exact)
        size = _second_size(case, along) * _norm(case, da)
        rows.append(_second_measure(case, error, size, "d²X"))
    return worst(rows) if rows else _second_measure(case, 0.0, 1.0, "d²X")


def rank_keeping(a: Any, case: Case, seed: int) -> Any:
    """F·A + A·E for integer F and E: tangent to the matrices of the rank of A."""
    rows, columns = a.shape
    left = direction(case, (rows, rows), seed).array(case.dtype)
    right = direction(case, (columns, columns), seed + 10).array(case.dtype)
    return left @ a + a @ right


def _double(target: Target, level: str) -> Iterator[Case]:
    # Differences of single precision keep two digits of nothing.
    return (c for c in _second(target, level) if c.dtype in ("float64", "complex128"))


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
