"""The norm of a matrix E that is known only by its products, estimated from eight vectors.

For a random v of unit variance the mean of ‖Ev‖² is ‖E‖_F². The absolute values of the vectors are
fixed, and their signs come from the digits of a given matrix, such as A. So the same input gives
the same result, and only chance finds a matrix that hides from its own signs. How small can
√(Σ‖Ev‖²/8) be relative to ‖E‖_F?

- If each row of E has one entry, or two equal or opposite ones (what the Gram matrix of nearly
  equal columns hides): at least 1/40 for up to 4096 columns, whatever the signs; less than 1/16 for
  71 of 8 million pairs, and there for one choice of signs in 128 (every pair was computed).
- If its rows are spread over many columns: less than 1/16 only if eight nearly Gaussian numbers are
  all that small. That is χ²₈ < 8/256, with probability 2·10⁻⁹.

So `SAFETY` times the estimate is an upper bound beyond reasonable doubt; each certificate has
another factor of two to spare.
"""

from __future__ import annotations

import math
from typing import Any

from .._adapter import Adapter
from .._problem import Problem, norm
from .._typing import Array

VECTORS = 8
SAFETY = 16.0

# Irregular frequencies, one per vector: cos(i²·√prime) has no pattern in i (Weyl).
_PRIMES = 2, 3, 5, 7, 11, 13, 17, 19


def vectors(p: Problem, key: Array, size: Any) -> Array:
    """Return V, shape (..., n, 8), with signs from the bits of `key`, whose norm is `size`."""
    lib, xp = p.lib, p.lib.xp
    v = _fixed(p)
    mixed = lib.matmul(key, v)
    if p.known.is_complex:
        mixed = xp.real(mixed) + xp.imag(mixed)
    size = size[..., None, None] if not isinstance(size, float) else size or 1.0
    # The last half of the digits decides the signs.
    return v * xp.sign(xp.cos(mixed / (size * math.sqrt(p.eps))))


def estimate(p: Problem, ev: Array) -> Any:
    """Return the estimate of ‖E‖_F, given E V."""
    return norm(p.lib, ev) * (1.0 / math.sqrt(VECTORS))


def _fixed(p: Problem) -> Array:
    kept = p.host and p.n <= 1024
    key = (p.lib, p.n, p.a.dtype)
    v = _KEPT.get(key) if kept else None
    if v is None:
        v = spread(p.lib, p.n, p.a)
        if kept:
            if len(_KEPT) >= 32:
                _KEPT.clear()
            _KEPT[key] = v
    return v


# A cache: for a small matrix the vectors cost more to make than all the rest.
_KEPT: dict[Any, Array] = {}


def spread(lib: Adapter, n: int, like: Array) -> Array:
    """Return n rows of eight numbers of unit variance, of the dtype and device of `like`."""
    xp, known = lib.xp, lib.precision(like.dtype)
    assert known is not None  # checked at the call
    device = lib.device(like)
    i = xp.arange(1, n + 1, dtype=known.real, device=device)[:, None]
    frequencies = xp.asarray([math.sqrt(q) for q in _PRIMES], dtype=known.real, device=device)
    return xp.astype(math.sqrt(2.0) * xp.cos(i * i * frequencies), like.dtype)
