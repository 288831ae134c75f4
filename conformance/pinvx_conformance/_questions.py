"""What the hunt asks: matrices that undo fast algorithms, their company, scales and infinities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pinvx_conformance import matrices as m
from pinvx_conformance._recipe import Recipe

Shape = tuple[int, int]

# Both sides of 16 and of 32 columns, all above 512 entries; tall, square and wide.
SHAPES: tuple[Shape, ...] = (
    (40, 16), (40, 17), (64, 9), (40, 33), (24, 24), (33, 33), (17, 40), (16, 40),
)  # fmt: skip
# Both sides of 128, 256 and 512 columns, where blocks and estimates change; these take seconds
# each, and so they are few.
LARGE: tuple[Shape, ...] = (
    (130, 130), (200, 130), (130, 200), (260, 260), (300, 40), (640, 160),
)  # fmt: skip
HUGE: tuple[Shape, ...] = ((520, 520), (700, 300), (300, 700), (1100, 600), (1100, 1100))
IN_LARGE, IN_HUGE = 16, 400  # one draw in so many
ENDS = {"float32": (-126, -100, -50, 50, 100, 123), "float64": (-1022, -990, -500, 500, 990, 1018)}
BESIDE = 3  # other matrices in a batch

exponents = st.lists(st.integers(-24, 0), min_size=1, max_size=5).map(tuple)
seeds = st.integers(0, 99)


@dataclass(frozen=True)
class Question:
    """A matrix, the cutoff (None for the default), right-hand sides, and what else is in the call.

    Attributes
    ----------
    a, rhs : Recipe
    rtol : float, optional
    scales : (int, int)
        A is multiplied by 2 to the first of them, and b by 2 to the second.
    beside : tuple of Recipe
        Other matrices of the batch. They stand before A, and each has the same right-hand sides.
    bad : (str, int, int), optional
        A value that is not finite, and where it stands: in A, or in the last column of b, if any.
    """

    a: Recipe
    rtol: float | None = None
    rhs: Recipe | None = None
    scales: tuple[int, int] = (0, 0)
    beside: tuple[Recipe, ...] = ()
    bad: tuple[str, int, int] | None = None

    def __str__(self) -> str:
        """Everything but zeros and None."""
        words = [f"a = {self.a!r}"]
        words += [] if self.rhs is None else [f"b = {self.rhs!r}"]
        for name in ("rtol", "bad"):
            value = getattr(self, name)
            words += [] if value is None else [f"{name} = {value!r}"]
        words += [f"scales = {self.scales}"] if any(self.scales) else []
        words += [f"beside = {self.beside}"] if self.beside else []
        return "\n    ".join(words)

    @property
    def options(self) -> dict[str, float]:
        """The cutoff as an option."""
        return {} if self.rtol is None else {"rtol": self.rtol}

    def arrays(self, dtype: str, *, subnormals: bool) -> tuple[Any, Any] | None:
        """Return A and b as they are passed; None where a power of two would round them."""
        a = _scaled(self.a.array(dtype), self.scales[0], subnormals)
        b = None if self.rhs is None else _scaled(self.rhs.array(dtype), self.scales[1], subnormals)
        if a is None or (b is None) != (self.rhs is None):
            return None
        if self.bad is not None:
            value, row, column = self.bad
            spoilt = a if b is None else b[:, -1:]
            spoilt[row % spoilt.shape[0], column % spoilt.shape[1]] = float(value)
        if self.beside:
            a = np.stack([*(one.array(dtype) for one in self.beside), a])
            b = b if b is None else np.stack([b] * len(a))
        return a, b


def _scaled(x: Any, exponent: int, subnormals: bool) -> Any:
    with np.errstate(all="ignore"):
        y = np.ldexp(x, exponent)
        size = np.abs(y[y != 0])
        exact = np.array_equal(np.ldexp(y, -exponent), x)
    small = subnormals or np.all(size >= np.finfo(x.dtype).tiny)
    return y if exact and small else None


@st.composite
def shapes(draw: Any) -> Shape:
    """Draw a shape, a large one now and then."""
    among = SHAPES
    if draw(st.integers(1, IN_HUGE)) == IN_HUGE:
        among = HUGE
    elif draw(st.integers(1, IN_LARGE)) == IN_LARGE:
        among = LARGE
    shape: Shape = draw(st.sampled_from(among))
    return shape


@st.composite
def bases(draw: Any) -> Recipe:
    """Draw a matrix of one of the families that undo fast algorithms."""
    rows, columns = shape = draw(shapes())
    gap = 2.0 ** -draw(st.integers(0, 48))
    number, ranks = draw(seeds), st.integers(1, min(shape))

    def alike(m_: int, n: int) -> Recipe:
        """One column is another one, or the sum of two or three, wherever they stand."""
        several = st.lists(st.integers(0, n - 1), min_size=2, max_size=4, unique=True)
        return m.nearly_duplicated(m_, n, gap=gap, places=tuple(draw(several)), seed=number)

    families: dict[str, Callable[[], Any]] = {
        "integers": lambda: m.integers(*shape, seed=number),
        "duplicated": lambda: alike(*shape),
        "duplicated rows": lambda: m.adjoint(alike(columns, rows)),
        "growth": lambda: m.growth(*shape),
        "column": lambda: m.one_column(*shape, exponent=draw(st.integers(-60, 60)), seed=number),
        "deficient": lambda: m.low_rank(rows, columns, draw(ranks), seed=number),
    }
    if shape not in HUGE:  # these take exact fractions
        directions = ("random", "unit", "pair", "signs", "ones", "ramp")
        families |= {
            "spectrum": lambda: m.spectrum(
                *shape,
                kappa=1 / gap,
                profile=draw(st.sampled_from(("geometric", "one_small", "one_large", "clustered"))),
                seed=number,
            ),
            "hidden": lambda: m.hidden(
                rows, gap=gap, direction=draw(st.sampled_from(directions)), seed=number
            ),
            "kahan": lambda: m.kahan(rows, cosine=draw(st.sampled_from((0.0625, 0.25, 0.5)))),
            "lauchli": lambda: m.lauchli(columns, mu=gap),
            "graded": lambda: m.graded(
                *shape,
                by=draw(st.sampled_from(("rows", "columns"))),
                decades=draw(st.integers(0, 20)),
                seed=number,
            ),
            "vandermonde": lambda: m.vandermonde(*shape),
        }
    family: Recipe = families[draw(st.sampled_from(sorted(families)))]()
    return family


@st.composite
def recipes(draw: Any) -> Recipe:
    """Draw one of them, its rows and columns weighted by powers of two."""
    base: Recipe = draw(bases())
    if draw(st.booleans()):
        base = m.weighted(base, draw(exponents), draw(exponents))
    return base


@st.composite
def questions(draw: Any, kind: str, dtype: str) -> Question:
    """Draw a matrix, a cutoff that is near some singular value or not, and what goes with them."""
    a: Recipe = draw(recipes())
    rtol = None
    if draw(st.integers(0, 3)) == 0:
        rtol = 2.0 ** -draw(st.integers(0, 20)) * draw(st.sampled_from((0.94, 1.0, 1.06)))
    found = Question(a, rtol, None if kind == "pinv" else draw(right_hand_sides(a)))
    if draw(st.integers(0, 3)) == 0:
        # To the ends of the exponents, where A⁺ is none any more; b with it, or anywhere.
        ends = ENDS[dtype]
        k = draw(st.sampled_from(ends))
        j = draw(st.one_of(st.just(k), st.sampled_from((*ends, 0)))) if kind == "lstsq" else 0
        found = replace(found, scales=(k, j))
    if draw(st.integers(0, 3)) == 0 and a.shape in SHAPES:
        found = replace(found, beside=tuple(draw(companions(a)) for _ in range(BESIDE)))
    if draw(st.integers(0, 7)) == 0:
        value = draw(st.sampled_from(("nan", "inf", "-inf")))
        found = replace(found, bad=(value, draw(st.integers(0, 39)), draw(st.integers(0, 39))))
    return found


@st.composite
def companions(draw: Any, a: Recipe) -> Recipe:
    """Draw another matrix for the batch: of another rank or scale, or not finite."""
    rows, columns = a.shape
    number = draw(seeds)
    kinds: dict[str, Callable[[], Any]] = {
        "integers": lambda: m.integers(rows, columns, seed=number),
        "deficient": lambda: m.low_rank(rows, columns, draw(st.integers(1, 5)), seed=number),
        "zeros": lambda: m.zeros(rows, columns),
        "far": lambda: m.scaled(m.integers(rows, columns, seed=number), draw(st.integers(-90, 90))),
        "bad": lambda: m.poisoned(
            m.integers(rows, columns, seed=number),
            draw(st.sampled_from(("nan", "inf", "-inf"))),
            draw(st.integers(0, rows - 1)),
            draw(st.integers(0, columns - 1)),
        ),
    }
    other: Recipe = kinds[draw(st.sampled_from(sorted(kinds)))]()
    return other


@st.composite
def right_hand_sides(draw: Any, a: Recipe) -> Recipe:
    """Draw b: anything, in the range of A, nearly in it, or with one large column among small."""
    rows, columns = a.shape
    anything = m.integers(rows, 2, seed=draw(seeds))
    kinds = {
        "anything": lambda: anything,
        # No residual hides the error of x: then the bound has no κ² in it.
        "consistent": lambda: m.image(a, m.integers(columns, 2, seed=draw(seeds))),
        "uneven": lambda: m.weighted(anything, (0,), (0, draw(st.integers(-60, 0)))),
        "weighted": lambda: m.weighted(anything, draw(exponents), (0,)),
        "one entry": lambda: m.diagonal((1.0,), rows, 2),
    }
    rhs: Recipe = kinds[draw(st.sampled_from(sorted(kinds)))]()
    return rhs
