"""The time of a call, forecast from similar calls, since a call on a device cannot be stopped."""

from __future__ import annotations

from collections.abc import Hashable

from ..cell import Cell
from ..grid import Shape
from .operations import operations

REACH = 100.0
"""A forecast reaches problems this many times as large: small ones are all overhead."""


class Forecast:
    """Times by library, function, dtype and kind, for single matrices and for batches."""

    def __init__(self) -> None:
        self._known: dict[Hashable, list[tuple[float, Shape, float]]] = {}

    def learn(self, side: str, cell: Cell, seconds: float) -> None:
        """Keep what a call took."""
        self._known.setdefault(self._like(side, cell), []).append(
            (self._size(cell), Shape.parse(cell.shape), seconds)
        )

    def seconds(self, side: str, cell: Cell) -> float | None:
        """Return the forecast, from the rate of the largest smaller problem; None if unknown."""
        size, shape = self._size(cell), Shape.parse(cell.shape)
        smaller = [
            known for known in self._known.get(self._like(side, cell), ()) if known[0] <= size
        ]
        if not smaller:
            return None
        known, at, seconds = max(smaller, key=lambda x: x[0])
        if size / known > REACH and (at.m, at.n) != (shape.m, shape.n):
            return None
        return seconds * size / known

    @staticmethod
    def _like(side: str, cell: Cell) -> Hashable:
        batch = "*" in cell.shape
        return side, cell.library, cell.function, cell.mode, cell.dtype, cell.kind, batch

    @staticmethod
    def _size(cell: Cell) -> float:
        return operations(cell.function, cell.mode, Shape.parse(cell.shape), cell.dtype)
