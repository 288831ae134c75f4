"""``python -m pinvx_conformance.hunt``: look for a matrix that a fast algorithm accepts wrongly.

A function that chooses among algorithms is only as good as its certificate. Hypothesis draws
matrices of more than 512 entries that fast algorithms have trouble with, and climbs towards the
largest error in units of P6's (or P9's) bound; a wrong rank is an infinite one.
In single precision the reference is the decomposition in double, which is right to 1e-6 of
the bound and leaves time for many matrices; in double precision it is the exact oracle, which also
judges the worst of each search.
"""

from __future__ import annotations

import argparse
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
from pinvx_conformance._oracle import solution, truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target
from pinvx_conformance._targets import target as target_of

# Both sides of 16 and of 32 columns, all above 512 entries; tall, square and wide.
SHAPES = ((40, 16), (40, 17), (64, 9), (40, 33), (24, 24), (33, 33), (17, 40), (16, 40))
DTYPES = ("float32", "float64")
KINDS = ("pinv", "lstsq")
ROUND = 60  # examples of one search; then another one starts elsewhere

exponents = st.lists(st.integers(-24, 0), min_size=1, max_size=5).map(tuple)
seeds = st.integers(0, 99)


@st.composite
def bases(draw: Any) -> Recipe:
    """Draw a matrix of one of the families that undo fast algorithms."""
    rows, columns = shape = draw(st.sampled_from(SHAPES))
    gap = 2.0 ** -draw(st.integers(0, 48))
    number, ranks = draw(seeds), st.integers(1, min(shape))
    families: dict[str, Callable[[], Any]] = {
        "spectrum": lambda: m.spectrum(
            *shape,
            kappa=1 / gap,
            profile=draw(st.sampled_from(("geometric", "one_small", "one_large", "clustered"))),
            seed=number,
        ),
        "integers": lambda: m.integers(*shape, seed=number),
        "duplicated": lambda: m.nearly_duplicated(*shape, gap=gap, seed=number),
        "growth": lambda: m.growth(*shape),
        "kahan": lambda: m.kahan(rows, cosine=draw(st.sampled_from((0.0625, 0.25, 0.5)))),
        "lauchli": lambda: m.lauchli(columns, mu=gap),
        "graded": lambda: m.graded(
            *shape,
            by=draw(st.sampled_from(("rows", "columns"))),
            decades=draw(st.integers(0, 20)),
            seed=number,
        ),
        "column": lambda: m.one_column(*shape, exponent=draw(st.integers(-60, 60)), seed=number),
        "deficient": lambda: m.low_rank(rows, columns, draw(ranks), seed=number),
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


@dataclass(frozen=True)
class Found:
    """The worst that a search came upon."""

    kind: str
    dtype: str
    examples: int = 0
    fast: int = 0
    ratio: float = 0.0
    recipe: Recipe | None = None

    def __str__(self) -> str:
        """One line, and the recipe."""
        line = f"{self.kind:6}{self.dtype:9}{self.examples:6} matrices, {self.fast} of them "
        line += f"with other bits than the decomposition; worst {self.ratio:.3g} of the bound"
        return f"{line}\n    {self.recipe!r}"


@dataclass(frozen=True)
class Reference:
    """A⁺ and what its bound is made of, exact or from a decomposition in twice the precision."""

    x: Any
    rank: int
    kappa: float


def reference(recipe: Recipe, dtype: str) -> Reference | None:
    """Return what A⁺ is, or None where rounding may decide the rank or the bound is none."""
    a = recipe.array(dtype).astype("float64")
    rough = _decomposed(a, dtype)
    if rough is None or dtype != "float64":
        return rough
    # Where the cutoff drops what is not zero, the oracle takes minutes: single precision has those.
    if _exact.rational(a).rank() != rough.rank:
        return None
    known = truth(recipe, dtype)
    small = max(known.a.shape) * _bounds.eps_of(dtype) * known.kappa <= 1 / 9
    return Reference(known, known.rank, known.kappa) if small and not known.ambiguous else None


def _decomposed(a: Any, dtype: str) -> Reference | None:
    if not np.all(np.isfinite(a)):
        return None
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    fuzz = max(a.shape) * _bounds.eps_of(dtype) * s[0]
    rounding = max(a.shape) * np.finfo("float64").eps * s[0]
    # The cutoff is the fuzz itself: what is zero is below, what is above twice that is above.
    if np.any((s > 4 * rounding) & (s <= 2.1 * fuzz)):
        return None
    rank = int(np.sum(s > fuzz))
    kappa = float(s[0] / s[rank - 1]) if rank else 1.0
    if max(a.shape) * _bounds.eps_of(dtype) * kappa > 1 / 9:
        return None
    x = (vh[:rank].T / s[:rank]) @ u[:, :rank].T
    return Reference(x, rank, kappa)


def ratio(judged: Target, kind: str, recipe: Recipe, dtype: str) -> tuple[float, bool] | None:
    """Return the error in units of the bound, and whether the decomposition gives other bits."""
    known = reference(recipe, dtype)
    if known is None:
        return None
    a = recipe.array(dtype)
    given = judged.library.asarray(a, dtype)
    unit = _bounds.unit(a.shape, dtype, known.kappa)
    if kind == "pinv":
        x, rank, plain = _pinv(judged, given)
        if isinstance(known.x, np.ndarray):
            error = _relative(x - known.x, known.x)
        else:
            error = known.x.error(x)
        bound = _bounds.PINV * unit
    else:
        rhs = m.integers(a.shape[0], 2, seed=7)
        x, rank, plain = _lstsq(judged, given, rhs, dtype)
        bound = _bounds.LSTSQ * _bounds.unit(a.shape, dtype, 1.0)
        error = _lstsq_error(known, recipe, dtype, rhs, x)
    wrong = rank is not None and rank != known.rank
    fast = plain is not None and x.tobytes() != plain.tobytes()
    value = error / bound
    return (np.inf if wrong or np.isnan(value) else value), fast


def _relative(difference: Any, exact: Any) -> float:
    value = float(np.linalg.norm(difference)) / (float(np.linalg.norm(exact)) or 1.0)
    return value if np.isfinite(value) else np.inf


def _pinv(judged: Target, given: Any) -> tuple[Any, int | None, Any]:
    assert judged.pinv is not None  # the caller has looked
    back, rank = judged.library.to_numpy, None
    if judged.claims("return_rank"):
        x, found = judged.pinv(given, return_rank=True)
        rank = int(np.asarray(back(found)))
    else:
        x = judged.pinv(given)
    plain = back(judged.pinv(given, method="svd")) if judged.claims("method") else None
    return back(x), rank, plain


def _lstsq(judged: Target, given: Any, rhs: Recipe, dtype: str) -> tuple[Any, int | None, Any]:
    assert judged.lstsq is not None  # the caller has looked
    back = judged.library.to_numpy
    b = judged.library.asarray(rhs.array(dtype), dtype)
    solved = judged.lstsq(given, b)
    plain = back(judged.lstsq(given, b, method="svd").x) if judged.claims("method") else None
    return back(solved.x), int(np.asarray(back(solved.rank))), plain


def _lstsq_error(known: Reference, recipe: Recipe, dtype: str, rhs: Recipe, x: Any) -> float:
    if not isinstance(known.x, np.ndarray):
        return solution(recipe, dtype, rhs).error(x)
    norm = np.linalg.norm
    a, b = (r.array(dtype).astype("float64") for r in (recipe, rhs))
    exact = known.x @ b
    scale = float(norm(known.x, 2)) if known.rank else 0.0
    size = known.kappa * (2 * norm(exact) + scale * norm(b - a @ exact)) + scale * norm(b)
    value = float(norm(x - exact)) / (float(size) or 1.0)
    return value if np.isfinite(value) else np.inf


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

    def search(number: int) -> None:
        @seed(number)
        @settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.target),
            suppress_health_check=list(HealthCheck),
        )
        @given(recipes())
        def one(recipe: Recipe) -> None:
            if time.monotonic() > end or state["found"].ratio > until:
                return
            try:
                with np.errstate(all="ignore"):
                    measured = ratio(judged, kind, recipe, dtype)
            except Exception:  # an answer that does not come is wrong by any bound
                measured = np.inf, False
            assume(measured is not None)
            assert measured is not None  # for the type checker
            value, fast = measured
            found = state["found"]
            found = replace(found, examples=found.examples + 1, fast=found.fast + fast)
            if value > found.ratio:
                found = replace(found, ratio=value, recipe=recipe)
            state["found"] = found
            climb(float(np.log2(min(max(value, 2.0**-60), 2.0**60))))

        one()

    while time.monotonic() < end and state["found"].ratio <= until:
        search(first_seed)
        first_seed += 1
    return _judged_again(judged, state["found"])


def _judged_again(judged: Target, found: Found) -> Found:
    """Replace the ratio of a search in single precision by the one of the exact oracle."""
    if found.recipe is None or found.dtype == "float64" or not np.isfinite(found.ratio):
        return found
    if _exact.rational(found.recipe.array(found.dtype)).rank() != min(found.recipe.shape):
        return found  # singular to rounding: the decomposition in double is the better oracle
    known = truth(found.recipe, found.dtype)
    given = judged.library.asarray(found.recipe.array(found.dtype), found.dtype)
    if found.kind == "pinv":
        error = known.error(_pinv(judged, given)[0])
        bound = _bounds.PINV * _bounds.unit(known.a.shape, found.dtype, known.kappa)
    else:
        rhs = m.integers(known.a.shape[0], 2, seed=7)
        x = _lstsq(judged, given, rhs, found.dtype)[0]
        error = solution(found.recipe, found.dtype, rhs).error(x)
        bound = _bounds.LSTSQ * _bounds.unit(known.a.shape, found.dtype, 1.0)
    return replace(found, ratio=error / bound)


def hunts(judged: Target, seconds: float, first_seed: int = 0) -> Iterator[Found]:
    """Yield the worst of each function in each precision; the seconds are for all of them."""
    kinds = [kind for kind in KINDS if judged.claims(kind)]
    dtypes = [dtype for dtype in DTYPES if dtype in judged.library.dtypes]
    for kind in kinds:
        for dtype in dtypes:
            yield hunt(judged, kind, dtype, seconds / (len(kinds) * len(dtypes)), first_seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt, print what was found, and return 1 if anything exceeds its bound."""
    parser = argparse.ArgumentParser(prog="python -m pinvx_conformance.hunt", description=__doc__)
    parser.add_argument("--target", default="pinvx@numpy")
    parser.add_argument("--namespace")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all searches together")
    parser.add_argument("--seed", type=int, default=0, help="where the first search starts")
    options = parser.parse_args(arguments)
    broken = False
    for found in hunts(target_of(options.target, options.namespace), options.seconds, options.seed):
        print(found, flush=True)
        broken |= found.ratio > 1
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
