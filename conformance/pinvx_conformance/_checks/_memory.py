"""P13: the memory of a gradient grows with p·K, not with p²."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, NotApplicableError, check, expect
from pinvx_conformance._targets import Target

ROWS = 8192
# A matrix of ROWS × ROWS doubles is 512 MiB; the long sides alone are 0.2 MiB each.
ALLOWED = 128 * 2**20


def _cases(target: Target, level: str) -> Iterator[Case]:
    del target, level
    base = m.integers(8, 3, seed=3)
    yield Case(m.tiled(base, ROWS // 8), "float64", "tall")
    yield Case(m.tiled(base, ROWS // 8), "float64", "wide")


@check("P13", needs=("pinv", "vjp"), cases=_cases)
def no_long_projector(target: Target, case: Case) -> None:
    """The process grows by less than a quarter of an M×M matrix while differentiating."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    on_host = "cpu" in str(target.library.device or "cpu").lower()
    if not (status.exists() and on_host):
        raise NotApplicableError("the peak of resident memory is read from Linux's /proc")
    assert target.library.vjp is not None  # the check needs it
    a = case.recipe.array("float64")
    a = a if case.variant == "tall" else np.ascontiguousarray(a.T)
    given, g = target.library.asarray(a), target.library.asarray(np.ones(a.shape[::-1]))
    reset.write_text("5")  # sets the peak back to what is resident now
    before = _field(status, "VmHWM")
    (bar,) = target.library.vjp(target.pinv, (given,), g)
    finite = np.all(np.isfinite(target.library.to_numpy(bar)))
    grown = _field(status, "VmHWM") - before
    expect(finite, "the gradient has a NaN")
    expect(grown < ALLOWED, f"memory grew by {grown >> 20} MiB for {a.shape}")


def _field(status: Path, name: str) -> int:
    line = next(v for v in status.read_text().splitlines() if v.startswith(name))
    return int(line.split()[1]) * 1024
