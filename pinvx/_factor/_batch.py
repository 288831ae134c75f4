"""Parts of a batch: those that one rung accepted and those that go down to the next."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

from .._adapter import Adapter
from .._typing import Array

T = TypeVar("T", bound=tuple[Any, ...])


class Refused(NamedTuple):
    """The matrices of a batch that a rung refused, where values can be read."""

    lib: Adapter
    batch: tuple[int, ...]
    index: Array
    """Their places, if the batch had one dimension."""

    @classmethod
    def of(cls, lib: Adapter, accepted: Array) -> Refused:
        """Find what was refused."""
        flat = lib.xp.reshape(accepted, (-1,))
        return cls(lib, tuple(accepted.shape), lib.xp.nonzero(~flat)[0])

    def take(self, x: Any, core: int) -> Any:
        """Take the refused part of an array with `core` dimensions beyond the batch's."""
        if x is None or isinstance(x, float):
            return x
        xp = self.lib.xp
        inner = tuple(x.shape[x.ndim - core :])
        flat = xp.reshape(xp.broadcast_to(x, (*self.batch, *inner)), (-1, *inner))
        return xp.take(flat, self.index, axis=0)

    def insert(self, first: T, below: T) -> T:
        """Put the results of the refused in their places among those of the accepted.

        Both are tuples whose first three fields are arrays of the batch, or None.
        """
        xp, count = self.lib.xp, math.prod(self.batch)

        def together(x: Array | None, y: Array | None) -> Array | None:
            if x is None or y is None:
                return None
            flat = xp.reshape(x, (count, *x.shape[len(self.batch) :]))
            return xp.reshape(self.lib.put(flat, self.index, y), x.shape)

        return _pairwise(together, first, below)


def merged(lib: Adapter, accepted: Array, first: T, other: T) -> T:
    """Take the accepted from `first` and the rest from `other`, both of the whole batch."""

    def together(x: Array | None, y: Array | None) -> Array | None:
        if x is None or y is None:
            return None
        inner = (1,) * (x.ndim - accepted.ndim)
        return lib.xp.where(lib.xp.reshape(accepted, (*accepted.shape, *inner)), x, y)

    return _pairwise(together, first, other)


def _pairwise(together: Any, first: T, other: T) -> T:
    return type(first)(*(together(x, y) for x, y in zip(first[:3], other[:3], strict=True)))
