"""P18: the same bits again, from any thread, and nothing global changed."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pinvx_conformance import _gallery
from pinvx_conformance._check import Case, check, expect
from pinvx_conformance._targets import Target


def _once(target: Target, case: Case) -> Any:
    assert target.pinv is not None  # the check needs it
    given = target.library.asarray(case.recipe.array(case.dtype), case.dtype)
    return target.library.to_numpy(target.pinv(given))


def _cases(target: Target, level: str) -> Iterator[Case]:
    return _gallery.few(target, level)


@check("P18", cases=_cases)
def same_bits(target: Target, case: Case) -> None:
    """Two calls give equal bits."""
    first, second = _once(target, case), _once(target, case)
    off = float(np.max(np.abs(first - second)))
    expect(first.tobytes() == second.tobytes(), f"two equal calls differ by up to {off:.3g}")


@check("P18", cases=_cases)
def threads(target: Target, case: Case) -> None:
    """Calls from four threads at once give what one call gives."""
    expected = _once(target, case)
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
