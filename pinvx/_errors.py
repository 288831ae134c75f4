"""How an error reads: what arrived, what was expected, and what to pass instead."""

from __future__ import annotations

from typing import Any


def describe(x: Any) -> str:
    """Say in a few words what arrived: shape, dtype, library and device where there are such."""
    kind = f"{type(x).__module__.partition('.')[0]}.{type(x).__name__}"
    if not hasattr(x, "dtype"):
        return f"{kind} {x!r}" if isinstance(x, (bool, int, float, complex, str)) else kind
    device = getattr(x, "device", None)
    where = "" if device is None else f" on {device}"
    return f"{kind} of shape {tuple(x.shape)} and dtype {x.dtype}{where}"


def sentence(problem: str, hint: str) -> str:
    """Join the problem and the way out, as every error of pinvx does."""
    return f"{problem}. Hint: {hint}."
