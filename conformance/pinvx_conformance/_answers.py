"""Call a function in a situation, and judge all that it returns, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _evaluate
from pinvx_conformance._calls import Arguments, Call, calls
from pinvx_conformance._check import Measurement, NotApplicableError, expect
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
            found = _evaluate.answer(target, given, **options)
        arguments.expect_untouched(given, before)
        arguments.expect_dtype(found.x, arguments.computed, "X")
        x = arguments.copies(found.x, call.items.shape, host.shape[:-3:-1], "X")
        rank = found.rank
        if rank is not None:
            expect(np.asarray(rank).dtype.kind in "iu", f"the rank has dtype {rank.dtype}")
            rank = arguments.copies(rank, call.items.shape, (), "the rank")
        for k in np.ndindex(len(x), *call.items.shape):
            one = Item(call.items[k[1:]], arguments.computed, *call.cutoff(k[1:]), hermitian)
            rows.append(one.pinv(x[k], None if rank is None else int(rank[k])))
    return rows


def expect_claimed(target: Target, situation: Situation) -> None:
    """Raise `NotApplicableError` where least squares of the target lacks an option."""
    s = situation
    needs = {"lstsq rtol": s.rtol, "lstsq atol": s.atol, "lstsq method": s.method != "auto"}
    for feature, needed in needs.items():
        if needed and not target.claims(feature):
            raise NotApplicableError(f"{feature}: {target.reason(feature)}")


def lstsq(
    target: Target, situation: Situation, *, singular_values: bool = False
) -> list[Measurement]:
    """Judge x, the residuals, the rank and the singular values of each item."""
    expect_claimed(target, situation)
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
            solved = _evaluate.solved(target, *given, **options)
        for value, original in zip(given, before, strict=True):
            arguments.expect_untouched(value, original)
        x = arguments.copies(solved.x, call.batch, (a.shape[-1], *inner), "x")
        arguments.expect_dtype(x, arguments.computed, "x")
        x = x.reshape(len(x), *call.batch, a.shape[-1], count)
        squares = None
        if target.claims("residuals"):
            squares = arguments.copies(solved.residuals, call.batch, inner, "the residuals")
            arguments.expect_dtype(squares, real_of(arguments.computed), "the residuals")
            squares = squares.reshape(len(squares), *call.batch, count)
        for k in range(len(x)):
            for place, of_a, of_b in call.pairs():
                one = Item(call.items[of_a], arguments.computed, *call.cutoff(of_a))
                square = None if squares is None else squares[(k, *place)]
                rows += one.system(call.rhs[of_b], x[(k, *place)], square)
        rows += _of_matrices(target, arguments, call, solved, singular_values)
    return rows


def _of_matrices(
    target: Target, arguments: Arguments, call: Call, solved: Any, singular_values: bool
) -> Iterator[Measurement]:
    """Judge what belongs to a matrix and not to its right-hand sides."""
    batch, short = call.items.shape, min(call.items[(0,) * call.items.ndim].shape)
    items = {i: Item(call.items[i], arguments.computed, *call.cutoff(i)) for i in np.ndindex(batch)}
    if target.claims("lstsq rank"):
        ranks = arguments.copies(solved.rank, batch, (), "the rank")
        expect(ranks.dtype.kind in "iu", f"the rank has dtype {ranks.dtype}")
        for k in np.ndindex(len(ranks), *batch):
            items[k[1:]].expect_rank(int(ranks[k]))
    if not singular_values:
        return
    expect(solved.s is not None, "s is None though it was asked for")
    s = arguments.copies(solved.s, batch, (short,), "s")
    arguments.expect_dtype(s, real_of(arguments.computed), "s")
    for k in np.ndindex(len(s), *batch):
        yield items[k[1:]].singular_values(s[k])
