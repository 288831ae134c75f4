"""The residuals of the four Penrose equations, with every product computed exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    ra = _exact.rational(_exact.scale(wide_a, -shift))
    rx = _exact.rational(_exact.scale(wide_x, shift))
    ax, xa = ra * rx, rx * ra
    norm = _norm
    return (
        norm(ax * ra - ra) / (norm(ra) or 1.0),
        norm(xa * rx - rx) / (norm(rx) or 1.0),
        norm(ax.transpose() - ax) / _doubled(a),
        norm(xa.transpose() - xa) / _doubled(a),
    )


def _doubled(a: Any) -> float:
    # The norm of a real embedding counts everything twice.
    return 2.0**0.5 if a.dtype.kind == "c" else 1.0


def _norm(x: Any) -> float:
    return float(np.linalg.norm(np.asarray([_exact.nearest(q) for q in x.entries()])))
