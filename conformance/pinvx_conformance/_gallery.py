"""Which recipes the checks run on: the quick choice, and the full one."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target

# Few shapes: libraries that compile do so for each of them, in each dtype, and a program that is
# there already costs nothing.
TALL, SQUARE, WIDE = (12, 5), (6, 6), (5, 12)
SHAPES = (TALL, SQUARE, WIDE)
FIELDS = ("real", "complex")
PROFILES = ("arithmetic", "one_small", "one_large", "clustered", "repeated")

# Above 512 entries a library may choose faster algorithms. These are built from the small ones by
# P16's identities, which so judge the faster algorithms without a shape of their own.
TIMES = 4
LARGE_TALL, LARGE_SQUARE, LARGE_WIDE = ((TIMES * m, TIMES * n) for m, n in SHAPES)
# Beyond the 25 and the 32 columns at which LAPACK changes its ways.
COLUMNS_33, SQUARE_33 = (40, 33), (33, 33)

# Which large shapes a dtype has: every shape is judged, every dtype is, and not each in each.
LARGE = {
    "quick": {
        "float64": (LARGE_TALL, LARGE_SQUARE),
        "float32": (LARGE_SQUARE,),
        "complex128": (LARGE_WIDE,),
    },
    "full": {
        "float64": (LARGE_TALL, LARGE_SQUARE, LARGE_WIDE, COLUMNS_33, SQUARE_33),
        "float32": (LARGE_SQUARE, LARGE_WIDE, COLUMNS_33),
        "complex128": (LARGE_WIDE, LARGE_SQUARE, LARGE_TALL),
        "complex64": (LARGE_TALL,),
    },
}

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
    """Yield the named matrices, in the three shapes."""
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
        yield m.hilbert(*TALL)
        yield m.hilbert(*WIDE)
        yield m.lauchli(5, mu=2.0**-10, rows=12)
    if precision == "float64":
        yield m.hilbert(6, 6)
        yield m.lauchli(5, mu=2.0**-24, rows=12)
        yield m.graded(*TALL, by="rows", decades=20)
        yield m.graded(*TALL, by="columns", decades=10)
        yield m.graded(*SQUARE, by="rows", decades=8)
        yield m.graded(*WIDE, by="rows", decades=8)


def degenerate(level: str, precision: str) -> Iterator[Recipe]:
    """Yield the smallest and emptiest; those with sizes of their own are in double."""
    yield m.zeros(*TALL)
    if precision == "float32":
        return
    yield m.integers(1, 1, seed=1)
    yield m.zeros(1, 1)
    yield m.integers(2, 2)
    if level == "full":
        yield m.integers(1, 12)
        yield m.integers(12, 1)


def long(precision: str) -> Iterator[Recipe]:
    """Where a cutoff that grows with p shows itself: very many rows."""
    if precision == "float32":
        yield m.tiled(m.integers(8, 3, seed=3), 2**14)


def adversarial(level: str, dtype: str) -> Iterator[Recipe]:
    """Yield what a fast algorithm could take for harmless, at sizes where one pays."""
    for shape in LARGE[level].get(dtype, ()):
        yield from _harmful(shape, dtype)
        if level == "full":
            yield from _more_harmful(shape, dtype)


def _duplicated(shape: tuple[int, int], gap: float, field: str, seed: int = 0) -> Recipe:
    """Two columns, or of a wide matrix two rows, that nearly agree."""
    rows, columns = shape
    if rows >= columns:
        return m.nearly_duplicated(rows, columns, gap=gap, field=field, seed=seed)
    return m.adjoint(m.nearly_duplicated(columns, rows, gap=gap, field=field, seed=seed))


def _harmful(shape: tuple[int, int], dtype: str) -> Iterator[Recipe]:
    single = dtype in ("float32", "complex64")
    field = "complex" if dtype.startswith("complex") else "real"
    yield _duplicated(shape, 2.0**-8 if single else 1e-6, field)
    yield m.low_rank(*shape, min(shape) - 1, field=field)  # elimination finds no zero pivot
    if field == "real" and shape == LARGE_SQUARE:
        yield m.hidden(24, gap=0.0, direction="signs")
    if field == "real":
        decades = 3 if single else 20 if shape == LARGE_TALL else 8
        yield m.graded(*shape, by="rows", decades=decades)
        yield m.growth(*shape)
        yield m.scaled(m.integers(*shape, seed=62), 70 if single else 600)  # the square overflows


def _more_harmful(shape: tuple[int, int], dtype: str) -> Iterator[Recipe]:
    single = dtype in ("float32", "complex64")
    field = "complex" if dtype.startswith("complex") else "real"
    yield m.uneven_low_rank(*shape, min(shape) // 2, octaves=2 if single else 10, field=field)
    yield _duplicated(shape, 0.0, field, seed=1)
    if field == "complex":
        return
    yield m.graded(*shape, by="columns", decades=2 if single else 8, seed=1)
    yield _duplicated(shape, 2.0**-8 if single else 1e-12, field, seed=2)
    yield m.one_column(*shape, exponent=-9 if single else -30, column=3, seed=3)
    yield m.one_column(*shape, exponent=9 if single else 30, column=3, seed=3)
    if shape == LARGE_TALL:
        yield m.scaled(m.integers(*shape, seed=62), -600)
        yield m.graded(*shape, by="rows", decades=8)
        yield m.vandermonde(*shape)
        yield m.spectrum(*shape, kappa=1e7, seed=5)
    if shape == LARGE_SQUARE:
        yield m.kahan(24, cosine=0.25)
        for direction in ("unit", "pair", "signs", "ones"):
            gap = 2.0**-10 if single else 2.0**-36
            yield m.hidden(24, gap=gap, direction=direction)
        if not single:
            yield m.spectrum(*shape, kappa=1e10, profile="one_small", seed=5)
    if shape == COLUMNS_33:
        yield m.lauchli(33, mu=2.0 ** (-8 if single else -24), rows=40)
    if shape == SQUARE_33:
        yield m.wilkinson(33)
        yield m.kahan(33, cosine=0.25)
        yield m.graded(*shape, by="rows", decades=11, seed=4)


@functools.cache
def recipes(level: str, dtype: str) -> tuple[Recipe, ...]:
    """Return the gallery of one dtype: every recipe has a published bound there."""
    precision = "float32" if dtype in ("float32", "complex64") else "float64"
    field = "complex" if dtype.startswith("complex") else "real"
    found = [*spectra(level, precision, field), *deficient(level, field)]
    found += adversarial(level, dtype)
    if field == "real":
        found += [
            *structured(level, precision),
            *degenerate(level, precision),
            *long(precision),
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
        for shape in SHAPES if level == "full" and is_double(dtype) else (TALL,):
            yield Case(m.spectrum(*shape, kappa=10.0, field=field, seed=4), dtype)
        yield Case(m.low_rank(*TALL, 3, field=field), dtype)


def fast(target: Target, level: str) -> Iterator[Case]:
    """Yield a matrix of each large shape that is good enough for a faster algorithm."""
    for dtype in dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        for shape in LARGE[level].get(dtype, ()):
            yield Case(m.integers(*shape, field=field, seed=63), dtype)


def is_double(dtype: str) -> bool:
    """Tell single from double precision: they differ in rounding, so single has fewer shapes."""
    return dtype in ("float64", "complex128")
