"""Call a closed form of a derivative in a situation, and judge what it returns, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinvx_conformance import _bounds
from pinvx_conformance._answers import expect_claimed
from pinvx_conformance._calls import Arguments, Call, Place, calls
from pinvx_conformance._check import Measurement, expect
from pinvx_conformance._company import Situation
from pinvx_conformance._item import Item
from pinvx_conformance._moves import Moves, Seeds, directions, moves
from pinvx_conformance._targets import Target

APART = 3  # items that are so many places apart move in the same direction


@dataclass(frozen=True, eq=False)
class Pair:
    """A matrix and a right-hand side of a call, and how the answer to both moves."""

    place: Place
    of_a: Place
    of_b: Place
    item: Item
    given: Mapping[str, Any]
    exact: Moves | None  # None where A is not finite

    def measure(self, found: Any, names: Sequence[str]) -> Measurement:
        """Compare with the sum of the derivatives of these names."""
        return measure(found, [self], names)


def measure(found: Any, pairs: Sequence[Pair], names: Sequence[str]) -> Measurement:
    """Compare with the sum over pairs, which is NaN where a matrix among them is not finite."""
    words = pairs[0].item.words
    exact = [pair.exact for pair in pairs if pair.exact is not None]
    if len(exact) < len(pairs):
        expect(
            bool(np.all(np.isnan(found))), f"a derivative of {words} has entries that are no NaN"
        )
        return Measurement(0.0, 1.0)
    size = sum(one.sizes[name] for one in exact for name in names) or 1.0
    # Over its size first: the square of what is near the end of the range would overflow.
    value: Any = sum(one.values[name] / size for one in exact for name in names)
    known = [pair.item.known for pair in pairs]
    unit = max(_bounds.unit(k.a.shape, pairs[0].item.dtype, k.kappa) for k in known)
    finite = bool(np.all(np.isfinite(found)))
    wide = np.asarray(found, dtype=np.result_type(found.dtype, np.float64))
    error = float(np.linalg.norm(wide / size - value)) if finite else float("inf")
    what = f"{' + '.join(names)} of {words}, over its natural size"
    return Measurement(error, _bounds.FIRST_ORDER * unit, known[0].kappa, known[0].rank, what)


def pairs_of(call: Call, dtype: str) -> list[Pair]:
    """Return every pair of a call, each moving in directions of its own."""
    found = []
    for place, of_a, of_b in call.pairs():
        recipe, rhs, cutoff = call.items[of_a], call.rhs[of_b], call.cutoff(of_a)
        item = Item(recipe, dtype, *cutoff)
        seeds = _seeds(call, place, of_a, of_b)
        exact = moves(recipe, dtype, rhs, seeds, *cutoff) if item.finite else None
        given = directions(recipe, rhs, dtype, seeds) if exact is None else exact.given
        found.append(Pair(place, of_a, of_b, item, given, exact))
    return found


def _seeds(call: Call, place: Place, of_a: Place, of_b: Place) -> Seeds:
    shapes = (call.items.shape, call.rhs.shape, call.batch)
    a, b, both = (
        (int(np.ravel_multi_index(i, shape)) if i else 0) % APART
        for i, shape in zip((of_a, of_b, place), shapes, strict=True)
    )
    return 200 + 2 * a, 300 + b, 400 + both


def closed_form(target: Target, situation: Situation, name: str) -> list[Measurement]:
    """Judge one of the four closed forms."""
    expect_claimed(target, situation)
    rows: list[Measurement] = []
    for call in calls(situation, situation.company.smooth):
        one = _Form(target, situation, call)
        rows += getattr(one, name)(target.closed_forms[name])
    return rows


class _Form:
    """One call of a closed form: its arrays, and each of the forms."""

    def __init__(self, target: Target, situation: Situation, call: Call) -> None:
        self.target, self.situation, self.call = target, situation, call
        self.arguments = Arguments(target, situation)
        self.pairs = pairs_of(call, self.arguments.computed)
        self.options = self.arguments.options(call)
        self.host_a = self.arguments.stack(call.items, situation.dtype)
        self.host_b = self.arguments.stack(call.rhs, self.arguments.computed)
        self.a = self.arguments.matrix(self.host_a)
        self.batch_a, self.batch_b = call.items.shape, call.rhs.shape

    def _stacked(self, name: str, batch: tuple[int, ...], place: str) -> Any:
        """Return the directions of one name, an array of the batch of A, of b, or of both."""
        inner = self.pairs[0].given[name]
        out = np.zeros((*batch, *inner.shape), dtype=inner.dtype)
        for pair in self.pairs:
            out[getattr(pair, place)] = pair.given[name]
        return out

    def _given(self, array: Any, *, columns: bool = False, real: bool = False) -> Any:
        """Return an array of the target; what has columns loses them where b is a vector."""
        squeezed = array[..., 0] if columns and self.situation.vector else array
        return self.arguments.other(squeezed, real=real)

    def _found(self, result: Any, batch: tuple[int, ...], host: tuple[int, ...], name: str) -> Any:
        """Return a result as NumPy has it, one dimension in front, a vector as a column."""
        columns = name in ("dx", "the change of ‖r‖²", "the cotangent of b")
        inner = host[:-1] if columns and self.situation.vector else host
        found = self.target.library.to_numpy(result)
        found = self.arguments.copies(found, batch, inner, name)
        return found.reshape(len(found), *batch, *host)

    def _of_a(self) -> list[Pair]:
        """Return one pair for each matrix."""
        first: dict[Place, Pair] = {}
        for pair in self.pairs:
            first.setdefault(pair.of_a, pair)
        return list(first.values())

    def pinv_jvp(self, function: Any) -> list[Measurement]:
        """Judge dX."""
        da = self._given(self._stacked("da", self.batch_a, "of_a"))
        found = self._found(
            function(self.a, da, **self.options), self.batch_a, self.host_a.shape[:-3:-1], "dX"
        )
        return [p.measure(x[p.of_a], ["dX"]) for p in self._of_a() for x in found]

    def pinv_vjp(self, function: Any) -> list[Measurement]:
        """Judge Ā for a cotangent of X."""
        g = self._given(self._stacked("G", self.batch_a, "of_a"))
        shape, name = self.host_a.shape[-2:], "the cotangent of A"
        found = self._found(function(self.a, g, **self.options), self.batch_a, shape, name)
        return [p.measure(x[p.of_a], ["A by X"]) for p in self._of_a() for x in found]

    def lstsq_jvp(self, function: Any) -> list[Measurement]:
        """Judge dx and the change of ‖r‖²."""
        da = self._given(self._stacked("da", self.batch_a, "of_a"))
        b = self._given(self.host_b, columns=True)
        db = self._given(self._stacked("db", self.batch_b, "of_b"), columns=True)
        dx, change = function(self.a, b, da, db, **self.options)
        k = self.host_b.shape[-1]
        moved = self._found(dx, self.call.batch, (self.host_a.shape[-1], k), "dx")
        squares = self._found(change, self.call.batch, (k,), "the change of ‖r‖²")
        rows = [p.measure(x[p.place], ["dx"]) for p in self.pairs for x in moved]
        return rows + [p.measure(x[p.place], ["dresiduals"]) for p in self.pairs for x in squares]

    def lstsq_vjp(self, function: Any) -> list[Measurement]:
        """Judge the cotangents of A and of b, which sum over what they were broadcast to."""
        b, batch = self._given(self.host_b, columns=True), self.call.batch
        g = self._given(self._stacked("g", batch, "place"), columns=True)
        weights = self._stacked("weights", batch, "place")
        weights = self._given(weights, columns=True, real=True)
        bar_a, bar_b = function(self.a, b, g, weights, **self.options)
        of_a = self._found(bar_a, self.batch_a, self.host_a.shape[-2:], "the cotangent of A")
        of_b = self._found(bar_b, self.batch_b, self.host_b.shape[-2:], "the cotangent of b")
        rows = []
        for names, found, place in (("A", of_a, "of_a"), ("b", of_b, "of_b")):
            by = [f"{names} by x", f"{names} by residuals"]
            for i in dict.fromkeys(getattr(p, place) for p in self.pairs):
                met = [p for p in self.pairs if getattr(p, place) == i]
                rows += [measure(x[i], met, by) for x in found]
        return rows
