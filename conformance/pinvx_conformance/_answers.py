"""Call a function in a situation, and judge all that it returns, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _evaluate
from pinvx_conformance._calls import Arguments, Call, Place, calls
from pinvx_conformance._check import Measurement, expect
from pinvx_conformance._company import Situation
from pinvx_conformance._item import Item
from pinvx_conformance._moves import real_of
from pinvx_conformance._targets import Target

JUNK = 7.0  # stands above the diagonal of what hermitian=True is to read below it alone


def pinv(target: Target, situation: Situation, *, hermitian: bool = False) -> list[Measurement]:
    """Judge A⁺ and the rank of each item."""
    s, arguments, rows = situation, Arguments(target, situation), []
    for call in calls(s, s.company.hermitian if hermitian else s.company.values):
        host = arguments.stack(call.items, s.dtype)
        if hermitian:
            upper = np.triu(np.ones(host.shape[-2:], dtype=bool), 1)
            host = np.where(upper, JUNK, host).astype(host.dtype)
        given = arguments.matrix(host)
        before = target.library.to_numpy(given).copy()
        options = arguments.options(call) | ({"hermitian": True} if hermitian else {})
        for _ in range(s.calls):
            found, rank = _called(target, given, options)
        arguments.expect_untouched(given, before)
        arguments.expect_dtype(found, arguments.computed, "X")
        found = target.library.to_numpy(found)
        x = arguments.copies(found, call.items.shape, host.shape[:-3:-1], "X")
        if rank is not None:
            rank = target.library.to_numpy(rank)
            expect(rank.dtype.kind in "iu", f"the rank has dtype {rank.dtype}")
            rank = arguments.copies(rank, call.items.shape, (), "the rank")
        for k in np.ndindex(len(x), *call.items.shape):
            one = Item(call.items[k[1:]], arguments.computed, *call.cutoff(k[1:]), hermitian)
            rows.append(one.pinv(x[k], None if rank is None else int(rank[k])))
    return rows


def _called(target: Target, given: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """Return X and the rank, None where the target tells none."""
    assert target.pinv is not None  # the check needs it
    if not target.claims("return_rank"):
        return target.pinv(given, **options), None
    x, rank = target.pinv(given, return_rank=True, **options)
    return x, rank


def lstsq(
    target: Target, situation: Situation, *, singular_values: bool = False
) -> list[Measurement]:
    """Judge x, the residuals, the rank and the singular values of each item."""
    s, arguments, rows = situation, Arguments(target, situation), []
    assert target.lstsq is not None  # the check needs it
    for call in calls(s, s.company.values):
        a = arguments.stack(call.items, s.dtype)
        b = arguments.stack(call.rhs, arguments.computed)
        count, inner = b.shape[-1], () if s.vector else (b.shape[-1],)
        given = (arguments.matrix(a), arguments.other(b[..., 0] if s.vector else b))
        before = [target.library.to_numpy(v).copy() for v in given]
        options = arguments.options(call)
        options |= {"singular_values": True} if singular_values else {}
        for _ in range(s.calls):
            raw = target.lstsq(*given, **options)
        for value, original in zip(given, before, strict=True):
            arguments.expect_untouched(value, original)
        arguments.expect_dtype(raw.x, arguments.computed, "x")
        solved = _evaluate.on_host(target, raw)
        x = arguments.copies(solved.x, call.batch, (a.shape[-1], *inner), "x")
        x = x.reshape(len(x), *call.batch, a.shape[-1], count)
        squares = None
        if target.claims("residuals"):
            arguments.expect_dtype(raw.residuals, real_of(arguments.computed), "the residuals")
            squares = arguments.copies(solved.residuals, call.batch, inner, "the residuals")
            squares = squares.reshape(len(squares), *call.batch, count)
        for k in range(len(x)):
            for place, of_a, of_b in call.pairs():
                one = Item(call.items[of_a], arguments.computed, *call.cutoff(of_a))
                square = None if squares is None else squares[(k, *place)]
                rows += one.system(call.rhs[of_b], x[(k, *place)], square)
        _expect_ranks(target, arguments, call, solved.rank)
        if singular_values:
            expect(raw.s is not None, "s is None though it was asked for")
            arguments.expect_dtype(raw.s, real_of(arguments.computed), "s")
            rows += _of_singular_values(arguments, call, solved.s)
    return rows


def _items(arguments: Arguments, call: Call) -> dict[Place, Item]:
    places = np.ndindex(call.items.shape)
    return {i: Item(call.items[i], arguments.computed, *call.cutoff(i)) for i in places}


def _expect_ranks(target: Target, arguments: Arguments, call: Call, rank: Any) -> None:
    """Judge the rank, which belongs to a matrix and not to its right-hand sides."""
    if not target.claims("lstsq rank"):
        return
    ranks = arguments.copies(rank, call.items.shape, (), "the rank")
    expect(ranks.dtype.kind in "iu", f"the rank has dtype {ranks.dtype}")
    for i, item in _items(arguments, call).items():
        for one in ranks:
            item.expect_rank(int(one[i]))


def _of_singular_values(arguments: Arguments, call: Call, s: Any) -> Iterator[Measurement]:
    items = _items(arguments, call)
    short = min(next(iter(items.values())).recipe.shape)
    s = arguments.copies(s, call.items.shape, (short,), "s")
    for i, item in items.items():
        yield from (item.singular_values(one[i]) for one in s)
