"""Run a plan: try its methods in turn until one is accepted. Nothing else chooses.

One matrix: the first method whose certificate holds. An eager batch: only the refused matrices go
to the next method. A compiled program: nested conditions, and the last method computes only the
refused matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ._adapter import Adapter, Tracer
from ._factor import Answer, Factor, completed, finished
from ._methods._proposal import Method
from ._methods._svd import svd
from ._plan import Either, compiled_plan, is_deficient, plan
from ._problem import Problem
from ._typing import Array


def climb(p: Problem, method: str = "auto") -> tuple[Any, str]:
    """Return the answer that the problem wants, and the names of the methods that gave it.

    `method` is "auto", or names as `plan` takes them.
    """
    if p.readable:
        return _eager(p, plan(p, method))
    tracer = p.lib.tracer
    stages: list[Any]
    if tracer is None or not tracer.sees(p.a) or p.singular_values or method == "svd":
        return finished(p, svd(p).answer()), "svd"
    stages = compiled_plan(p) if method == "auto" else [found for _, found in plan(p, method)]
    answer = _compiled(p, stages)
    return (answer._replace(steps=1) if isinstance(answer, Factor) else answer), method


def _eager(p: Problem, methods: Iterator[tuple[str, Method]]) -> tuple[Answer, str]:
    all_of = p.lib.all
    for name, method in methods:
        proposal = method(p)
        accepted = proposal.accepted
        if all_of(accepted):
            return finished(p, proposal.answer()), name
        if p.a.ndim > 2 and accepted is not False and not all_of(~accepted):
            break
    first = completed(p, finished(p, proposal.answer()))
    places = Places.of(p.lib, ~accepted)
    part = p.take(places)
    below, names = _eager(part, methods)
    return places.put(first, completed(part, below)), f"{name},{names}"


class Places(NamedTuple):
    """Some items of a batch, in eager mode."""

    lib: Adapter
    batch: tuple[int, ...]
    index: Array
    """Ascending places in the flattened batch."""

    @classmethod
    def of(cls, lib: Adapter, chosen: Array) -> Places:
        """Find where `chosen` is true."""
        return cls(lib, tuple(chosen.shape), lib.xp.nonzero(lib.xp.reshape(chosen, (-1,)))[0])

    def take(self, x: Any, core: int) -> Any:
        """Take the items at these places, each of `core` dimensions."""
        if x is None or isinstance(x, float):
            return x
        xp = self.lib.xp
        inner = tuple(x.shape[x.ndim - core :])
        flat = xp.reshape(
            xp.broadcast_to(x, (*self.batch, *inner)), (math.prod(self.batch), *inner)
        )
        return xp.take(flat, self.index, axis=0)

    def put(self, whole: Any, part: Any) -> Any:
        """Return the answer `whole` with that of the part in these places."""
        xp, count = self.lib.xp, math.prod(self.batch)
        device = self.lib.device(self.index)
        places = xp.arange(count, dtype=self.index.dtype, device=device)
        order = xp.searchsorted(self.index, places)  # the number of places before each item
        last = xp.clip(order, max=self.index.shape[0] - 1)
        here = xp.take(self.index, last, axis=0) == places
        source = xp.where(here, count + order, places)

        def together(x: Any, y: Any) -> Any:
            if x is None or y is None or isinstance(x, int):
                return None
            inner = tuple(x.shape[len(self.batch) :])
            both = xp.concat([xp.reshape(x, (count, *inner)), y], axis=0)
            return xp.reshape(xp.take(both, source, axis=0), (*self.batch, *inner))

        fields = {name: together(x, getattr(part, name)) for name, x in whole._asdict().items()}
        if "steps" in fields:
            fields["steps"] = max(whole.steps, part.steps)
        return type(whole)(**fields)


def _compiled(p: Problem, stages: Sequence[Method | Either]) -> Any:
    """Return the answer of a program that chooses at run time."""
    batch = tuple(p.a.shape[:-2])
    if not batch:
        return _compiled_one(p, stages)
    if len(batch) == 1:
        return _compiled_batch(p, stages)
    answer = _compiled_batch(p.flattened(), stages)
    arrays = {k: x for k, x in answer._asdict().items() if hasattr(x, "shape")}
    return answer._replace(
        **{k: p.lib.xp.reshape(x, (*batch, *x.shape[1:])) for k, x in arrays.items()}
    )


def _compiled_one(p: Problem, stages: Sequence[Method | Either]) -> Any:
    first, *rest = stages
    if not rest:
        return _by(p, first)
    tracer = _tracer(p)
    # Results of one branch must not reach another, so each branch gets a copy.
    if isinstance(first, Either):
        either = first
        answer, accepted = tracer.branch(
            is_deficient(p),
            lambda: _tried(p.fork(), either.deficient),
            lambda: _tried(p.fork(), either.full),
        )
        return tracer.branch(accepted, lambda: answer, lambda: _compiled_one(p.fork(), rest))
    proposal = first(p)
    return tracer.branch(
        proposal.accepted,
        lambda: _uniform(p, proposal.answer()),
        lambda: _compiled_one(p.fork(), rest),
    )


def _compiled_batch(p: Problem, stages: Sequence[Method | Either]) -> Any:
    first, *middle = stages
    if not middle:
        return _by(p, first)
    *middle, last = middle
    tracer, xp = _tracer(p), p.lib.xp
    start, accepted = _tried(p, first)

    def refused() -> Any:
        q = p.fork()
        found = start, accepted
        for stage in middle:
            # If few matrices are still refused, only the last method pays, for these alone.
            count = xp.sum(xp.astype(~found[1], xp.asarray(0).dtype))
            few = FEW * count <= p.a.shape[0]
            go_on = partial(_mended, q, stage, *found)
            found = tracer.branch(few, partial(tuple, found), go_on)
        return tracer.mend(q, *found, lambda part: _by(part, last))

    return tracer.branch(accepted, lambda: start, refused)


# If at most one matrix in so many is refused, the last method computes the refused ones at once.
FEW = 32


def _mended(p: Problem, stage: Method | Either, answer: Any, sound: Array) -> tuple[Any, Array]:
    """Return the answer after one more method for the whole batch, and which items are sound."""
    if isinstance(stage, Either):
        either = stage
        found: tuple[Any, Array] = _tracer(p).branch(
            sound | is_deficient(p),
            lambda: _mended(p.fork(), either.deficient, answer, sound),
            lambda: _mended(p.fork(), either.full, answer, sound),
        )
        return found
    other, accepted = _tried(p.fork(), stage)

    def chosen(x: Any, y: Any) -> Any:
        if x is None or y is None or isinstance(x, int):
            return x
        return p.lib.xp.where(p.lib.xp.reshape(sound, (-1, *(1,) * (x.ndim - 1))), x, y)

    return type(answer)(*map(chosen, answer, other)), sound | accepted


def _tried(p: Problem, method: Any) -> tuple[Any, Any]:
    proposal = method(p)
    return _uniform(p, proposal.answer()), proposal.accepted


def _by(p: Problem, method: Any) -> Any:
    return _uniform(p, method(p).answer())


def _uniform(p: Problem, found: Any) -> Any:
    """Return the answer in the form that all branches of a program share."""
    answer = completed(p, finished(p, found))
    steps: Any = None  # a program carries arrays alone
    return answer._replace(s=None, steps=steps) if isinstance(answer, Factor) else answer


def _tracer(p: Problem) -> Tracer:
    assert p.lib.tracer is not None  # the callers have checked
    return p.lib.tracer
