"""``python -m pinvx_conformance.hunt``: look for a matrix that a fast algorithm accepts wrongly.

A function that chooses among algorithms is only as good as its certificate. Hypothesis draws
matrices of more than 512 entries that fast algorithms have trouble with, for least squares
right-hand sides as well, and climbs towards the largest error in units of P6's (or P9's) bound; a
wrong rank is an infinite one.
In single precision, and for large matrices, the reference is the decomposition in double, which in
single is right to 1e-6 of the bound and leaves time for many matrices; the others in double have
the exact oracle, which also judges the worst of each search in single.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis import target as climb

from pinvx_conformance import _bounds, _exact
from pinvx_conformance import matrices as m
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target
from pinvx_conformance._targets import target as target_of

Shape = tuple[int, int]

# Both sides of 16 and of 32 columns, all above 512 entries; tall, square and wide.
SHAPES: tuple[Shape, ...] = (
    (40, 16), (40, 17), (64, 9), (40, 33), (24, 24), (33, 33), (17, 40), (16, 40),
)  # fmt: skip
# Both sides of 128, 256 and 512 columns, where blocks and estimates change; these take seconds
# each, and so they are few.
LARGE: tuple[Shape, ...] = ((130, 130), (200, 130), (130, 200), (260, 260), (300, 40))
HUGE: tuple[Shape, ...] = ((520, 520), (700, 300), (300, 700), (1100, 600), (1100, 1100))
IN_LARGE, IN_HUGE = 16, 400  # one draw in so many
EXACT_COLUMNS = 64  # more are too many for the oracle
DTYPES = ("float32", "float64")
KINDS = ("pinv", "lstsq")
ROUND = 60  # examples of one search; then another one starts elsewhere

exponents = st.lists(st.integers(-24, 0), min_size=1, max_size=5).map(tuple)
seeds = st.integers(0, 99)


@dataclass(frozen=True)
class Question:
    """A matrix, the cutoff (None for the default), and right-hand sides."""

    a: Recipe
    rtol: float | None = None
    rhs: Recipe | None = None

    def __str__(self) -> str:
        cut = "" if self.rtol is None else f", rtol={self.rtol!r}"
        rhs = "" if self.rhs is None else f"\n    b = {self.rhs!r}"
        return f"{self.a!r}{cut}{rhs}"

    @property
    def options(self) -> dict[str, float]:
        """The cutoff as an option."""
        return {} if self.rtol is None else {"rtol": self.rtol}


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
    families: dict[str, Callable[[], Any]] = {
        "integers": lambda: m.integers(*shape, seed=number),
        "duplicated": lambda: m.nearly_duplicated(*shape, gap=gap, seed=number),
        "duplicated rows": lambda: m.adjoint(
            m.nearly_duplicated(columns, rows, gap=gap, seed=number)
        ),
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
    if draw(st.integers(0, 7)) == 0:  # squares that over- or underflow
        base = m.scaled(base, draw(st.sampled_from((-70, 70, 60, -60))))
    return base


@st.composite
def questions(draw: Any, kind: str) -> Question:
    """Draw a matrix, a cutoff that is near some singular value or not, and right-hand sides."""
    a: Recipe = draw(recipes())
    rtol = None
    if draw(st.integers(0, 3)) == 0:
        rtol = 2.0 ** -draw(st.integers(0, 20)) * draw(st.sampled_from((0.94, 1.0, 1.06)))
    if kind == "pinv":
        return Question(a, rtol)
    return Question(a, rtol, draw(right_hand_sides(a)))


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


@dataclass(frozen=True)
class Found:
    """The worst that a search came upon."""

    kind: str
    dtype: str
    examples: int = 0
    fast: int = 0
    ratio: float = 0.0
    question: Question | None = None

    def __str__(self) -> str:
        """One line, and the recipe."""
        line = f"{self.kind:6}{self.dtype:9}{self.examples:6} matrices, {self.fast} of them "
        line += f"with other bits than the decomposition; worst {self.ratio:.3g} of the bound"
        return f"{line}\n    {self.question}"


@dataclass(frozen=True)
class Reference:
    """A⁺ and what its bound is made of, exact or from a decomposition."""

    x: Any
    rank: int
    kappa: float


def reference(question: Question, dtype: str) -> Reference | None:
    """Return what A⁺ is, or None where rounding may decide the rank or the bound is none."""
    a = question.a.array(dtype).astype("float64")
    rough = _decomposed(a, dtype, question.rtol)
    if rough is None or dtype != "float64" or min(a.shape) > EXACT_COLUMNS:
        return rough
    # Where the cutoff drops what is not zero, the oracle takes minutes: single precision has those.
    if _exact.pinv_of(a)[2] != rough.rank:
        return None
    known = truth(question.a, dtype, question.rtol)
    small = max(known.a.shape) * _bounds.eps_of(dtype) * known.kappa <= 1 / 9
    return Reference(known, known.rank, known.kappa) if small and not known.ambiguous else None


def _decomposed(a: Any, dtype: str, rtol: float | None) -> Reference | None:
    if not np.all(np.isfinite(a)):
        return None
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    fuzz = max(a.shape) * _bounds.eps_of(dtype) * s[0]
    rounding = max(a.shape) * np.finfo("float64").eps * s[0]
    zeros = min(4 * rounding, 0.1 * fuzz)
    cutoff = fuzz if rtol is None else rtol * s[0]
    # With the default cutoff, the fuzz itself, what is zero is below, what is above twice that is
    # above; another one leaves the fuzz undecided on both sides.
    if np.any((s > zeros) & (np.abs(s - cutoff) <= 1.1 * fuzz)) or cutoff < 0.9 * fuzz:
        return None
    rank = int(np.sum(s > cutoff))
    dropped = s[rank] if rank < len(s) and s[rank] > zeros else 0.0
    kappa = float(s[0] / (s[rank - 1] - dropped)) if rank else 1.0
    if max(a.shape) * _bounds.eps_of(dtype) * kappa > 1 / 9:
        return None
    x = (vh[:rank].T / s[:rank]) @ u[:, :rank].T
    return Reference(x, rank, kappa)


def ratio(judged: Target, kind: str, question: Question, dtype: str) -> tuple[float, bool] | None:
    """Return the error in units of the bound, and whether the decomposition gives other bits."""
    known = reference(question, dtype)
    if known is None:
        return None
    a = question.a.array(dtype)
    given = judged.library.asarray(a, dtype)
    unit = _bounds.unit(a.shape, dtype, known.kappa)
    if kind == "pinv":
        x, rank, plain = _pinv(judged, given, question)
        if isinstance(known.x, np.ndarray):
            error = _relative(x - known.x, known.x)
        else:
            error = known.x.error(x)
        bound = _bounds.PINV * unit
    else:
        x, rank, plain = _lstsq(judged, given, question, dtype)
        bound = _bounds.LSTSQ * _bounds.unit(a.shape, dtype, 1.0)
        error = _lstsq_error(known, question, dtype, x)
    wrong = rank is not None and rank != known.rank
    fast = plain is not None and x.tobytes() != plain.tobytes()
    value = error / bound
    return (np.inf if wrong or np.isnan(value) else value), fast


def _relative(difference: Any, exact: Any) -> float:
    value = float(np.linalg.norm(difference)) / (float(np.linalg.norm(exact)) or 1.0)
    return value if np.isfinite(value) else np.inf


def _pinv(judged: Target, given: Any, question: Question) -> tuple[Any, int | None, Any]:
    pinv, back, rank = judged.pinv, judged.library.to_numpy, None
    assert pinv is not None  # the caller has looked
    if judged.claims("return_rank"):
        x, found = pinv(given, return_rank=True, **question.options)
        rank = int(np.asarray(back(found)))
    else:
        x = pinv(given, **question.options)
    plain = None
    if judged.claims("method"):
        plain = back(pinv(given, method="svd", **question.options))
    return back(x), rank, plain


def _lstsq(
    judged: Target, given: Any, question: Question, dtype: str
) -> tuple[Any, int | None, Any]:
    lstsq, back, rhs = judged.lstsq, judged.library.to_numpy, question.rhs
    assert lstsq is not None  # the caller has looked
    assert rhs is not None  # questions about least squares have one
    b = judged.library.asarray(rhs.array(dtype), dtype)
    solved = lstsq(given, b, **question.options)
    plain = None
    if judged.claims("method"):
        plain = back(lstsq(given, b, method="svd", **question.options).x)
    return back(solved.x), int(np.asarray(back(solved.rank))), plain


def _lstsq_error(known: Reference, question: Question, dtype: str, x: Any) -> float:
    assert question.rhs is not None  # questions about least squares have one
    if not isinstance(known.x, np.ndarray):
        return solution(question.a, dtype, question.rhs, question.rtol).error(x)
    norm = np.linalg.norm
    a, b = (r.array(dtype).astype("float64") for r in (question.a, question.rhs))
    exact = known.x @ b
    scale = float(norm(known.x, 2)) if known.rank else 0.0
    size = known.kappa * (2 * norm(exact) + scale * norm(b - a @ exact)) + scale * norm(b)
    value = float(norm(x - exact)) / (float(size) or 1.0)
    return value if np.isfinite(value) else np.inf


class _Enough(Exception):  # noqa: N818 — no error: the search is over
    """Leave a search in the middle of it: drawing more would take its time, too."""


def hunt(
    judged: Target,
    kind: str,
    dtype: str,
    seconds: float,
    first_seed: int = 0,
    until: float = np.inf,
) -> Found:
    """Search for so many seconds, or until a ratio is exceeded, and return the worst matrix."""
    end = time.monotonic() + seconds
    state = {"found": Found(kind, dtype)}
    option = {"pinv": "rtol", "lstsq": "lstsq rtol"}[kind]

    def search(number: int) -> None:
        @seed(number)
        @settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.target),
            suppress_health_check=list(HealthCheck),
        )
        @given(questions(kind))
        def one(question: Question) -> None:
            if time.monotonic() > end or state["found"].ratio > until:
                raise _Enough
            if not judged.claims(option):
                question = replace(question, rtol=None)
            try:
                with np.errstate(all="ignore"):
                    measured = ratio(judged, kind, question, dtype)
            except Exception:  # an answer that does not come is wrong by any bound
                measured = np.inf, False
            assume(measured is not None)
            assert measured is not None  # for the type checker
            value, fast = measured
            found = state["found"]
            found = replace(found, examples=found.examples + 1, fast=found.fast + fast)
            if value > found.ratio:
                found = replace(found, ratio=value, question=question)
            state["found"] = found
            climb(float(np.log2(min(max(value, 2.0**-60), 2.0**60))))

        with contextlib.suppress(_Enough):
            one()

    while time.monotonic() < end and state["found"].ratio <= until:
        search(first_seed)
        first_seed += 1
    return _judged_again(judged, state["found"])


def _judged_again(judged: Target, found: Found) -> Found:
    """Replace the ratio of a search in single precision by the one of the exact oracle."""
    question, dtype = found.question, found.dtype
    if question is None or dtype == "float64" or not np.isfinite(found.ratio):
        return found
    a = question.a.array(dtype)
    full = min(a.shape) <= EXACT_COLUMNS and _exact.pinv_of(a)[2] == min(a.shape)
    if not full or (question.rtol is not None and _drops(a, question.rtol)):
        return found  # singular to rounding: the decomposition in double is the better oracle
    known = truth(question.a, dtype, question.rtol)
    given = judged.library.asarray(a, dtype)
    if found.kind == "pinv":
        error = known.error(_pinv(judged, given, question)[0])
        bound = _bounds.PINV * _bounds.unit(a.shape, dtype, known.kappa)
    else:
        assert question.rhs is not None  # questions about least squares have one
        x = _lstsq(judged, given, question, dtype)[0]
        error = solution(question.a, dtype, question.rhs, question.rtol).error(x)
        bound = _bounds.LSTSQ * _bounds.unit(a.shape, dtype, 1.0)
    return replace(found, ratio=error / bound)


def _drops(a: Any, rtol: float) -> bool:
    s = np.linalg.svd(a.astype("float64"), compute_uv=False)
    return bool(s[-1] <= rtol * s[0])


def hunts(
    judged: Target, seconds: float, first_seed: int = 0, kinds: Sequence[str] = KINDS
) -> Iterator[Found]:
    """Yield the worst of each function in each precision; the seconds are for all of them."""
    kinds = [kind for kind in kinds if judged.claims(kind)]
    dtypes = [dtype for dtype in DTYPES if dtype in judged.library.dtypes]
    for kind in kinds:
        for dtype in dtypes:
            yield hunt(judged, kind, dtype, seconds / (len(kinds) * len(dtypes)), first_seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt, print what was found, and return 1 if anything exceeds its bound."""
    parser = argparse.ArgumentParser(prog="python -m pinvx_conformance.hunt", description=__doc__)
    parser.add_argument("--target", default="pinvx@numpy")
    parser.add_argument("--namespace")
    parser.add_argument("--function", choices=KINDS, help="hunt for one of them, and not for both")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all searches together")
    parser.add_argument("--seed", type=int, default=0, help="where the first search starts")
    options = parser.parse_args(arguments)
    judged, broken = target_of(options.target, options.namespace), False
    kinds = (options.function,) if options.function else KINDS
    for found in hunts(judged, options.seconds, options.seed, kinds):
        print(found, flush=True)
        broken |= found.ratio > 1
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
