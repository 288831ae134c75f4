"""``python -m pinvx_conformance.hunt``: look for a matrix that a fast algorithm accepts wrongly.

A function that chooses among algorithms is only as good as its certificate. Hypothesis draws
matrices of more than 512 entries that fast algorithms have trouble with, for least squares
right-hand sides as well, at any scale and in any company (`_questions`), and climbs towards the
largest error in units of P6's (or P9's) bound; a wrong rank is an infinite one.
In single precision, and for large matrices, the reference is the decomposition in double, which in
single is right to 1e-6 of the bound and leaves time for many matrices; the others in double have
the exact oracle, which also judges the worst of each search in single.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import target as climb

from pinvx_conformance import _bounds, _exact
from pinvx_conformance._check import in_time
from pinvx_conformance._checks._company import copes_with_nan
from pinvx_conformance._oracle import truth
from pinvx_conformance._questions import Question, Shape, questions
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target
from pinvx_conformance._targets import target as target_of

EXACT_COLUMNS = 64  # more are too many for the oracle
DTYPES = ("float32", "float64")
KINDS = ("pinv", "lstsq")
ROUND = 60  # examples of one search; then another one starts elsewhere


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
    shape: Shape

    @property
    def value(self) -> Any:
        """A⁺ in double precision."""
        return self.x if isinstance(self.x, np.ndarray) else self.x.x.value


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
    return (
        Reference(known, known.rank, known.kappa, a.shape)
        if small and not known.ambiguous
        else None
    )


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
    return Reference(x, rank, kappa, a.shape)


def ratio(
    judged: Target, kind: str, question: Question, dtype: str, known: Reference | None = None
) -> tuple[float, bool] | None:
    """Return the error in units of the bound, and whether the decomposition gives other bits."""
    known = known or reference(question, dtype)
    arrays = question.arrays(dtype, subnormals=judged.claims("subnormals"))
    if known is None or arrays is None or not _representable(known, question, dtype):
        return None
    asked = in_time(lambda: _asked(judged, kind, question, dtype, arrays))
    x, rank, plain, wrong = asked
    spoilt = question.bad is not None
    if spoilt and kind == "pinv":
        known_rank, error = 0, 0.0 if np.all(np.isnan(x)) else np.inf
    else:
        known_rank, columns = known.rank, 1 if spoilt else None
        if spoilt and not np.all(np.isnan(x[:, -1])):
            return np.inf, False
        x = np.ldexp(x[:, :columns].astype("float64"), _exponent(question))
        error = (_error if kind == "pinv" else _lstsq_error)(known, question, dtype, x)
    bound = _bounds.PINV if kind == "pinv" else _bounds.LSTSQ
    bound *= _bounds.unit(known.shape, dtype, known.kappa if kind == "pinv" else 1.0)
    wrong |= rank is not None and rank != known_rank
    fast = plain is not None and asked[0].tobytes() != plain.tobytes()
    value = error / bound
    return (np.inf if wrong or np.isnan(value) else value), fast


def _exponent(question: Question) -> int:
    """Return the power of two that brings the answer back to that of A and b as they are."""
    of_a, of_b = question.scales
    return of_a - of_b


def _representable(known: Reference, question: Question, dtype: str) -> bool:
    """Whether the answer is far from both ends of the exponents."""
    x = known.value
    if question.rhs is not None:
        x = x @ question.rhs.array(dtype).astype("float64")
    peak = float(np.max(np.abs(x), initial=0.0))
    ends, e = np.finfo(dtype), int(np.frexp(peak)[1]) - _exponent(question)
    return peak == 0 or ends.minexp + ends.nmant < e < ends.maxexp - 1


def _error(known: Reference, question: Question, dtype: str, x: Any) -> float:
    del question, dtype
    if isinstance(known.x, np.ndarray):
        return _relative(x - known.x, known.x)
    return float(known.x.error(x))


def _relative(difference: Any, exact: Any) -> float:
    value = float(np.linalg.norm(difference)) / (float(np.linalg.norm(exact)) or 1.0)
    return value if np.isfinite(value) else np.inf


def _asked(
    judged: Target, kind: str, question: Question, dtype: str, arrays: tuple[Any, Any]
) -> tuple[Any, int | None, Any, bool]:
    """Return x, its rank, x by the decomposition, and whether the rest of the batch is wrong."""
    given, b = (v if v is None else judged.library.asarray(v, dtype) for v in arrays)
    function, back, rank, plain = getattr(judged, kind), judged.library.to_numpy, None, None
    known = (given,) if b is None else (given, b)

    def call(**options: Any) -> tuple[Any, Any]:
        found = function(*known, **question.options, **options)
        if b is not None:
            return back(found.x), back(found.rank) if judged.claims("lstsq rank") else None
        return (
            (back(found[0]), back(found[1])) if options.get("return_rank") else (back(found), None)
        )

    ranked = {"return_rank": True} if b is None and judged.claims("return_rank") else {}
    with judged.library.quiet():
        x, rank = call(**ranked)
        if judged.claims("method"):
            plain = call(method="svd")[0]
    wrong = False
    if question.beside:
        good = np.all(np.isfinite(arrays[0][:-1]), axis=(-2, -1))
        last = slice(None, -1) if question.bad is not None and b is not None else slice(None)
        nan = np.isnan(x[:-1, :, last])
        wrong = bool(np.any(nan[good]) or not np.all(nan[~good]))
        wrong |= rank is not None and bool(np.any(rank[:-1][~good]))
        x, rank = x[-1], rank if rank is None else rank[-1]
        plain = plain if plain is None else plain[-1]
    return x, rank if rank is None else int(rank), plain, wrong


def _lstsq_error(known: Reference, question: Question, dtype: str, x: Any) -> float:
    assert question.rhs is not None  # questions about least squares have one
    if not isinstance(known.x, np.ndarray) and question.bad is None:
        return solution(question.a, dtype, question.rhs, question.rtol).error(x)
    norm, inverse = np.linalg.norm, known.value
    a, b = (r.array(dtype).astype("float64") for r in (question.a, question.rhs))
    b = b[:, : x.shape[1]]
    exact = inverse @ b
    scale = float(norm(inverse, 2)) if known.rank else 0.0
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

    def search(number: int) -> None:
        @seed(number)
        @settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.target),
            suppress_health_check=list(HealthCheck),
        )
        @given(questions(kind, dtype))
        def one(question: Question) -> None:
            if time.monotonic() > end or state["found"].ratio > until:
                raise _Enough
            question = claimed(judged, kind, question)
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


def claimed(judged: Target, kind: str, question: Question) -> Question:
    """Leave out of a question what the target does not claim."""
    prefix = "" if kind == "pinv" else "lstsq "
    if not judged.claims(f"{prefix}rtol"):
        question = replace(question, rtol=None)
    if not judged.claims(f"{prefix}batches"):
        question = replace(question, beside=())
    if not copes_with_nan(judged):
        good = tuple(one for one in question.beside if one.name != "poisoned")
        question = replace(question, beside=good, bad=None)
    return question


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
    exact = Reference(known, known.rank, known.kappa, a.shape)
    again = ratio(judged, found.kind, question, dtype, exact)
    return found if again is None else replace(found, ratio=again[0])


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
