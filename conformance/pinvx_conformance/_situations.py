"""What a matrix may meet in a call: other matrices, sizes, layouts, tolerances, scales.

A fault may show only in company: in a long batch, beside a NaN, for the second of two tolerances,
beyond the size of a block. So each situation holds matrices of every kind, and every function is
judged in it, by all that it returns (`_answers`, `_checks/_company.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pinvx_conformance import _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._company import (
    EVERY,
    LARGE,
    OF_B,
    PLAIN,
    RTOL,
    VALUES,
    Company,
    Situation,
    alone,
    around_rtol,
    company,
    ill_conditioned,
    integers,
    large,
    poisoned,
    thin,
    together,
    with_nan_in_b,
)
from pinvx_conformance._targets import Target

TALL, SQUARE, WIDE = _gallery.SHAPES
LONG = 101  # longer than any block of a batch that is known


def thorough(target: Target, level: str) -> bool:
    """Tell whether new shapes are cheap, or wanted at any price."""
    return level == "full" or not target.library.compiles


def of_layouts(target: Target, level: str) -> Iterator[Situation]:
    """P1: the arrays lie in memory in other ways."""
    sample = m.integers(2, 2).array("complex128")
    for name in target.library.layouts(target.library, sample):
        yield alone(name, TALL, "complex128", layout=name)
        yield alone(name, SQUARE, "complex128", layout=name)
        if target.claims("batches"):
            yield together(f"{name}, a batch", TALL, "complex128", layout=name)
            yield together(f"{name}, a batch", SQUARE, "complex128", layout=name)
        if level == "full":
            yield alone(name, WIDE, "float64", layout=name)


def of_dtypes(target: Target, level: str) -> Iterator[Situation]:
    """P2: half precision and integers."""
    shapes = (TALL, SQUARE, WIDE) if thorough(target, level) else (TALL,)
    if target.claims("half"):
        for dtype in target.library.half:
            for shape in shapes:
                functions = EVERY if thorough(target, level) else PLAIN
                yield alone("half precision", shape, dtype, functions=functions)
            if target.claims("batches") and thorough(target, level):
                yield together("a batch in half precision", TALL, dtype)
                nan = poisoned(company(TALL, dtype))
                yield together("a batch in half precision with a NaN", TALL, dtype, nan)
    if target.claims("integers"):
        for dtype in target.library.integers:
            for shape in shapes:
                yield alone("integers", shape, dtype, integers(shape, dtype))


def of_shapes(target: Target, level: str) -> Iterator[Situation]:
    """P3: one row, one column, batches of one, of two dimensions."""
    shapes = ((12, 1), (1, 12), (1, 1)) if thorough(target, level) else ((12, 1),)
    functions = EVERY if thorough(target, level) else PLAIN
    for shape in shapes:
        items = thin(shape, "complex128")
        yield alone("one row or column", shape, "complex128", items, functions=functions)
    if target.claims("batches"):
        yield together("a batch of 2×2", TALL, "complex128", batch=(2, 2))
        if thorough(target, level):
            yield together("a batch of 2×2", SQUARE, "complex128", batch=(2, 2))
            one = company(TALL, "complex128")
            one = Company(one.values[1:2], one.smooth[1:2])
            yield together("a batch of one", TALL, "complex128", one)


def of_tolerances(target: Target, level: str) -> Iterator[Situation]:
    """P4: a number, and another tolerance for each item."""
    dtype = "complex128"
    shapes = (TALL, SQUARE, WIDE) if thorough(target, level) else (TALL,)
    different = (RTOL, 2.0**-4, 2.0**-9, 2.0**-6)
    for shape in shapes:
        items = around_rtol(shape, dtype)
        if target.claims("rtol"):
            yield alone("rtol", shape, dtype, items, rtol=RTOL)
        if target.claims("atol"):
            scaled = items.changed(lambda _, r: m.scaled(r, 30))
            yield alone("atol", shape, dtype, scaled, atol=RTOL * 2.0**30)
        if not (target.claims("array tolerances") and target.claims("batches")):
            continue
        if target.claims("rtol"):
            yield together("rtol of each", shape, dtype, items, rtol=different)
            yield together("rtol of each, a NaN", shape, dtype, poisoned(items), rtol=different)
        if target.claims("atol"):
            uneven = items.changed(lambda i, r: m.scaled(r, 5 * i))
            atol = tuple(t * 2.0 ** (5 * i) for i, t in enumerate(different))
            yield together("atol of each", shape, dtype, uneven, atol=atol)


def of_sizes(target: Target, level: str) -> Iterator[Situation]:
    """P6: every dtype, every shape, and beyond the size of a block."""
    pairs = [("complex128", TALL), ("complex128", SQUARE), ("complex128", WIDE)]
    pairs += [("float64", TALL), ("float32", TALL), ("complex64", TALL)]
    if thorough(target, level):
        pairs += [(d, s) for d in ("float64", "float32", "complex64") for s in (SQUARE, WIDE)]
    for dtype, shape in pairs:
        if dtype in target.library.dtypes:
            yield alone("alone", shape, dtype)
            if target.claims("method"):
                yield alone('method="svd"', shape, dtype, method="svd")
    yield from _beyond_a_block(target, level)
    yield alone("ill-conditioned", TALL, "complex128", ill_conditioned(TALL, "complex128"))
    if thorough(target, level):
        for shape in (SQUARE, WIDE):
            yield alone(
                "ill-conditioned", shape, "complex128", ill_conditioned(shape, "complex128")
            )


def _beyond_a_block(target: Target, level: str) -> Iterator[Situation]:
    tall, wide, square = LARGE
    functions = EVERY if thorough(target, level) else PLAIN
    pairs = [("complex128", tall), ("complex128", wide), ("float64", square)]
    if level == "full":
        pairs += [("complex128", square), *(("float32", shape) for shape in LARGE)]
    for dtype, shape in pairs:
        items = large(shape, dtype)
        yield alone("beyond a block", shape, dtype, items, functions=functions)
    if level == "quick" and thorough(target, level):
        items = large(square, "complex128")
        yield alone("beyond a block", square, "complex128", items, functions=("hermitian",))


def of_not_finite(target: Target, level: str) -> Iterator[Situation]:
    """P11: a NaN in a matrix, and NaN and infinities in right-hand sides."""
    dtype = "complex128"
    shapes = (TALL, SQUARE, WIDE) if thorough(target, level) else (TALL,)
    for shape in shapes:
        items = company(shape, dtype)
        yield alone("a NaN", shape, dtype, poisoned(items))
        for b in (
            with_nan_in_b(alone("a NaN in b", shape, dtype)),
            with_nan_in_b(alone("an infinity in b", shape, dtype), "inf"),
            with_nan_in_b(alone("a NaN in a vector b", shape, dtype, columns=1, vector=True)),
        ):
            yield replace(b, functions=OF_B)
        if target.claims("batches"):
            yield together("a NaN in a batch", shape, dtype, poisoned(items))
            yield together("two NaN in a batch", shape, dtype, poisoned(items, (1, 3)))
            for b in (
                with_nan_in_b(together("a NaN in b, a batch", shape, dtype)),
                with_nan_in_b(together("a NaN in both", shape, dtype, poisoned(items)), "-inf"),
                with_nan_in_b(together("one b with a NaN for all", shape, dtype, b_batch=())),
                with_nan_in_b(alone("one matrix, many b with NaN", shape, dtype, b_batch=(2,))),
            ):
                yield replace(b, functions=OF_B)
    if thorough(target, level):
        tiny = thin((1, 1), "float64")
        yield replace(
            with_nan_in_b(alone("1×1, a NaN in b", (1, 1), "float64", tiny)), functions=OF_B
        )
        yield alone("1×1, a NaN", (1, 1), "float64", poisoned(tiny))


def of_batches(target: Target, level: str) -> Iterator[Situation]:
    """P17: long batches, other scales beside, and every way in which b may broadcast."""
    dtype, more = "complex128", thorough(target, level)
    functions = EVERY if more else PLAIN
    for shape in (TALL, SQUARE, WIDE) if more else (TALL,):
        items = company(shape, dtype)
        yield together("a batch", shape, dtype, automatic=shape == TALL)
        if target.claims("method"):
            svd = together('a batch, method="svd"', shape, dtype, method="svd")
            yield replace(svd, functions=functions)
        uneven = items.changed(lambda i, r: m.scaled(r, (0, 300, -300, 60)[i]))
        yield together("a batch of several scales", shape, dtype, uneven)
        long = poisoned(items.repeated(6), (4,)).repeated(LONG)
        yield together("a long batch", shape, dtype, long, functions=functions)
        for b in _of_b(shape, dtype, more=more):
            yield b if more else replace(b, functions=("lstsq",))
    yield together("a batch", TALL, "float64", functions=functions)


def _of_b(shape: tuple[int, int], dtype: str, *, more: bool) -> Iterator[Situation]:
    options: dict[str, Any] = {"functions": OF_B}
    yield together("one b for all", shape, dtype, b_batch=(), **options)
    yield together("a batch, 0 columns", shape, dtype, columns=0, **options)
    if not more:
        return
    vector = options | {"columns": 1, "vector": True}
    yield alone("a vector", shape, dtype, **vector)
    yield together("one vector for all", shape, dtype, b_batch=(), **vector)
    yield alone("one matrix, many b", shape, dtype, b_batch=(3,), **options)
    yield together("a broadcast b", shape, dtype, batch=(4, 1), b_batch=(2,), **options)
    yield alone("0 columns", shape, dtype, columns=0, **options)
    for count in (1, 40):
        yield alone(f"{count} columns", shape, dtype, columns=count, **options)
        yield together(f"a batch, {count} columns", shape, dtype, columns=count, **options)


# Exponents of A and of b. A⁺ of the items is between 2^−k and 2^(48−k), or 2^(19−k) in single
# precision, and all that is asked for can be represented but for some residuals.
SCALES = {
    "double": ((900, 900), (-900, -900), (900, 100), (-900, -100), (0, 500), (0, -500)),
    "single": ((100, 100), (-100, -100), (100, 20), (-100, -20), (0, 55), (0, -55)),
}


def of_scales(target: Target, level: str) -> Iterator[Situation]:
    """P12: A and b near the ends of the exponent range, and each at its own."""
    shapes: dict[str, tuple[tuple[int, int], ...]]
    shapes = {"float64": (TALL,), "complex128": (TALL, SQUARE, WIDE), "float32": (TALL, SQUARE)}
    if thorough(target, level):
        shapes = dict.fromkeys(("float64", "complex128", "float32", "complex64"), _gallery.SHAPES)
    for dtype in target.library.dtypes:
        for shape in shapes.get(dtype, ()):
            for k, j in SCALES["double" if _gallery.is_double(dtype) else "single"]:
                yield at_scale(shape, dtype, k, j)


def at_scale(shape: tuple[int, int], dtype: str, k: int, j: int) -> Situation:
    """Return the company with A times 2^k and b times 2^j, column 1 of b at another scale yet.

    Derivatives have a range of their own, and checks of their own.
    """
    items = company(shape, dtype).changed(lambda _, r: m.scaled(r, k))
    one = alone(f"A·2^{k}, b·2^{j}", shape, dtype, items, functions=VALUES)
    return replace(one, rhs=tuple(m.weighted(b, (0,), (j, j // 2, j)) for b in one.rhs))


def again(target: Target, level: str) -> Iterator[Situation]:
    """P18: the same call a second time."""
    shapes = (TALL, SQUARE, WIDE) if thorough(target, level) else (TALL,)
    for shape in shapes:
        nan = poisoned(company(shape, "complex128"))
        yield alone("again", shape, "complex128", calls=2)
        if target.claims("batches"):
            yield with_nan_in_b(together("a batch again", shape, "complex128", nan, calls=2))
        if target.claims("array tolerances") and target.claims("rtol"):
            items, rtol = around_rtol(shape, "complex128"), (RTOL, 2.0**-4, 2.0**-9, 2.0**-6)
            yield together("rtol of each again", shape, "complex128", items, rtol=rtol, calls=2)


OF_PROMISE: dict[str, Callable[[Target, str], Iterator[Situation]]] = {
    "P1": of_layouts,
    "P2": of_dtypes,
    "P3": of_shapes,
    "P4": of_tolerances,
    "P6": of_sizes,
    "P11": of_not_finite,
    "P12": of_scales,
    "P17": of_batches,
    "P18": again,
}
