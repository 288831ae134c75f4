"""P15: every target agrees with every other of the run, on values and on ranks.

Of two that disagree one at least is farther from the truth than half of what they may differ
by. That one breaks the promise, whichever came first. Where the documented default cutoffs of two
targets differ, they are compared on the matrices whose rank neither of them decides, and
`left_out` says how many that leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance._check import (
    Case,
    Measurement,
    NotApplicableError,
    check,
    expect,
    worst,
)
from pinvx_conformance._checks._lstsq import rhs_of
from pinvx_conformance._oracle import Truth, truth
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Cutoff, Target


def cutoff_of(target: Target, kind: str) -> Cutoff:
    """Return the documented default cutoff of a target's "pinv" or "lstsq"."""
    return target.cutoffs.get(kind, Cutoff())


def settled(known: Truth, dtype: str, *cutoffs: Cutoff) -> bool:
    """Tell whether all of the cutoffs, rounding included, give the matrix the same rank."""
    if len(set(cutoffs)) == 1 and cutoffs[0] == Cutoff():
        return True
    p, eps = max(*known.a.shape, 1), _bounds.eps_of(dtype)
    values = [c.of(p, eps) for c in cutoffs]
    above = known.kappa * (max(values) + p * eps) < 1 or known.rank == 0
    # What is exactly zero is computed as anything up to p·eps·σ₁.
    below = known.rank == min(known.a.shape) or min(values) >= p * eps * (1 - 1e-6)
    return known.tail == 0 and above and below


def comparable(target: Target, case: Case, kind: str) -> list[Target]:
    """Return the peers that a target is compared with on one case."""
    known = truth(case.recipe, case.dtype)
    mine = cutoff_of(target, kind)
    return [
        peer
        for peer in target.peers
        if peer.claims(kind)
        and case.dtype in peer.library.dtypes
        and settled(known, case.dtype, mine, cutoff_of(peer, kind))
    ]


def _expect_peers(peers: list[Target]) -> None:
    if not peers:
        raise NotApplicableError("no other target settles this rank alike: see P15-left_out")


def _matrices(target: Target, level: str) -> Iterator[Case]:
    return _gallery.everything(target, level)


def _systems(target: Target, level: str) -> Iterator[Case]:
    for case in _gallery.everything(target, level):
        if case.recipe.name != "tiled":
            yield replace(case, rhs=rhs_of(case))


def _compare(
    known: Truth, mine: tuple[Any, float], theirs: tuple[Any, float], scale: float, bound: float
) -> Measurement:
    """Compare two answers, each given with its own error, in units of twice `bound`."""
    (x, error), (y, other) = mine, theirs
    apart = float(np.linalg.norm(x - y)) / (scale or 1.0) if np.isfinite(error + other) else np.inf
    # Apart by too much, and near the truth: it is the other one that breaks the promise.
    value = apart if apart <= 2 * bound or not error <= bound else error
    what = f"apart by {apart:.3g}, from the truth by {error:.3g} and {other:.3g}"
    return Measurement(value, 2 * bound, known.kappa, known.rank, what)


def _answer_of(peer: Target, ask: Any) -> Any:
    """Return a peer's answer, or None where it has none: then it is judged for that elsewhere."""
    try:
        return ask(peer)
    except Exception:
        return None


@check("P15", needs=("pinv", "peers"), cases=_matrices)
def values(target: Target, case: Case) -> Measurement:
    """Two pseudoinverses differ by at most twice the bound of P6."""
    known = truth(case.recipe, case.dtype)
    bound = _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
    scale = float(np.linalg.norm(known.x.value))
    peers = comparable(target, case, "pinv")
    _expect_peers(peers)

    def ask(one: Target) -> tuple[Any, float]:
        x = _evaluate.pinv(one, case.recipe, case.dtype).x
        return x, known.error(x)

    mine, rows = ask(target), []
    for peer in peers:
        theirs = _answer_of(peer, ask)
        if theirs is not None:
            one = _compare(known, mine, theirs, scale, bound)
            rows.append(replace(one, what=f"‖X₁ − X₂‖/‖A⁺‖ with {peer.name}: {one.what}"))
    return worst(rows) if rows else Measurement(0.0, bound)


@check("P15", needs=("lstsq", "peers"), cases=_systems)
def solutions(target: Target, case: Case) -> Measurement:
    """Two least-squares solutions differ by at most twice the bound of P9."""
    known, rhs = truth(case.recipe, case.dtype), rhs_of(case)
    exact = solution(case.recipe, case.dtype, rhs)
    bound = _bounds.LSTSQ * _bounds.unit(known.a.shape, case.dtype, 1.0)
    peers = comparable(target, case, "lstsq")
    _expect_peers(peers)

    def ask(one: Target) -> tuple[Any, float]:
        x = _evaluate.lstsq(one, case.recipe, case.dtype, rhs).x
        return x, exact.error(x)

    mine, rows = ask(target), []
    for peer in peers:
        theirs = _answer_of(peer, ask)
        if theirs is not None:
            one = _compare(known, mine, theirs, exact.scale, bound)
            rows.append(replace(one, what=f"‖x₁ − x₂‖ with {peer.name}: {one.what}"))
    return worst(rows) if rows else Measurement(0.0, bound)


def _same_ranks(target: Target, case: Case, kind: str, ask: Any) -> None:
    known = truth(case.recipe, case.dtype)
    feature = {"pinv": "return_rank", "lstsq": "lstsq rank"}[kind]
    peers = [p for p in comparable(target, case, kind) if p.claims(feature)]
    _expect_peers(peers)
    mine = ask(target)
    for peer in peers:
        theirs = _answer_of(peer, ask)
        right = theirs is None or mine == theirs or mine == known.rank
        expect(right, f"rank {mine}, but {theirs} with {peer.name}; {known.rank} is right")


@check("P15", needs=("pinv", "peers", "return_rank"), cases=_matrices)
def ranks(target: Target, case: Case) -> None:
    """And report the same rank."""

    def ask(one: Target) -> int:
        return int(np.asarray(_evaluate.pinv(one, case.recipe, case.dtype).rank))

    _same_ranks(target, case, "pinv", ask)


@check("P15", needs=("lstsq", "peers", "lstsq rank"), cases=_systems)
def lstsq_ranks(target: Target, case: Case) -> None:
    """Least squares too."""

    def ask(one: Target) -> int:
        return int(np.asarray(_evaluate.lstsq(one, case.recipe, case.dtype, rhs_of(case)).rank))

    _same_ranks(target, case, "lstsq", ask)


def _pairs(target: Target, level: str) -> Iterator[Case]:
    by_dtype: dict[str, list[Case]] = {}
    for case in _gallery.everything(target, level):
        by_dtype.setdefault(case.dtype, []).append(case)
    for dtype, cases in by_dtype.items():
        for i, peer in enumerate(target.peers):
            for kind in ("pinv", "lstsq"):
                if target.claims(kind) and peer.claims(kind):
                    first = cases[0].recipe
                    yield Case(first, dtype, f"{kind} with {peer.name}", (i, kind, tuple(cases)))


@check("P15", needs=("peers",), cases=_pairs)
def left_out(target: Target, case: Case) -> None:
    """Two targets are compared on the whole gallery, or their cutoffs say why they are not."""
    i, kind, cases = case.arguments
    peer = target.peers[i]
    if case.dtype not in peer.library.dtypes:
        raise NotApplicableError(f"{peer.name} has no {case.dtype}")
    mine, theirs = cutoff_of(target, kind), cutoff_of(peer, kind)
    out = [c for c in cases if not settled(truth(c.recipe, c.dtype), c.dtype, mine, theirs)]
    if out:
        raise NotApplicableError(
            f"{kind} with {peer.name}: {len(out)} of {len(cases)} {case.dtype} matrices are left "
            f"out, whose rank the cutoffs {mine.words} and {theirs.words} may decide differently"
        )
