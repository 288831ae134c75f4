"""The residuals of the four Penrose equations, with every product computed exactly."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from flint import fmpz, fmpz_mat

from pinvx_conformance import _exact


def residuals(a: Any, x: Any) -> tuple[float, float, float, float]:
    """Return ‖AXA − A‖/‖A‖, ‖XAX − X‖/‖X‖, ‖(AX)ᴴ − AX‖ and ‖(XA)ᴴ − XA‖ (Frobenius).

    The four do not change when A is multiplied by 2^k and X by 2^−k, so both are brought near 1
    first. A zero matrix has ‖A‖ = 1 here. Where `x` is not finite all four are infinite.
    """
    if not np.all(np.isfinite(x)):
        return (float("inf"),) * 4
    if a.size == 0:
        return (0.0,) * 4
    shift = int(np.frexp(np.max(np.abs(a)))[1])
    wide_a, wide_x = (np.asarray(v, dtype=np.result_type(v.dtype, np.float64)) for v in (a, x))
    ia, unit_a = _exact.integral(_exact.scale(wide_a, -shift))
    ix, unit_x = _exact.integral(_exact.scale(wide_x, shift))
    ax, xa, both = ia * ix, ix * ia, unit_a + unit_x
    # A·2^both stands beside A·X·A, in the same unit.
    axa = ax * ia - ia * fmpz(1 << both)
    xax = xa * ix - ix * fmpz(1 << both)
    return (
        _norm(axa, unit_a + both) / (_norm(ia, unit_a) or 1.0),
        _norm(xax, unit_x + both) / (_norm(ix, unit_x) or 1.0),
        _norm(ax.transpose() - ax, both) / _doubled(a),
        _norm(xa.transpose() - xa, both) / _doubled(a),
    )


def _doubled(a: Any) -> float:
    # The norm of a real embedding counts everything twice.
    return 2.0**0.5 if a.dtype.kind == "c" else 1.0


def _norm(x: fmpz_mat, exponent: int) -> float:
    """‖X·2^−exponent‖_F."""
    entries = x.entries()
    square = fmpz_mat(1, len(entries), entries) * fmpz_mat(len(entries), 1, entries)
    guard = 64  # bits of the root behind the point
    return isqrt(int(square[0, 0]) << 2 * guard) / (1 << exponent + guard)
