"""Which recipes the checks run on: the quick choice, and the full one."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target

# Few shapes, so that libraries that compile per shape do it few times.
TALL, SQUARE, WIDE = (12, 5), (6, 6), (5, 12)
SHAPES = (TALL, SQUARE, WIDE)
FIELDS = ("real", "complex")
PROFILES = ("arithmetic", "one_small", "one_large", "clustered", "repeated")

# The largest κ for which p·eps·κ is small enough that the bounds of `_bounds` hold.
KAPPAS = {"float32": (1.0, 10.0, 1e3, 1e4), "float64": (1.0, 10.0, 1e3, 1e5, 1e8, 1e12)}
QUICK_KAPPAS = {"float32": (10.0, 1e4), "float64": (10.0, 1e5, 1e12)}


def spectra(level: str, precision: str, field: str) -> Iterator[Recipe]:
    """Prescribed singular values: every κ geometric, and every profile at κ = 1000."""
    kappas = QUICK_KAPPAS if level == "quick" else KAPPAS
    for shape in SHAPES:
        for kappa in kappas[precision]:
            yield m.spectrum(*shape, kappa=kappa, field=field)
    shapes = (TALL,) if level == "quick" else SHAPES
    for shape in shapes:
        for profile in PROFILES:
            yield m.spectrum(*shape, kappa=1e3, profile=profile, field=field, seed=1)


def deficient(level: str, field: str) -> Iterator[Recipe]:
    """Exactly rank-deficient matrices."""
    for shape in SHAPES:
        yield m.low_rank(*shape, 3, field=field)
        if level == "full":
            yield m.low_rank(*shape, 1, field=field, seed=1)


def structured(level: str, precision: str) -> Iterator[Recipe]:
    """Yield the named matrices; the quick choice keeps to the three shapes."""
    yield m.vandermonde(*TALL)
    yield m.kahan(6)
    yield m.wilkinson(6)
    yield m.permutation(6)
    yield m.spectrum(6, 6, kappa=1.0, seed=2)  # orthogonal
    yield m.diagonal((4.0, 0.0, -2.0, 0.5, 0.0, 1.0))
    yield m.jordan(6)
    yield m.stochastic(6, seed=1)
    yield m.sparse(*TALL)
    yield m.graded(*TALL, by="rows", decades=3)
    yield m.graded(*WIDE, by="columns", decades=3)
    if level == "full":
        yield m.hilbert(4, 4)
        yield m.lauchli(5, mu=2.0**-10)
        yield m.wilkinson(7)
    if precision == "float64":
        yield m.hilbert(6, 6)
        yield m.lauchli(5, mu=2.0**-24)
        yield m.graded(*TALL, by="rows", decades=20)
        yield m.graded(*TALL, by="columns", decades=10)
        yield m.graded(*SQUARE, by="rows", decades=8)
        yield m.graded(*WIDE, by="rows", decades=8)
        if level == "full":
            yield m.hilbert(8, 6)
            yield m.hilbert(12, 8)
            yield m.kahan(12, cosine=0.5)


def degenerate(level: str) -> Iterator[Recipe]:
    """Yield the smallest and emptiest."""
    yield m.zeros(*TALL)
    yield m.integers(1, 1, seed=1)
    yield m.zeros(1, 1)
    yield m.integers(2, 2)
    if level == "full":
        yield m.integers(1, 12)
        yield m.integers(12, 1)


def large(precision: str) -> Iterator[Recipe]:
    """Where a slip in blocking, or a cutoff that grows with p, shows itself."""
    if precision == "float32":
        yield m.tiled(m.integers(8, 3, seed=3), 2**14)
    else:
        yield m.integers(60, 20, seed=1)


@functools.cache
def recipes(level: str, dtype: str) -> tuple[Recipe, ...]:
    """Return the gallery of one dtype: every recipe has a published bound there."""
    precision = "float32" if dtype in ("float32", "complex64") else "float64"
    field = "complex" if dtype.startswith("complex") else "real"
    found = [*spectra(level, precision, field), *deficient(level, field)]
    if field == "real":
        found += [*structured(level, precision), *degenerate(level), *large(precision)]
    else:
        found += [m.integers(6, 6, field=field)]
        found += [m.sparse(*TALL, field=field), m.graded(*TALL, decades=3, field=field)]
    return tuple(found)


def dtypes(target: Target, level: str) -> Iterator[str]:
    """Yield the dtypes of the target's library; in the quick choice P1 alone judges complex64."""
    for dtype in target.library.dtypes:
        if level == "full" or dtype != "complex64":
            yield dtype


def everything(target: Target, level: str) -> Iterator[Case]:
    """Yield the whole gallery of a level."""
    for dtype in dtypes(target, level):
        for recipe in recipes(level, dtype):
            yield Case(recipe, dtype)


def few(target: Target, level: str) -> Iterator[Case]:
    """Yield a dozen inputs for checks whose subject is not the matrix."""
    for dtype in dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in SHAPES if level == "full" else (TALL,):
            yield Case(m.spectrum(*shape, kappa=10.0, field=field, seed=4), dtype)
        yield Case(m.low_rank(*TALL, 3, field=field), dtype)
