"""The calls that make up a situation, and how arrays get to a target and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinvx_conformance._check import expect
from pinvx_conformance._company import Situation
from pinvx_conformance._moves import real_of
from pinvx_conformance._recipe import CARRIER, Recipe
from pinvx_conformance._targets import Target

Place = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """The matrices, right-hand sides and tolerances of one call, each an array of its batch shape.

    `rtol` and `atol` hold numbers or None, and have the batch shape of the matrices.
    """

    items: Any
    rhs: Any
    rtol: Any
    atol: Any

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch shape of least squares."""
        return tuple(np.broadcast_shapes(self.items.shape, self.rhs.shape))

    def cutoff(self, place: Place) -> tuple[float | None, float]:
        """Return rtol and atol of the matrix at a place."""
        return self.rtol[place], self.atol[place] or 0.0

    def pairs(self) -> Iterator[tuple[Place, Place, Place]]:
        """Yield each place of the batch, that of its matrix, and that of its right-hand side."""
        for i in np.ndindex(self.batch):
            yield i, own(i, self.items.shape), own(i, self.rhs.shape)


def own(i: Place, shape: tuple[int, ...]) -> Place:
    """Return the place of a batch's item i in an array that broadcasts with the batch."""
    tail = i[len(i) - len(shape) :]
    return tuple(k if n > 1 else 0 for k, n in zip(tail, shape, strict=True))


def _filled(values: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    out: Any = np.empty(shape, dtype=object)
    for i, value in zip(np.ndindex(shape), values, strict=True):
        out[i] = value
    return out


def calls(situation: Situation, items: tuple[Recipe, ...]) -> Iterator[Call]:
    """Yield the calls of a situation: one with the whole batch, or one for each item."""
    s, count = situation, int(np.prod(situation.b_batch, dtype=int))
    rtol, atol = (t if isinstance(t, tuple) else (t,) * len(items) for t in (s.rtol, s.atol))
    if s.a_batch is not None:
        a, first, second = (_filled(v, s.a_batch) for v in (items, rtol, atol))
        yield Call(a, _filled(s.rhs, s.b_batch), first, second)
        return
    for i, item in enumerate(items):
        rhs = _filled(s.rhs[i * count : (i + 1) * count], s.b_batch)
        yield Call(_filled((item,), ()), rhs, _filled((rtol[i],), ()), _filled((atol[i],), ()))


class Arguments:
    """How the arrays of a situation reach a target."""

    def __init__(self, target: Target, situation: Situation) -> None:
        self.target, self.situation, self.lib = target, situation, target.library
        self.dtype, self.computed = situation.dtype, computed_in(target, situation.dtype)

    def matrix(self, array: Any) -> Any:
        """Return a NumPy array as one of the library, in the layout of the situation."""
        if not self.situation.a_as_well:
            return self.lib.asarray(array, self.dtype)
        return self._placed(array, self.dtype)

    def other(self, array: Any, *, real: bool = False) -> Any:
        """Return a right-hand side or a direction likewise; beside integers they are floats."""
        return self._placed(array, real_of(self.computed) if real else self.computed)

    def _placed(self, array: Any, dtype: str) -> Any:
        views = self.lib.layouts(self.lib, array) if self.situation.layout else {}
        if self.situation.layout in views:
            return views[self.situation.layout]
        return self.lib.asarray(array, dtype)  # also where a real array has no such layout

    def options(self, call: Call) -> dict[str, Any]:
        """Return the tolerances and the method as the target takes them."""
        s, found = self.situation, {}
        for name, value, each in (("rtol", s.rtol, call.rtol), ("atol", s.atol, call.atol)):
            if isinstance(value, tuple):
                real = real_of(self.computed)
                table = np.asarray(each, dtype=CARRIER.get(real, real))
                found[name] = self.lib.asarray(table)
            elif value is not None:
                found[name] = value
        return found | ({"method": s.method} if s.method != "auto" else {})

    def stack(self, recipes: Any, dtype: str) -> Any:
        """Return a NumPy array of the matrices that an array of recipes names."""
        arrays = [r.array(dtype) for r in recipes.ravel()]
        return np.stack(arrays).reshape(*recipes.shape, *arrays[0].shape)

    def copies(self, found: Any, batch: tuple[int, ...], inner: tuple[int, ...], name: str) -> Any:
        """Return a result with one dimension in front, for layouts that broadcast the batch."""
        found = np.asarray(found)
        wanted, shape = (*batch, *inner), found.shape
        several = bool(self.situation.layout) and found.ndim == len(wanted) + 1
        right = (shape[1:] if several else shape) == wanted
        expect(right, f"{name} has shape {shape}, not {wanted}")
        return found if several else found[None]

    def expect_dtype(self, found: Any, wanted: str, name: str) -> None:
        """Raise unless a result of the library has the dtype that the inputs ask for."""
        dtype = self.lib.dtype_name(found)
        expect(dtype == wanted, f"{name} has dtype {dtype}, not {wanted}")

    def expect_untouched(self, given: Any, before: Any) -> None:
        """Raise if a call modified its input."""
        after = self.lib.to_numpy(given)
        same = np.array_equal(after, before, equal_nan=after.dtype.kind in "fc")
        expect(same, "an input was modified")


def computed_in(target: Target, dtype: str) -> str:
    """Return the floating dtype of the results: the library's default for integers."""
    lib = target.library
    return lib.dtype_name(lib.xp.zeros(1)) if dtype in lib.integers else dtype
