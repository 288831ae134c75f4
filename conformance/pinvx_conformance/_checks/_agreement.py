"""P15: targets of one family agree with each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _evaluate, _gallery
from pinvx_conformance._check import Case, Measurement, check, expect
from pinvx_conformance._oracle import truth
from pinvx_conformance._targets import Target


def _pairs(target: Target, level: str) -> Iterator[Case]:
    for case in _gallery.everything(target, level):
        for i, peer in enumerate(target.peers):
            if case.dtype in peer.library.dtypes:
                yield Case(case.recipe, case.dtype, f"with {peer.name}", (i,))


def distance(one: Target, other: Target, case: Case) -> float:
    """‖X₁ − X₂‖_F/‖A⁺‖_F of two targets, infinite where one of them has a NaN."""
    x, y = (_evaluate.pinv(t, case.recipe, case.dtype).x for t in (one, other))
    known = truth(case.recipe, case.dtype)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        return float("inf")
    return float(np.linalg.norm(x - y)) / (float(np.linalg.norm(known.x.value)) or 1.0)


@check("P15", needs=("pinv", "peers"), cases=_pairs)
def values(target: Target, case: Case) -> Measurement:
    """Two targets differ by at most twice the bound of P6."""
    peer = target.peers[case.arguments[0]]
    known = truth(case.recipe, case.dtype)
    bound = 2 * _bounds.PINV * _bounds.unit(known.a.shape, case.dtype, known.kappa)
    what = f"‖X₁ − X₂‖/‖A⁺‖ {case.variant}"
    return Measurement(distance(target, peer, case), bound, known.kappa, known.rank, what)


@check("P15", needs=("pinv", "peers", "return_rank"), cases=_pairs)
def ranks(target: Target, case: Case) -> None:
    """And they report the same rank."""
    both: list[Any] = [target, target.peers[case.arguments[0]]]
    found = [_evaluate.pinv(t, case.recipe, case.dtype).rank for t in both]
    if found[1] is not None:
        one, other = (int(np.asarray(r)) for r in found)
        expect(one == other, f"rank {one}, but {other} {case.variant}")
