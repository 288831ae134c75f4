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

# Above 512 entries a library may choose faster algorithms, and ways to check them that change at
# 16 and 32 columns: one size on each side.
COLUMNS_16, COLUMNS_17, COLUMNS_33 = (40, 16), (40, 17), (40, 33)
SQUARE_24, SQUARE_33, ROWS_17 = (24, 24), (33, 33), (17, 40)

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


def degenerate(level: str, precision: str) -> Iterator[Recipe]:
    """Yield the smallest and emptiest; the quick choice has the sizes of their own in double."""
    yield m.zeros(*TALL)
    if level == "quick" and precision == "float32":
        return
    yield m.integers(1, 1, seed=1)
    yield m.zeros(1, 1)
    yield m.integers(2, 2)
    if level == "full":
        yield m.integers(1, 12)
        yield m.integers(12, 1)


def large(level: str, precision: str) -> Iterator[Recipe]:
    """Where a slip in blocking, or a cutoff that grows with p, shows itself."""
    if precision == "float32":
        yield m.tiled(m.integers(8, 3, seed=3), 2**14)
    elif level == "full":  # in the quick choice `adversarial` is large enough
        yield m.integers(60, 20, seed=1)


def adversarial(level: str, precision: str, field: str) -> Iterator[Recipe]:
    """Yield what a fast algorithm could take for harmless, at sizes where one pays."""
    single = precision == "float32"
    wide_gap, narrow_gap = (2.0**-8, 2.0**-8) if single else (1e-6, 1e-12)
    squares = 70 if single else 600  # 2^(2·squares) overflows
    if level == "quick" and field == "complex":
        return
    yield m.nearly_duplicated(*COLUMNS_17, gap=wide_gap, field=field)
    yield m.low_rank(*SQUARE_24, 23, field=field)  # singular, and elimination finds no zero pivot
    if field == "real":
        yield m.graded(*COLUMNS_17, by="rows", decades=3 if single else 20)
        yield m.growth(*SQUARE_24)
        yield m.scaled(m.integers(*COLUMNS_17, seed=62), squares)
    if level == "quick":
        return
    # Complex and single precision keep to fewer sizes: what compiles does so for each of them.
    yield m.nearly_duplicated(*SQUARE_24, gap=0.0, field=field)
    yield m.uneven_low_rank(*COLUMNS_17, 10, octaves=2 if single else 10, field=field)
    if field == "complex":
        return
    yield m.scaled(m.integers(*COLUMNS_17, seed=62), -squares)
    yield m.scaled(m.integers(*SQUARE_24, seed=62), squares)
    yield m.lauchli(33, mu=2.0 ** (-8 if single else -24), rows=40)
    yield m.kahan(24, cosine=0.25)
    for shape in (COLUMNS_33, ROWS_17) + (() if single else (COLUMNS_16, SQUARE_33)):
        yield m.growth(*shape)
        yield m.graded(*shape, by="rows", decades=2 if single else 8, seed=1)
        yield m.graded(*shape, by="columns", decades=2 if single else 8, seed=1)
        yield m.nearly_duplicated(*shape, gap=narrow_gap, seed=2)
        yield m.one_column(*shape, exponent=-9 if single else -30, column=3, seed=3)
        yield m.one_column(*shape, exponent=9 if single else 30, column=3, seed=3)
    if not single:
        yield m.low_rank(*COLUMNS_16, 15)
        yield m.low_rank(*SQUARE_33, 32)
        yield m.uneven_low_rank(*COLUMNS_33, 20, octaves=10)
        yield m.kahan(33, cosine=0.25)
        yield m.nearly_duplicated(*COLUMNS_17, gap=1e-10)
        yield m.graded(*SQUARE_33, by="rows", decades=11, seed=4)
        yield m.vandermonde(*COLUMNS_16)
        yield m.spectrum(*COLUMNS_17, kappa=1e7, seed=5)
        yield m.spectrum(*SQUARE_24, kappa=1e10, profile="one_small", seed=5)


@functools.cache
def recipes(level: str, dtype: str) -> tuple[Recipe, ...]:
    """Return the gallery of one dtype: every recipe has a published bound there."""
    precision = "float32" if dtype in ("float32", "complex64") else "float64"
    field = "complex" if dtype.startswith("complex") else "real"
    found = [*spectra(level, precision, field), *deficient(level, field)]
    found += adversarial(level, precision, field)
    if field == "real":
        found += [
            *structured(level, precision),
            *degenerate(level, precision),
            *large(level, precision),
        ]
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
