"""The array: a value of NumPy's, behind a class of its own."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


class Array:
    """An array that knows its namespace, the standard's operators, and nothing of NumPy's."""

    __array_priority__ = 1000

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return the namespace: this module."""
        import example_arrays

        return example_arrays

    @property
    def dtype(self) -> Any:
        """Return the dtype."""
        return self._values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape."""
        return self._values.shape

    @property
    def ndim(self) -> int:
        """Return the number of dimensions."""
        return self._values.ndim

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return self._values.size

    @property
    def device(self) -> str:
        """Return the one device."""
        return "example"

    @property
    def mT(self) -> Array:  # noqa: N802 — the standard's name
        """Return the transpose of each matrix."""
        return Array(self._values.mT)

    def to_device(self, device: str, /) -> Array:
        """Return the array on a device."""
        return self

    def __getitem__(self, key: Any) -> Array:
        keys = key if isinstance(key, tuple) else (key,)
        keys = tuple(plain(k) for k in keys)
        return Array(self._values[keys if isinstance(key, tuple) else keys[0]])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[plain(key)] = plain(value)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __float__(self) -> float:
        return float(self._values)

    def __int__(self) -> int:
        return int(self._values)

    def __neg__(self) -> Array:
        return Array(-self._values)

    def __invert__(self) -> Array:
        return Array(~self._values)

    def __abs__(self) -> Array:
        return Array(abs(self._values))


def plain(x: Any) -> Any:
    return x._values if isinstance(x, Array) else x


def _operator(function: Any, *, reflected: bool) -> Any:
    def apply(self: Array, other: Any) -> Any:
        if not isinstance(other, (Array, bool, int, float, complex)):
            return NotImplemented
        x, y = self._values, plain(other)
        return Array(function(y, x) if reflected else function(x, y))

    return apply


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "and", "or", "xor"):
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(Array, f"__{_name}__", _operator(_function, reflected=False))
    setattr(Array, f"__r{_name}__", _operator(_function, reflected=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Array, f"__{_name}__", _operator(getattr(operator, _name), reflected=False))
Array.__hash__ = None  # type: ignore[assignment] # as every array with elementwise equality
