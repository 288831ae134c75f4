"""P18: the same bits again, from any thread, and nothing global changed."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pinvx_conformance import _evaluate, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, check, expect
from pinvx_conformance._checks._lstsq import rhs_of
from pinvx_conformance._targets import Target


def _once(target: Target, case: Case) -> Any:
    given = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    return _evaluate.answer(target, given).x


def _cases(target: Target, level: str) -> Iterator[Case]:
    yield from _gallery.few(target, level)
    yield from _gallery.fast(target, level)


def _systems(target: Target, level: str) -> Iterator[Case]:
    yield from _cases(target, level)
    # A rank that is decided by pivoting has to be decided the same way each time.
    yield Case(m.diagonal((4.0, 0.0, -2.0, 0.5, 0.0, 1.0)))


@check("P18", cases=_cases)
def same_bits(target: Target, case: Case) -> None:
    """Two calls give equal bits."""
    first, second = _once(target, case), _once(target, case)
    off = float(np.max(np.abs(first - second)))
    expect(first.tobytes() == second.tobytes(), f"two equal calls differ by up to {off:.3g}")


@check("P18", needs=("lstsq",), cases=_systems)
def same_solution(target: Target, case: Case) -> None:
    """Eight calls of least squares give equal bits: once is luck."""
    assert target.lstsq is not None  # the check needs it
    rhs = rhs_of(case).array(case.dtype)
    given = [target.library.asarray(v, case.dtype) for v in (case.recipe.array(case.dtype), rhs)]
    results = [target.library.to_numpy(target.lstsq(*given).x) for _ in range(8)]
    off = max(float(np.max(np.abs(x - results[0]))) for x in results)
    same = all(x.tobytes() == results[0].tobytes() for x in results)
    expect(same, f"equal calls differ by up to {off:.3g}")


@check("P18", cases=_cases)
def threads(target: Target, case: Case) -> None:
    """Calls from four threads at once give what one call from a thread gives.

    The main thread may share its work out, and then its sums are other sums.
    """
    with ThreadPoolExecutor(1) as pool:
        expected = pool.submit(_once, target, case).result()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: _once(target, case), range(8)))
    for found in results:
        size = float(np.max(np.abs(expected)))
        off = float(np.max(np.abs(found - expected)))
        expect(off <= 1e-4 * size, f"a call from a thread differs by {off:.3g}")
        expect(found.tobytes() == expected.tobytes(), f"a thread's bits differ by {off:.3g}")


@check("P18", cases=_cases)
def global_state(target: Target, case: Case) -> None:
    """Precision settings, error states and random streams are as they were."""
    before = target.library.global_state()
    _once(target, case)
    during = target.library.global_state()
    expect(before == during, f"global settings went from {before!r:.200} to {during!r:.200}")
