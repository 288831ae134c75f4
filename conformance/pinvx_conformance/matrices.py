"""The gallery's recipes. Each function returns a `Recipe`; ``.array(dtype)`` gives the matrix.

Sizes and parameters are arguments, `seed` chooses among equals, and ``field="complex"`` asks for
complex entries where a recipe offers them.

Examples
--------
>>> from pinvx_conformance import matrices
>>> hilbert = matrices.hilbert(2, 2)
>>> hilbert
matrices.hilbert(2, 2)
>>> hilbert.array("float64")
array([[1.        , 0.5       ],
       [0.5       , 0.33333333]])
"""

# ruff: noqa: D401 — a recipe's docstring names the matrix
from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

import numpy as np

from pinvx_conformance._compositions import (
    adjoint,
    batch,
    block_diagonal,
    hadamard,
    image,
    kronecker,
    multiples,
    poisoned,
    scaled,
    tiled,
    weighted,
)
from pinvx_conformance._recipe import Entries, Stream, recipe

__all__ = [
    "adjoint",
    "batch",
    "block_diagonal",
    "diagonal",
    "graded",
    "growth",
    "hadamard",
    "hermitian",
    "hidden",
    "hilbert",
    "image",
    "integers",
    "jordan",
    "kahan",
    "kronecker",
    "lauchli",
    "low_rank",
    "multiples",
    "nearly_duplicated",
    "of_values",
    "one_column",
    "permutation",
    "poisoned",
    "scaled",
    "sparse",
    "spectrum",
    "stochastic",
    "tiled",
    "uneven_low_rank",
    "vandermonde",
    "weighted",
    "wilkinson",
    "zeros",
]


def _zeros(*shape: int) -> Any:
    out: Any = np.empty(shape, dtype=object)
    out[...] = 0
    return out


def _real(entries: Any) -> Entries:
    return entries, _zeros(*entries.shape)


def _random(stream: Stream, bound: int, field: str, *shape: int) -> Entries:
    real = stream.integers(-bound, bound, *shape)
    if field == "real":
        return _real(real)
    return real, stream.integers(-bound, bound, *shape)


def _product(a: Entries, b: Entries) -> Entries:
    """A·Bᴴ, exactly."""
    (ar, ai), (br, bi) = a, b
    return _dot(ar, br.T) + _dot(ai, bi.T), _dot(ai, br.T) - _dot(ar, bi.T)


def _dot(x: Any, y: Any) -> Any:
    """X·Y of small integers, which floats represent, and so do all sums of their products."""
    product = np.asarray(x, dtype="float64") @ np.asarray(y, dtype="float64")
    return product.astype("int64").astype(object)


class _Integral(NamedTuple):
    """Re and Im as integers over one denominator: products without a fraction to reduce."""

    re: Any
    im: Any
    denominator: int

    @property
    def adjoint(self) -> _Integral:
        return _Integral(self.re.T, -self.im.T, self.denominator)

    @property
    def entries(self) -> Entries:
        over = np.frompyfunc(lambda v: Fraction(v, self.denominator), 1, 1)
        return tuple(np.asarray(over(part), dtype=object) for part in self[:2])


def _integral(a: Entries) -> _Integral:
    common = lcm(*(Fraction(v).denominator for part in a for v in part.ravel()))
    whole = np.frompyfunc(lambda v: int(v * common), 1, 1)
    re, im = (np.asarray(whole(part), dtype=object) for part in a)
    return _Integral(re, im, common)


def _reflect(a: _Integral, stream: Stream, field: str) -> _Integral:
    """(I − 2vvᴴ/vᴴv)·A for a random integer v: exactly unitary, and rational."""
    re, im, denominator = a
    vr, vi = _random(stream, 9, field, re.shape[0])
    norm2 = int(np.sum(vr * vr + vi * vi)) if len(vr) else 0
    if norm2 == 0:
        return a
    if field == "real":  # of a real matrix: half of the products are zero
        return _Integral(norm2 * re - 2 * np.outer(vr, vr @ re), im, denominator * norm2)
    sr, si = vr @ re + vi @ im, vr @ im - vi @ re
    return _Integral(
        norm2 * re - 2 * (np.outer(vr, sr) - np.outer(vi, si)),
        norm2 * im - 2 * (np.outer(vr, si) + np.outer(vi, sr)),
        denominator * norm2,
    )


def _values(k: int, kappa: float, profile: str) -> list[Fraction]:
    """The K singular values of a profile, the largest 1 and the smallest 1/κ."""
    low = 1 / Fraction(kappa)
    if k <= 1:
        return [Fraction(1)] * k
    profiles = {
        "geometric": lambda i: Fraction(float(low) ** (i / (k - 1))),
        "arithmetic": lambda i: 1 - (1 - low) * Fraction(i, k - 1),
        "one_small": lambda i: low if i == k - 1 else Fraction(1),
        "one_large": lambda i: Fraction(1) if i == 0 else low,
        "clustered": lambda i: (
            (Fraction(1) if 2 * i < k else low) * (1 + Fraction(i if 2 * i < k else k - 1 - i, -64))
        ),
        "repeated": lambda i: Fraction(1) if 2 * i < k else low,
    }
    if profile not in profiles:
        raise ValueError(
            f"No profile named {profile!r}.\nHint: choose one of {', '.join(profiles)}."
        )
    return [profiles[profile](i) for i in range(k)]


def _embed(values: Any, m: int, n: int) -> Entries:
    d = _zeros(m, n)
    for i, v in enumerate(values):
        d[i, i] = Fraction(v)
    return _real(d)


@recipe
def spectrum(
    m: int,
    n: int,
    *,
    kappa: float = 10.0,
    profile: str = "geometric",
    field: str = "real",
    seed: int = 0,
) -> Entries:
    """U·diag(σ)·Vᴴ with σ₁ = 1 and σ_K = 1/κ; `profile`: geometric, arithmetic, one_small, …."""
    return _mix(_embed(_values(min(m, n), kappa, profile), m, n), field, seed)


@recipe
def of_values(
    m: int, n: int, values: tuple[float, ...], *, field: str = "real", seed: int = 0
) -> Entries:
    """U·diag(values)·Vᴴ: singular values exactly where you want them (before the last rounding)."""
    return _mix(_embed(values, m, n), field, seed)


def _mix(a: Entries, field: str, seed: int) -> Entries:
    stream, mixed = Stream(seed), _integral(a)
    for _ in range(2):
        mixed = _reflect(_reflect(mixed, stream, field).adjoint, stream, field).adjoint
    return mixed.entries


@recipe
def hermitian(values: tuple[float, ...], *, field: str = "real", seed: int = 0) -> Entries:
    """Q·diag(values)·Qᴴ: a Hermitian matrix with these eigenvalues (before the last rounding)."""
    mixed = _integral(_embed(values, len(values), len(values)))
    stream = Stream(seed)
    for _ in range(2):
        again = Stream(stream._state)
        mixed = _reflect(_reflect(mixed, stream, field).adjoint, again, field).adjoint
    return mixed.entries


@recipe
def diagonal(values: tuple[float, ...], m: int | None = None, n: int | None = None) -> Entries:
    """The values on the diagonal of an m×n matrix, zeros and signs allowed."""
    return _embed(values, m or len(values), n or len(values))


@recipe
def integers(m: int, n: int, *, bound: int = 9, field: str = "real", seed: int = 0) -> Entries:
    """Random integers in ±bound: exact in every floating dtype while bound is small."""
    return _random(Stream(seed), bound, field, m, n)


@recipe
def low_rank(
    m: int, n: int, r: int, *, bound: int = 4, field: str = "real", seed: int = 0
) -> Entries:
    """B·Cᴴ with integer factors of r columns: the deficiency is exact, no rounding blurs it."""
    stream = Stream(seed)
    b = _random(stream, bound, field, m, r)
    return _product(b, _random(stream, bound, field, n, r))


@recipe
def uneven_low_rank(
    m: int, n: int, r: int, *, octaves: int = 20, field: str = "real", seed: int = 0
) -> Entries:
    """`low_rank` with rows and columns multiplied by powers of two that span 2^octaves each.

    Powers of two keep the deficiency exact, and the entries differ by up to 2^(2·octaves).
    """
    stream = Stream(seed)
    b, c = _random(stream, 4, field, m, r), _random(stream, 4, field, n, r)
    re, im = _product(b, c)
    rows = [Fraction(1, 2 ** (octaves * (i * 7 % m) // m)) for i in range(m)]
    columns = [Fraction(1, 2 ** (octaves * (j * 5 % n) // n)) for j in range(n)]
    scale = np.outer(np.asarray(rows, dtype=object), np.asarray(columns, dtype=object))
    return re * scale, im * scale


@recipe
def hilbert(m: int, n: int) -> Entries:
    """1/(i+j+1)."""
    return _real(_table(m, n, lambda i, j: Fraction(1, i + j + 1)))


@recipe
def vandermonde(m: int, n: int) -> Entries:
    """Powers of m equispaced points in [−1, 1]."""
    points = [Fraction(2 * i, max(m - 1, 1)) - 1 for i in range(m)]
    return _real(_table(m, n, lambda i, j: points[i] ** j))


@recipe
def kahan(n: int, *, cosine: float = 0.25) -> Entries:
    """Kahan's triangle: the matrix that pivoted QR takes for better conditioned than it is."""
    c = Fraction(cosine)
    s = Fraction(float(1 - c * c) ** 0.5)
    return _real(_table(n, n, lambda i, j: s**i * (1 if i == j else -c if j > i else 0)))


@recipe
def lauchli(n: int, *, mu: float, rows: int | None = None) -> Entries:
    """A row of ones above μI: its Gram matrix loses μ² before any algorithm starts.

    More than n+1 rows are zero.
    """
    entry = lambda i, j: 1 if i == 0 else Fraction(mu) * (i == j + 1)  # noqa: E731
    return _real(_table(rows or n + 1, n, entry))


@recipe
def wilkinson(n: int) -> Entries:
    """Wilkinson's tridiagonal W⁺: eigenvalues in pairs that agree to many digits."""
    half = Fraction(n - 1, 2)
    return _real(_table(n, n, lambda i, j: abs(half - i) if i == j else int(abs(i - j) == 1)))


@recipe
def graded(
    m: int, n: int, *, by: str = "rows", decades: int = 12, field: str = "real", seed: int = 0
) -> Entries:
    """Random integers with rows (or columns) scaled by powers of two from 1 to 10^−decades."""
    re, im = _random(Stream(seed), 9, field, m, n)
    long = m if by == "rows" else n
    step = [Fraction(1, 2 ** (i * decades * 10 // (3 * max(long - 1, 1)))) for i in range(long)]
    scale = np.asarray(step, dtype=object)
    scale = scale[:, None] if by == "rows" else scale[None, :]
    return re * scale, im * scale


@recipe
def growth(m: int, n: int) -> Entries:
    """Wilkinson's example, whose pivots reach 2^(n−1): ones, and −1 below the diagonal.

    The ones are the diagonal and the last column; a wide one is the transpose of a tall one.
    """
    if m < n:
        return _real(_growth(n, m).T)
    return _real(_growth(m, n))


def _growth(m: int, n: int) -> Any:
    return _table(m, n, lambda i, j: 1 if i == j or j == n - 1 else -int(i > j))


@recipe
def nearly_duplicated(
    m: int,
    n: int,
    *,
    gap: float = 0.0,
    places: tuple[int, ...] = (-1, 0),
    field: str = "real",
    seed: int = 0,
) -> Entries:
    """Random integers, one column of which is the sum of others, but for `gap` times another.

    `places` names that column, and those that are summed: the last one and the first one.
    """
    stream = Stream(seed)
    re, im = _random(stream, 9, field, m, n)
    other_re, other_im = _random(stream, 9, field, m)
    target, *parts = places
    re[:, target] = np.sum(re[:, parts], axis=1) + Fraction(gap) * other_re
    im[:, target] = np.sum(im[:, parts], axis=1) + Fraction(gap) * other_im
    return re, im


@recipe
def one_column(
    m: int, n: int, *, exponent: int, column: int = 0, field: str = "real", seed: int = 0
) -> Entries:
    """Random integers with one column multiplied by 2^exponent: tiny or huge beside the others."""
    re, im = _random(Stream(seed), 9, field, m, n)
    for part in (re, im):
        part[:, column] = part[:, column] * Fraction(2) ** exponent
    return re, im


@recipe
def hidden(n: int, *, gap: float, direction: str = "random", seed: int = 0) -> Entries:
    """B − u·uᵀB(1 − gap)/uᵀu: integers B, and in the direction u next to nothing of them.

    u is the left singular vector of the smallest value, nearly. A condition estimate that asks a
    few vectors sees no more of A⁻¹ than they have of u: "random", "unit" (one entry), "pair" (the
    difference of two), "signs" (orthogonal to ones), "ones" (orthogonal to alternating signs) or
    "ramp" (orthogonal to both). Those are zero beyond a power of two of entries, so that no gap
    makes a matrix that is exactly singular.
    """
    stream = Stream(seed)
    b, u = stream.integers(-9, 9, n, n), stream.integers(-9, 9, n)
    i, j = (int(k) for k in stream.integers(0, n - 1, 2))
    long = 1 << (n.bit_length() - 1)
    if direction in ("unit", "pair"):
        u[:] = 0
        u[i] = 1
        u[j] -= int(direction == "pair" and i != j)
    elif direction == "signs":
        u[:] = [(-1) ** k * (k < long) for k in range(n)]
    elif direction == "ones":
        u[:] = [int(k < long) for k in range(n)]
    elif direction == "ramp":
        u[:] = [(1, 1, -1, -1)[k % 4] * (k < long) for k in range(n)]
    norm2 = int(u @ u) or 1
    part = np.outer(u, u @ b) * (1 - Fraction(gap)) / norm2
    return _real(b - part)


@recipe
def permutation(n: int, *, seed: int = 0) -> Entries:
    """A permutation matrix: its pseudoinverse is its transpose."""
    keys = Stream(seed).integers(0, 2**40, n)
    order = sorted(range(n), key=lambda i: keys[i])
    return _real(_table(n, n, lambda i, j: int(order[i] == j)))


@recipe
def jordan(n: int, *, value: float = 1.0) -> Entries:
    """One Jordan block."""
    return _real(_table(n, n, lambda i, j: Fraction(value) if i == j else int(j == i + 1)))


@recipe
def stochastic(n: int, *, seed: int = 0) -> Entries:
    """Non-negative rows that sum to 1 (before the last rounding)."""
    w = Stream(seed).integers(1, 16, n, n)
    return _real(_table(n, n, lambda i, j: Fraction(w[i, j], sum(w[i]))))


@recipe
def sparse(m: int, n: int, *, every: int = 4, field: str = "real", seed: int = 0) -> Entries:
    """Random integers, about one in `every` kept: zero rows and columns happen."""
    stream = Stream(seed)
    re, im = _random(stream, 9, field, m, n)
    keep = stream.integers(0, every - 1, m, n) == 0
    return re * keep, im * keep


@recipe
def zeros(m: int, n: int) -> Entries:
    """The zero matrix; either side may be 0."""
    return _real(_zeros(m, n))


def _table(m: int, n: int, entry: Any) -> Any:
    out = _zeros(m, n)
    for i in range(m):
        for j in range(n):
            out[i, j] = entry(i, j)
    return out
