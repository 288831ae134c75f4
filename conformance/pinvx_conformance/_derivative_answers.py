"""Call a derivative in a situation, and judge what it returns, item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pinvx_conformance import _bounds
from pinvx_conformance._calls import Arguments, Call, Place, calls
from pinvx_conformance._check import Measurement, expect
from pinvx_conformance._company import Situation, clean
from pinvx_conformance._exact import scale
from pinvx_conformance._item import Item
from pinvx_conformance._moves import Moves, Seeds, directions, moves, real_of
from pinvx_conformance._targets import Target

Form = Callable[..., Any]
APART = 3  # items that are so many places apart move in the same direction

# How each array grows where A is multiplied by 2^k, b by 2^j and the directions of A by 2^d, as
# multiples of (k, j, d). Only the derivatives of A⁺ alone meet a d that is not k.
GROWS = {
    "a": (1, 0, 0),
    "b": (0, 1, 0),
    "da": (0, 0, 1),
    "G": (0, 0, 1),
    "db": (0, 1, 0),
    "g": (1, -1, 0),
    "weights": (0, -2, 0),
    "dX": (-2, 0, 1),
    "A by X": (-2, 0, 1),
    "dx": (-1, 1, 0),
    "dresiduals": (0, 2, 0),
    "A by x": (-1, 0, 0),
    "A by residuals": (-1, 0, 0),
    "b by x": (0, -1, 0),
    "b by residuals": (0, -1, 0),
}


@dataclass(frozen=True, eq=False)
class Pair:
    """A matrix and a right-hand side of a call, and how the answer to both moves."""

    place: Place
    of_a: Place
    of_b: Place
    item: Item
    given: Mapping[str, Any]
    exact: Moves | None  # None where A is not finite
    exponents: tuple[int, int, int]

    def exponent(self, name: str) -> int:
        """Return the power of two that an array of this name is multiplied by."""
        return sum(e * times for e, times in zip(self.exponents, GROWS[name], strict=True))


def measure(found: Any, pairs: Sequence[Pair], names: Sequence[str]) -> Measurement:
    """Compare with the sum over pairs, which is NaN where a matrix among them is not finite."""
    words = pairs[0].item.words
    exact = [pair.exact for pair in pairs if pair.exact is not None]
    if len(exact) < len(pairs):
        nan = bool(np.all(np.isnan(found)))
        expect(nan, f"a derivative of {words} has entries that are no NaN", "P11")
        return Measurement(0.0, 1.0)
    size = sum(one.sizes[name] for one in exact for name in names) or 1.0
    # Over its size first: the square of what is near the end of the range would overflow.
    value: Any = sum(one.values[name] / size for one in exact for name in names)
    known, dtype = [pair.item.known for pair in pairs], pairs[0].item.dtype
    unit = max(_bounds.computed_unit(k.a.shape, dtype, k.kappa) for k in known)
    wide = np.asarray(found, dtype=np.result_type(found.dtype, np.float64))
    with np.errstate(all="ignore"):  # a wrong derivative may be anything
        near = scale(wide, -pairs[0].exponent(names[0]))
        error = float(np.linalg.norm(near / size - value))
    finite = bool(np.all(np.isfinite(wide))) and np.isfinite(error)
    what = f"{' + '.join(names)} of {words}, over its natural size"
    bound = _bounds.rounded(float(np.linalg.norm(value)), _bounds.FIRST_ORDER * unit, dtype)
    value = error if finite else float("inf")
    return Measurement(value, bound, known[0].kappa, known[0].rank, what)


def pairs_of(situation: Situation, call: Call, dtype: str, first: int) -> list[Pair]:
    """Return every pair of a call, each moving in directions of its own.

    `first` is the place of the call's first item in the situation.
    """
    found = []
    for place, of_a, of_b in call.pairs():
        recipe, rhs, cutoff = call.items[of_a], call.rhs[of_b], call.cutoff(of_a)
        item = Item(recipe, dtype, *cutoff)
        a, b, both = _numbers(call, place, of_a, of_b)
        seeds: Seeds = (200 + 2 * (a % APART), 300 + b % APART, 400 + both % APART)
        exact = moves(recipe, dtype, rhs, seeds, *cutoff) if item.finite else None
        given = directions(recipe, rhs, dtype, seeds) if exact is None else exact.given
        exponents = situation.exponents[(first + a) % len(situation.exponents)]
        found.append(Pair(place, of_a, of_b, item, given, exact, exponents))
    return found


def _numbers(call: Call, *places: Place) -> list[int]:
    """Return the place in the batch, of A and of b as numbers: those of A, of b, and of both."""
    place, of_a, of_b = places
    shapes = ((of_a, call.items.shape), (of_b, call.rhs.shape), (place, call.batch))
    return [int(np.ravel_multi_index(i, shape)) if i else 0 for i, shape in shapes]


def automatic_forms(target: Target) -> dict[str, Form]:
    """Return the derivatives by the library's automatic differentiation, in the closed forms' way.

    A form whose mode the library lacks raises when it is called; nobody calls it.
    """
    lib, pinv, solver = target.library, target.pinv, target.lstsq

    def pinv_jvp(a: Any, da: Any, **options: Any) -> Any:
        assert lib.jvp is not None  # the check needs it
        return lib.jvp(lambda a: pinv(a, **options), (a,), (da,))  # type: ignore[misc]

    def pinv_vjp(a: Any, g: Any, **options: Any) -> Any:
        assert lib.vjp is not None  # the check needs it
        return lib.vjp(lambda a: pinv(a, **options), (a,), g)[0]  # type: ignore[misc]

    def solved(name: str, options: Any) -> Callable[[Any, Any], Any]:
        return lambda a, b: getattr(solver(a, b, **options), name)  # type: ignore[misc]

    def lstsq_jvp(a: Any, b: Any, da: Any, db: Any, **options: Any) -> Any:
        jvp = lib.jvp
        assert jvp is not None  # the check needs it
        names = ("x", "residuals")
        return tuple(jvp(solved(name, options), (a, b), (da, db)) for name in names)

    def lstsq_vjp(a: Any, b: Any, g: Any, weights: Any = None, **options: Any) -> Any:
        assert lib.vjp is not None  # the check needs it
        by_x = lib.vjp(solved("x", options), (a, b), g)
        if weights is None:
            return by_x
        by_r = lib.vjp(solved("residuals", options), (a, b), weights)
        return tuple(x + r for x, r in zip(by_x, by_r, strict=True))

    return {
        "pinv_jvp": pinv_jvp,
        "pinv_vjp": pinv_vjp,
        "lstsq_jvp": lstsq_jvp,
        "lstsq_vjp": lstsq_vjp,
    }


def derivative(
    target: Target, situation: Situation, name: str, forms: Mapping[str, Form]
) -> list[Measurement]:
    """Judge one of the four derivatives, by a closed form or by automatic differentiation."""
    rows: list[Measurement] = []
    for i, call in enumerate(calls(situation, situation.company.smooth)):
        one = _Form(target, situation, call, i)
        before = target.library.to_numpy(one.a).copy()
        for _ in range(situation.calls):
            found = getattr(one, name)(forms[name])
        one.arguments.expect_untouched(one.a, before)
        rows += found
    return rows


class _Form:
    """One call of a derivative: its arrays, and each of the four."""

    def __init__(self, target: Target, situation: Situation, call: Call, first: int) -> None:
        # A cotangent of A sums over the columns of b: all of these are finite.
        rhs = np.vectorize(clean, otypes=[object])(call.rhs) if call.rhs.size else call.rhs
        self.call = call = replace(call, rhs=rhs)
        self.target, self.situation = target, situation
        self.arguments = Arguments(target, situation)
        self.pairs = pairs_of(situation, call, self.arguments.computed, first)
        self.options = self.arguments.options(call)
        self.host_a = self.arguments.stack(call.items, situation.dtype)
        self.host_b = self.arguments.stack(call.rhs, self.arguments.computed)
        self.a = self.arguments.matrix(self._scaled(self.host_a, "a", "of_a"))
        self.batch_a, self.batch_b = call.items.shape, call.rhs.shape

    def _scaled(self, array: Any, name: str, place: str) -> Any:
        """Return a stack with each item multiplied by its power of two."""
        if self.situation.exponents == ((0, 0, 0),):
            return array
        out = array.copy()
        for pair in self.pairs:
            i = getattr(pair, place)
            out[i] = scale(array[i], pair.exponent(name)).astype(array.dtype)
        return out

    def _stacked(self, name: str, batch: tuple[int, ...], place: str) -> Any:
        """Return the directions of one name, an array of the batch of A, of b, or of both."""
        inner = self.pairs[0].given[name]
        out = np.zeros((*batch, *inner.shape), dtype=inner.dtype)
        for pair in self.pairs:
            out[getattr(pair, place)] = pair.given[name]
        return self._scaled(out, name, place)

    def _given(self, array: Any, *, columns: bool = False, real: bool = False) -> Any:
        """Return an array of the target; what has columns loses them where b is a vector."""
        squeezed = array[..., 0] if columns and self.situation.vector else array
        return self.arguments.other(squeezed, real=real)

    def _b(self) -> Any:
        return self._given(self._scaled(self.host_b, "b", "of_b"), columns=True)

    def _found(self, result: Any, batch: tuple[int, ...], host: tuple[int, ...], name: str) -> Any:
        """Return a result as NumPy has it, one dimension in front, a vector as a column."""
        wanted = self.arguments.computed
        wanted = real_of(wanted) if name == "the change of ‖r‖²" else wanted
        self.arguments.expect_dtype(result, wanted, name)
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

    def pinv_jvp(self, function: Form) -> list[Measurement]:
        """Judge dX."""
        da = self._given(self._stacked("da", self.batch_a, "of_a"))
        shape = self.host_a.shape[:-3:-1]
        found = self._found(function(self.a, da, **self.options), self.batch_a, shape, "dX")
        return [measure(x[p.of_a], [p], ["dX"]) for p in self._of_a() for x in found]

    def pinv_vjp(self, function: Form) -> list[Measurement]:
        """Judge Ā for a cotangent of X."""
        g = self._given(self._stacked("G", self.batch_a, "of_a"))
        shape, name = self.host_a.shape[-2:], "the cotangent of A"
        found = self._found(function(self.a, g, **self.options), self.batch_a, shape, name)
        return [measure(x[p.of_a], [p], ["A by X"]) for p in self._of_a() for x in found]

    def lstsq_jvp(self, function: Form) -> list[Measurement]:
        """Judge dx and the change of ‖r‖²."""
        da = self._given(self._stacked("da", self.batch_a, "of_a"))
        db = self._given(self._stacked("db", self.batch_b, "of_b"), columns=True)
        dx, change = function(self.a, self._b(), da, db, **self.options)
        k = self.host_b.shape[-1]
        moved = self._found(dx, self.call.batch, (self.host_a.shape[-1], k), "dx")
        squares = self._found(change, self.call.batch, (k,), "the change of ‖r‖²")
        rows = [measure(x[p.place], [p], ["dx"]) for p in self.pairs for x in moved]
        for p in self.pairs:
            rows += [measure(x[p.place], [p], ["dresiduals"]) for x in squares]
        return rows

    def lstsq_vjp(self, function: Form) -> list[Measurement]:
        """Judge the cotangents of A and of b, of x alone and of x and the residuals."""
        g = self._given(self._stacked("g", self.call.batch, "place"), columns=True)
        weights = self._stacked("weights", self.call.batch, "place")
        weights = self._given(weights, columns=True, real=True)
        b = self._b()
        rows = self._cotangents(function(self.a, b, g, **self.options), ("x",))
        both = function(self.a, b, g, weights, **self.options)
        return rows + self._cotangents(both, ("x", "residuals"))

    def _cotangents(self, results: Any, of: tuple[str, ...]) -> list[Measurement]:
        """Judge the cotangents of A and of b, which sum over what these were broadcast to."""
        bar_a, bar_b = results
        of_a = self._found(bar_a, self.batch_a, self.host_a.shape[-2:], "the cotangent of A")
        of_b = self._found(bar_b, self.batch_b, self.host_b.shape[-2:], "the cotangent of b")
        rows = []
        for name, found, place in (("A", of_a, "of_a"), ("b", of_b, "of_b")):
            names = [f"{name} by {part}" for part in of]
            for i in dict.fromkeys(getattr(p, place) for p in self.pairs):
                met = [p for p in self.pairs if getattr(p, place) == i]
                # Without a column there is nothing that could carry a NaN over.
                if self.host_b.shape[-1] or all(p.exact for p in met):
                    rows += [measure(x[i], met, names) for x in found]
        return rows
