"""P5, P6, P7 and P12: the Penrose equations, the forward error, the rank, and scale."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery, _penrose
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, expect, worst
from pinvx_conformance._oracle import Truth, truth
from pinvx_conformance._targets import Target


def _without_tiled(target: Target, level: str) -> Iterator[Case]:
    # A·X of a matrix with 10⁵ rows would have 10¹⁰ entries; P6 judges those.
    return (c for c in _gallery.everything(target, level) if c.recipe.name != "tiled")


def bound_of(case: Case, known: Truth) -> float:
    """The bound of P6 for one case."""
    return _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)


@check("P5", cases=_without_tiled)
def penrose_equations(target: Target, case: Case) -> Measurement:
    """All four, each over its natural scale, with the products computed exactly."""
    known = truth(case.recipe, case.dtype)
    x = _evaluate.pinv(target, case.recipe, case.dtype).x
    bound = _bounds.PENROSE * _bounds.unit(known.a.shape, case.dtype, known.kappa)
    residuals = _penrose.residuals(known.a, x)
    names = ("‖AXA − A‖/‖A‖", "‖XAX − X‖/‖X‖", "‖(AX)ᴴ − AX‖", "‖(XA)ᴴ − XA‖")
    scales = (1.0, 1.0, max(1.0, known.rank**0.5), max(1.0, known.rank**0.5))
    # What the cutoff drops is missing from A on purpose.
    slack = (known.tail, 0.0, 0.0, 0.0)
    rows = zip(names, residuals, scales, slack, strict=True)
    return worst(Measurement(r / s, bound + e, known.kappa, known.rank, n) for n, r, s, e in rows)


@check("P6", cases=_gallery.everything)
def forward_error(target: Target, case: Case) -> Measurement:
    """‖X − A⁺‖_F/‖A⁺‖_F against the exact pseudoinverse."""
    known = truth(case.recipe, case.dtype)
    error = known.error(_evaluate.pinv(target, case.recipe, case.dtype).x)
    what = "‖X − A⁺‖/‖A⁺‖ against the exact A⁺"
    return Measurement(error, bound_of(case, known), known.kappa, known.rank, what)


@check("P6", cases=_gallery.everything)
def beside_the_svd(target: Target, case: Case) -> Measurement:
    """At most 4 times the error of the SVD formula, or of half an ulp in the input."""
    known = truth(case.recipe, case.dtype)
    error = known.error(_evaluate.pinv(target, case.recipe, case.dtype).x)
    floor = _bounds.eps_of(case.dtype) * known.kappa
    reference = max(known.error(_evaluate.svd_formula(target, case.recipe, case.dtype)), floor)
    what = "‖X − A⁺‖/‖A⁺‖ beside the SVD formula of the same library"
    return Measurement(error, _bounds.BESIDE_SVD * reference, known.kappa, known.rank, what)


@check("P7", needs=("pinv", "return_rank"), cases=_gallery.everything)
def rank(target: Target, case: Case) -> Measurement | None:
    """The number of singular values above the cutoff, as an integer array of the batch shape."""
    known = truth(case.recipe, case.dtype)
    found = _evaluate.pinv(target, case.recipe, case.dtype).rank
    expect_rank(found, known.rank, known)
    return None


def expect_rank(found: Any, expected: int, known: Truth) -> None:
    """Raise unless `found` is the one integer expected, as an array without dimensions."""
    found = np.asarray(found)
    expect(found.dtype.kind in "iu", f"the rank has dtype {found.dtype}, not an integer one")
    expect(found.shape == (), f"the rank of one matrix has shape {found.shape}")
    expect(
        int(found) == expected,
        f"rank {int(found)}, but {expected} singular values count (κ = {known.kappa:.3g})",
    )


def _ends(dtype: str) -> tuple[int, int]:
    """Entries from 1 to 9: exact from 2^low on; above 2^high the answer is subnormal."""
    return (-1016, 950) if _gallery.is_double(dtype) else (-120, 90)


def _scaled(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        low, high = _ends(dtype)
        inner = (low // 2, high // 2) if level == "quick" else (low // 2, -10, 10, high // 2)
        bases = [m.integers(*s, field=field, seed=5) for s in _gallery.SHAPES]
        bases += [m.low_rank(*s, 3, field=field) for s in _gallery.SHAPES]
        for exponent in (low, *inner, high):
            for base in bases[:: 1 if level == "full" else 2]:
                yield Case(m.scaled(base, exponent), dtype)
    for case in _gallery.fast(target, level):
        for exponent in _ends(case.dtype):
            yield Case(m.scaled(case.recipe, exponent), case.dtype)


@check("P12", cases=_scaled)
def powers_of_two(target: Target, case: Case) -> Measurement:
    """A·2^k gives A⁺·2^−k to the accuracy of P6, nearly from one end of the range to the other."""
    known = truth(case.recipe, case.dtype)
    error = known.error(_evaluate.pinv(target, case.recipe, case.dtype).x)
    what = "‖X − A⁺‖/‖A⁺‖ of a scaled matrix"
    return Measurement(error, bound_of(case, known), known.kappa, known.rank, what)


def _subnormal(target: Target, level: str) -> Iterator[Case]:
    del level
    ends = {"float32": -127, "float64": -1023}
    for dtype, end in ends.items():
        if dtype in target.library.dtypes:
            yield Case(m.scaled(m.permutation(6), end), dtype)


@check("P12", needs=("pinv", "subnormals"), cases=_subnormal)
def subnormal_matrix(target: Target, case: Case) -> Measurement:
    """Every entry subnormal, every entry of the answer finite."""
    known = truth(case.recipe, case.dtype)
    error = known.error(_evaluate.pinv(target, case.recipe, case.dtype).x)
    return Measurement(error, bound_of(case, known), known.kappa, known.rank, "subnormal entries")


def _one_subnormal(target: Target, level: str) -> Iterator[Case]:
    del level
    for dtype, tiny in (("float32", 2.0**-140), ("float64", 2.0**-1060)):
        if dtype in target.library.dtypes:
            yield Case(m.diagonal((1.0, tiny, 0.5), *_gallery.TALL), dtype)


@check("P12", cases=_one_subnormal)
def subnormal_entry(target: Target, case: Case) -> Measurement:
    """A subnormal singular value beside a normal one is below the cutoff, and nothing overflows."""
    known = truth(case.recipe, case.dtype)
    error = known.error(_evaluate.pinv(target, case.recipe, case.dtype).x)
    return Measurement(error, bound_of(case, known), known.kappa, known.rank, "a subnormal entry")
