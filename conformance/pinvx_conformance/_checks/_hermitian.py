"""P8: hermitian=True."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect, worst
from pinvx_conformance._oracle import truth_of
from pinvx_conformance._targets import Target

INDEFINITE = (4.0, -2.0, 1.0, 0.5, -0.25, 0.125)
DEFICIENT = (4.0, -2.0, 0.0, 0.0, -0.25, 0.5)


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for values in (INDEFINITE, DEFICIENT):
            yield Case(m.hermitian(values, field=field), dtype)
        yield Case(m.diagonal(DEFICIENT), dtype)
        if level == "full":
            yield Case(m.zeros(6, 6), dtype)
            yield Case(m.hermitian((1.0,) * 6, field=field), dtype)
            yield Case(m.hermitian((1.0, -1.0, 1e-3, -1e-3, 1.0, 1.0), field=field), dtype)
            if dtype == "float64":
                yield Case(m.hermitian(DEFICIENT * _gallery.TIMES, field=field), dtype)


@check("P8", needs=("pinv", "hermitian"), cases=_cases)
def accuracy(target: Target, case: Case) -> Measurement:
    """The accuracy of P6, for indefinite and rank-deficient matrices."""
    x = _evaluate.pinv(target, case.recipe, case.dtype, hermitian=True).x
    return _measured(case, x, "‖X − A⁺‖/‖A⁺‖")


def _measured(case: Case, x: Any, what: str) -> Measurement:
    lower = np.tril(case.recipe.array(case.dtype))
    full = lower + np.conj(np.tril(lower, -1).T)
    known = truth_of(full, _bounds.eps_of(case.dtype))
    bound = _bounds.PINV * _bounds.unit(full.shape, case.dtype, known.kappa)
    return Measurement(known.error(x), bound, known.kappa, known.rank, what)


@check("P8", needs=("pinv", "hermitian"), cases=_cases)
def exactly_hermitian(target: Target, case: Case) -> None:
    """The result equals its conjugate transpose bit for bit."""
    x = _evaluate.pinv(target, case.recipe, case.dtype, hermitian=True).x
    off = float(np.max(np.abs(x - np.conj(x.T))))
    expect(off == 0, f"X and Xᴴ differ by up to {off:.3g}")


@check("P8", needs=("pinv", "hermitian"), cases=_cases)
def lower_triangle_only(target: Target, case: Case) -> Measurement:
    """Whatever stands above the diagonal, NaN included, does not matter."""
    a = case.recipe.array(case.dtype)
    measurements = []
    for junk in (float("nan"), 1e3):
        spoiled = np.where(np.triu(np.ones(a.shape, dtype=bool), 1), junk, a).astype(a.dtype)
        given = target.library.asarray(spoiled)
        x = _evaluate.answer(target, given, hermitian=True).x
        measurements.append(_measured(case, x, f"‖X − A⁺‖/‖A⁺‖ with {junk} above the diagonal"))
    return worst(measurements)
