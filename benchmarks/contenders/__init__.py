"""The libraries that pinvx is measured against: one file each, all of the same shape."""

from __future__ import annotations

import importlib
import importlib.util

from ._contender import LOOP, Contender, Match, Rivals

__all__ = ["CONTENDERS", "LOOP", "Contender", "Match", "Rivals", "contender", "installed"]

CONTENDERS = {
    "numpy": "NumpyContender",
    "scipy": "ScipyContender",
    "torch": "TorchContender",
    "jax": "JaxContender",
    "lineax": "LineaxContender",
    "cupy": "CupyContender",
}
"""The libraries and their classes, in the order in which they are measured and shown."""


def installed(name: str) -> bool:
    """Tell whether a library can be found, without importing it."""
    return importlib.util.find_spec(name) is not None


def contender(name: str) -> Contender:
    """Import a library, and return what is needed to measure it.

    Raises
    ------
    ValueError
        If the library is unknown, or not installed.
    """
    if name not in CONTENDERS:
        raise ValueError(
            f"the library {name!r} is not among those measured. Hint: use {', '.join(CONTENDERS)}."
        )
    if not installed(name):
        raise ValueError(
            f"the library {name!r} is not installed. Hint: install it, or leave it out."
        )
    module = importlib.import_module(f"{__name__}._{name}")
    return getattr(module, CONTENDERS[name])()  # type: ignore[no-any-return]  # found by its name
