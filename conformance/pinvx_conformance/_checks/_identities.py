"""P16: what A⁺ must satisfy whatever the entries are.

Each identity compares results of the target with each other, so every term may carry the error of
P6, amplified by what is multiplied onto it.
"""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from pinvx_conformance import _bounds, _evaluate, _exact, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check
from pinvx_conformance._oracle import truth
from pinvx_conformance._targets import Target

Pinv = Callable[[Any], Any]


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        if level == "quick" and dtype == "float32":
            continue
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in _gallery.SHAPES:
            yield Case(m.spectrum(*shape, kappa=4.0, field=field, seed=8), dtype)
        # A deficient A stays so to rounding in A⁺ and AᴴA: only a named cutoff keeps it so.
        if target.claims("rtol"):
            yield Case(m.low_rank(*_gallery.TALL, 3, field=field, seed=8), dtype)


def _pinv(target: Target, case: Case) -> Pinv:
    """The target's pinv on NumPy arrays of the case's dtype, with a cutoff amid the rounding."""
    cut = {"rtol": 2.0**-14 if _bounds.eps_of(case.dtype) > 1e-10 else 2.0**-30}
    options = cut if target.claims("rtol") else {}

    def call(a: Any) -> Any:
        given = target.library.asarray(np.asarray(a, dtype=case.dtype))
        return _evaluate.answer(target, given, **options).x

    return call


def _identity(case: Case, left: Any, right: Any, what: str, amplified: float = 1.0) -> Measurement:
    """Both sides differ by at most the errors of P6, at κ² because results are fed back."""
    known = truth(case.recipe, case.dtype)
    unit = _bounds.unit(left.shape, case.dtype, known.kappa**2)
    wide = np.result_type(left.dtype, np.float64)
    value = float(np.linalg.norm(left.astype(wide) - right.astype(wide)))
    value /= float(np.linalg.norm(right)) or 1.0
    value = value if np.isfinite(value) else float("inf")
    bound = 2 * _bounds.PINV * unit * amplified
    return Measurement(value, bound, known.kappa, known.rank, what)


def _adjoint(a: Any) -> Any:
    return np.conj(a.T)


@check("P16", cases=_cases)
def involution(target: Target, case: Case) -> Measurement:
    """(A⁺)⁺ = A."""
    pinv, a = _pinv(target, case), case.recipe.array(case.dtype)
    return _identity(case, pinv(pinv(a)), a, "(A⁺)⁺ − A")


@check("P16", cases=_cases)
def adjoint(target: Target, case: Case) -> Measurement:
    """(Aᴴ)⁺ = (A⁺)ᴴ."""
    pinv, a = _pinv(target, case), case.recipe.array(case.dtype)
    return _identity(case, pinv(_adjoint(a)), _adjoint(pinv(a)), "(Aᴴ)⁺ − (A⁺)ᴴ")


@check("P16", cases=_cases)
def scalar_factor(target: Target, case: Case) -> Measurement:
    """(cA)⁺ = A⁺/c, for negative and complex c too."""
    pinv, a = _pinv(target, case), case.recipe.array(case.dtype)
    c = -3.0 + 4.0j if a.dtype.kind == "c" else -3.0
    return _identity(case, pinv(np.asarray(c * a)), pinv(a) / c, "(cA)⁺ − A⁺/c")


@check("P16", cases=_cases)
def normal_equations(target: Target, case: Case) -> Measurement:
    """A⁺ = (AᴴA)⁺Aᴴ, the condition squared."""
    pinv, a = _pinv(target, case), case.recipe.array(case.dtype)
    known = truth(case.recipe, case.dtype)
    normal = pinv(_adjoint(a) @ a) @ _adjoint(a)
    return _identity(case, normal, pinv(a), "(AᴴA)⁺Aᴴ − A⁺", known.kappa)


@check("P16", cases=_cases)
def unitary_factors(target: Target, case: Case) -> Measurement:
    """(UAV)⁺ = VᴴA⁺Uᴴ for unitary U and V."""
    pinv, a = _pinv(target, case), case.recipe.array(case.dtype)
    field = "complex" if a.dtype.kind == "c" else "real"
    rows, columns = a.shape
    u = m.spectrum(rows, rows, kappa=1.0, field=field, seed=51).array(case.dtype)
    v = m.spectrum(columns, columns, kappa=1.0, field=field, seed=52).array(case.dtype)
    expected = _adjoint(v) @ pinv(a) @ _adjoint(u)
    return _identity(case, pinv(u @ a @ v), expected, "(UAV)⁺ − VᴴA⁺Uᴴ")


def _of_large_ones(target: Target, level: str) -> Iterator[Case]:
    """Yield the matrices that are parts of large ones in a shape that their dtype has."""
    for case in _cases(target, level):
        rows, columns = (_gallery.TIMES * n for n in case.recipe.shape)
        if (rows, columns) in _gallery.LARGE[level].get(case.dtype, ()):
            yield case


def _products(target: Target, level: str) -> Iterator[Case]:
    factor = m.integers(_gallery.TIMES, _gallery.TIMES, seed=53)
    yield Case(m.kronecker(m.integers(3, 3, seed=53), m.integers(2, 2, seed=53)))
    for case in _of_large_ones(target, level):
        yield replace(case, recipe=m.kronecker(case.recipe, factor))


@check("P16", cases=_products)
def kronecker_product(target: Target, case: Case) -> Measurement:
    """(A⊗B)⁺ = A⁺⊗B⁺."""
    pinv, together = _pinv(target, case), case.recipe.array(case.dtype)
    a, b = (one.array(case.dtype) for one in case.recipe.positional)
    # The one factor is judged by its own κ, and the other's comes on top.
    condition = float(np.linalg.cond(b))
    left, right = pinv(together), np.kron(pinv(a), pinv(b))
    return _identity(_of_first(case), left, right, "(A⊗B)⁺ − A⁺⊗B⁺", condition**2)


def _blocks(target: Target, level: str) -> Iterator[Case]:
    first, second = (m.integers(3, 3, seed=seed) for seed in (53, 54))
    yield Case(m.block_diagonal(first, second))
    for case in _of_large_ones(target, level):
        field = "complex" if case.dtype.startswith("complex") else "real"
        seeds = range(55, 54 + _gallery.TIMES)
        others = (m.integers(*case.recipe.shape, field=field, seed=seed) for seed in seeds)
        yield replace(case, recipe=m.block_diagonal(case.recipe, *others))


@check("P16", cases=_blocks)
def block_diagonal(target: Target, case: Case) -> Measurement:
    """Diag(A, B, …)⁺ = diag(A⁺, B⁺, …)."""
    pinv, together = _pinv(target, case), case.recipe.array(case.dtype)
    values = np.linalg.svd(together, compute_uv=False)
    condition = float(values[0] / np.min(values[values > 1e-4 * values[0]]))
    apart = np.zeros(together.shape[::-1], dtype=together.dtype)
    i = j = 0
    for one in case.recipe.positional:
        block = pinv(one.array(case.dtype))
        apart[i : i + block.shape[0], j : j + block.shape[1]] = block
        i, j = i + block.shape[0], j + block.shape[1]
    what = "diag(A, B, …)⁺ − diag(A⁺, B⁺, …)"
    return _identity(_of_first(case), pinv(together), apart, what, condition**2)


def _of_first(case: Case) -> Case:
    """Return the case of the first matrix that a larger one is made of."""
    return replace(case, recipe=case.recipe.positional[0])


@check("P16", cases=_cases)
def tikhonov_limit(target: Target, case: Case) -> Measurement:
    """A⁺ is the limit of (AᴴA + λI)⁻¹Aᴴ, evaluated exactly: the distance is at most λ‖A⁺‖³."""
    known, pinv = truth(case.recipe, case.dtype), _pinv(target, case)
    a, _ = known.exact
    columns = a.ncols()
    regular = fmpq(1, 2**70)
    shift = [regular if i == j else fmpq(0) for i in range(columns) for j in range(columns)]
    at = a.transpose()
    near = (at * a + fmpq_mat(columns, columns, shift)).solve(at)
    limit = _exact.split(near, embedded=known.embedded).value
    distance = float(Fraction(1, 2**70)) * float(np.linalg.norm(known.x.value, 2)) ** 2
    one = _identity(case, pinv(known.a), limit, "A⁺ − (AᴴA + λI)⁻¹Aᴴ")
    return Measurement(one.value, one.bound + distance, one.kappa, one.rank, one.what)


def _zeros(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        yield from (Case(m.zeros(*shape), dtype) for shape in _gallery.SHAPES)


@check("P16", cases=_zeros)
def zero_matrix(target: Target, case: Case) -> Measurement:
    """0⁺ = 0ᵀ, without a rounding."""
    x = _evaluate.pinv(target, case.recipe, case.dtype).x
    worst_entry = float(np.max(np.abs(np.nan_to_num(x, nan=np.inf))))
    return Measurement(worst_entry, 0.0, what="entries of 0⁺")


def _outer(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in _gallery.SHAPES:
            yield Case(m.low_rank(*shape, 1, field=field, seed=54), dtype)


@check("P16", cases=_outer)
def rank_one(target: Target, case: Case) -> Measurement:
    """Rank one: A⁺ = Aᴴ/‖A‖_F²."""
    a = case.recipe.array(case.dtype)
    x = _evaluate.pinv(target, case.recipe, case.dtype).x
    expected = _adjoint(a) / np.sum(np.abs(a.astype(np.complex128)) ** 2)
    return _identity(case, x, expected, "A⁺ − Aᴴ/‖A‖²")
