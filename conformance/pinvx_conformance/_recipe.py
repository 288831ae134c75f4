"""A matrix as a recipe: a name and its arguments, which give the same bits on every machine.

Recipes compute with Python's integers and fractions and with a generator of their own, because the
streams of `numpy.random` and the roundings of a BLAS change between versions and processors. Only
the last step, rounding to the dtype asked for, touches floating point, and that step is exact
rounding.
"""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import numpy as np

P = ParamSpec("P")

# Real and imaginary parts, two object arrays of integers or fractions.
Entries = tuple[Any, Any]

LONGEST_LABEL = 72

_BUILDERS: dict[str, Callable[..., Any]] = {}

# NumPy has no bfloat16. Recipes for half types hold integers that both half types represent, so
# that the cast on the target's side changes nothing.
CARRIER = {"float16": "float32", "bfloat16": "float32"}


@dataclass(frozen=True)
class Recipe:
    """The name of a matrix and the arguments that make it.

    ``repr(recipe)`` is code: pasted after ``from pinvx_conformance import matrices`` it gives the
    recipe back.
    """

    name: str
    positional: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def array(self, dtype: str = "float64") -> Any:
        """Return the matrix as a NumPy array, each entry correctly rounded to `dtype`."""
        return _build(self, CARRIER.get(dtype, dtype)).copy()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrix, or of the stack of matrices."""
        dtype = "complex128" if self.is_complex else "float64"
        return tuple(_build(self, dtype).shape)

    @property
    def is_complex(self) -> bool:
        """Whether the matrix needs a complex dtype."""
        nested = (p for p in self.positional if isinstance(p, Recipe))
        return ("field", "complex") in self.keywords or any(r.is_complex for r in nested)

    def __repr__(self) -> str:
        parts = [repr(p) for p in self.positional]
        parts += [f"{k}={v!r}" for k, v in self.keywords]
        return f"matrices.{self.name}({', '.join(parts)})"

    @property
    def label(self) -> str:
        """A short name, for test ids and tables; long ones end in a checksum of the recipe."""
        words = [p.label if isinstance(p, Recipe) else str(p) for p in self.positional]
        words += [f"{k}={v}" if not isinstance(v, str) else v for k, v in self.keywords]
        label = "-".join([self.name, *words]).replace(" ", "").replace("'", "")
        if len(label) <= LONGEST_LABEL:
            return label
        return f"{label[: LONGEST_LABEL - 9]}~{zlib.crc32(repr(self).encode()):08x}"


@functools.lru_cache(maxsize=4096)
def _build(recipe: Recipe, dtype: str) -> Any:
    array = _BUILDERS[recipe.name](dtype, *recipe.positional, **dict(recipe.keywords))
    array.flags.writeable = False
    return array


def array_recipe(build: Callable[..., Any]) -> Callable[..., Recipe]:
    """Register a builder that takes the dtype first and returns a NumPy array."""
    _BUILDERS[build.__name__] = build
    signature = inspect.signature(build)
    arguments = signature.replace(parameters=list(signature.parameters.values())[1:])

    @functools.wraps(build)
    def recipe(*args: Any, **kwargs: Any) -> Recipe:
        arguments.bind(*args, **kwargs)
        return Recipe(build.__name__, args, tuple(kwargs.items()))

    recipe.__signature__ = arguments  # type: ignore[attr-defined]  # what inspect reads
    return recipe


def recipe(build: Callable[P, Entries]) -> Callable[P, Recipe]:
    """Register a builder of exact entries; the recipe rounds them to the dtype asked for."""

    def rounded(dtype: str, *args: Any, **kwargs: Any) -> Any:
        real, imaginary = build(*args, **kwargs)
        part = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
        if part == dtype:
            return _nearest(real, dtype)
        return (_nearest(real, part) + 1j * _nearest(imaginary, part)).astype(dtype)

    _BUILDERS[build.__name__] = rounded

    @functools.wraps(build)
    def make(*args: P.args, **kwargs: P.kwargs) -> Recipe:
        inspect.signature(build).bind(*args, **kwargs)
        return Recipe(build.__name__, args, tuple(kwargs.items()))

    return make


def _nearest(part: Any, dtype: str) -> Any:
    if np.dtype(dtype).kind in "biu":
        return part.astype(dtype)
    # Python divides integers with one correct rounding, and so the same everywhere.
    values = [float(v) if isinstance(v, float) else v.numerator / v.denominator for v in part.flat]
    return np.asarray(values, dtype="float64").reshape(part.shape).astype(dtype)


class Stream:
    """SplitMix64: integers that no library update will ever change."""

    def __init__(self, seed: int) -> None:
        self._state = seed & 0xFFFFFFFFFFFFFFFF

    def _next(self, size: int) -> Any:
        """Return so many unsigned integers of 64 bits, whose products wrap around."""
        steps = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = np.asarray(self._state, dtype=np.uint64) + steps
        self._state = (self._state + size * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def integers(self, low: int, high: int, *shape: int) -> Any:
        """Return an object array of Python integers, low and high included."""
        drawn = (self._next(int(np.prod(shape, dtype=int))) >> np.uint64(11)).astype(object)
        return (low + drawn % (high - low + 1)).reshape(shape)
