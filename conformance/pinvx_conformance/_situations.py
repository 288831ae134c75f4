"""What a matrix may meet in a call: other matrices, sizes, layouts, tolerances, scales.

A fault may show only in company: in a long batch, beside a NaN, for the second of two tolerances,
beyond the size of a block. So each situation holds matrices of every kind (`_company`), and every
function is judged in it, by all that it returns (`_answers`, `_checks/_company.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pinvx_conformance import _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._company import (
    AUTOMATIC,
    EVERY,
    FINE_RTOL,
    FIVE,
    FORMS,
    LARGE,
    OF_B,
    PLAIN,
    RTOL,
    VALUES,
    Company,
    Situation,
    alone,
    around_rtol,
    clean,
    company,
    ill_conditioned,
    integers,
    large,
    thin,
    together,
    tolerances,
)
from pinvx_conformance._targets import Target

TALL, SQUARE, WIDE = _gallery.SHAPES
LONG = 101  # longer than any block of a batch that is known


def thorough(target: Target, level: str) -> bool:
    """Tell whether new shapes are cheap, or wanted at any price."""
    return level == "full" or not target.library.compiles


def everywhere(
    name: str,
    shape: tuple[int, int],
    dtype: str,
    items: Company | None = None,
    *,
    more: bool = True,
    **options: Any,
) -> Iterator[Situation]:
    """Yield the items alone and in a batch, and if there is time for more, with tolerances."""
    items = items or company(shape, dtype)
    yield alone(name, shape, dtype, items, **options)
    yield together(f"{name}, a batch", shape, dtype, items, **options)
    if more:
        each = tolerances(shape, dtype, len(items.values))
        yield alone(f"{name}, rtol", shape, dtype, items, rtol=RTOL, **options)
        yield together(f"{name}, rtol of each", shape, dtype, items, rtol=each, **options)


def of_layouts(target: Target, level: str) -> Iterator[Situation]:
    """P1: the arrays lie in memory in other ways."""
    sample = m.integers(2, 2).array("complex128")
    for name in target.library.layouts(target.library, sample):
        yield from everywhere(name, SQUARE, "complex128", layout=name)
        if name not in ("broadcast", "expanded"):  # which alone would make another batch of b
            of_b: dict[str, Any] = {"layout": name, "a_as_well": False, "functions": OF_B}
            yield alone(f"b {name}", SQUARE, "complex128", **of_b)
        if level == "full":
            yield from everywhere(name, WIDE, "float64", layout=name)


def of_dtypes(target: Target, level: str) -> Iterator[Situation]:
    """P2: half precision and integers."""
    more = thorough(target, level)
    functions = EVERY if more else PLAIN
    for dtype in target.library.half:
        if more:
            yield from everywhere("half precision", SQUARE, dtype)
        yield alone("half precision", TALL, dtype, functions=functions)
    for dtype in target.library.integers:
        if more:
            yield from everywhere("integers", SQUARE, dtype, integers(SQUARE, dtype))
        yield alone("integers", TALL, dtype, integers(TALL, dtype), functions=functions)


def of_shapes(target: Target, level: str) -> Iterator[Situation]:
    """P3: one row, one column, batches of one and of two dimensions."""
    dtype, more = "complex128", thorough(target, level)
    if not more:
        yield alone("thin", (12, 1), dtype, thin((12, 1), dtype), functions=PLAIN)
        return
    for shape in ((12, 1), (1, 12), (1, 1)):
        items = thin(shape, dtype)
        yield from everywhere("thin", shape, dtype, items, more=False)
        # A single singular value counts unless rtol is at least 1.
        yield alone("thin, rtol", shape, dtype, items, rtol=2.0)
        each = (0.0, 2.0, 0.5, 2.0, 0.5)
        yield together("thin, rtol of each", shape, dtype, items, rtol=each)
    items = company(SQUARE, dtype).repeated(6)
    many = tolerances(SQUARE, dtype, 6)
    yield together("a batch of 2×3", SQUARE, dtype, items, a_batch=(2, 3))
    yield together("a batch of 2×3, rtol of each", SQUARE, dtype, items, a_batch=(2, 3), rtol=many)
    for i in range(FIVE):
        one, rtol = company(SQUARE, dtype).part(i), tolerances(SQUARE, dtype, FIVE)[i : i + 1]
        yield together(f"a batch of one, {i}", SQUARE, dtype, one, first=i)
        yield together(f"a batch of one, {i}, rtol", SQUARE, dtype, one, first=i, rtol=rtol)


def of_tolerances(target: Target, level: str) -> Iterator[Situation]:
    """P4: a number, and another tolerance for each item."""
    dtype = "complex128"
    different = (RTOL, 0.18, 0.03, 0.09, RTOL)
    if not thorough(target, level):
        items = around_rtol(SQUARE, dtype)
        yield together("rtol of each", SQUARE, dtype, items, rtol=different, functions=VALUES)
        return
    for shape in (TALL, SQUARE, WIDE):
        items = around_rtol(shape, dtype)
        yield alone("rtol", shape, dtype, items, rtol=RTOL)
        yield together("rtol for all", shape, dtype, items, rtol=RTOL)
        yield together("rtol of each", shape, dtype, items, rtol=different)
        scaled = items.changed(lambda _, r: m.scaled(r, 3))
        yield alone("atol", shape, dtype, scaled, atol=RTOL * 2.0**3)
        yield together("atol for all", shape, dtype, scaled, atol=RTOL * 2.0**3)
        uneven = items.changed(lambda i, r: m.scaled(r, 5 * i))
        atol = tuple(t * 2.0 ** (5 * i) for i, t in enumerate(different))
        yield together("atol of each", shape, dtype, uneven, atol=atol)


def of_sizes(target: Target, level: str) -> Iterator[Situation]:
    """P6: every dtype, every shape, and beyond the size of a block."""
    more = thorough(target, level)
    for dtype in target.library.dtypes:
        shapes = (TALL, SQUARE, WIDE) if more or dtype == "complex128" else (TALL,)
        for shape in shapes:
            # What is judged of a derivative in a shape alone, P13 does, too.
            every = more or (shape, dtype) == (SQUARE, "complex128")
            yield alone("alone", shape, dtype, functions=EVERY if every else PLAIN)
        if more:
            yield from everywhere("alone", SQUARE, dtype)
    if target.claims("method"):
        svd: dict[str, Any] = {"method": "svd", "functions": EVERY if more else VALUES}
        yield from everywhere('method="svd"', SQUARE, "complex128", more=more, **svd)
        if more:
            yield alone('method="svd"', TALL, "float64", **svd)
    for shape in (TALL, SQUARE, WIDE) if more else (TALL,):
        functions = EVERY if more else PLAIN
        yield from _ill_conditioned(shape, "complex128", more=more, functions=functions)
    yield from _beyond_a_block(target, level)


def _ill_conditioned(
    shape: tuple[int, int], dtype: str, *, more: bool, **options: Any
) -> Iterator[Situation]:
    items, name, rtol = ill_conditioned(shape, dtype), "ill-conditioned", FINE_RTOL
    yield from everywhere(name, shape, dtype, items, more=False, **options)
    if more:
        each = (rtol, rtol, rtol / 2**10, rtol)
        yield alone(f"{name}, rtol", shape, dtype, items, rtol=rtol, **options)
        yield together(f"{name}, rtol of each", shape, dtype, items, rtol=each, **options)


def _beyond_a_block(target: Target, level: str) -> Iterator[Situation]:
    (tall, wide, square), more, name = LARGE, thorough(target, level), "beyond a block"
    pairs = [("complex128", tall), ("complex128", wide), ("float64", square)]
    if level == "full":
        pairs += [("complex128", square), *(("float32", shape) for shape in LARGE)]
    for dtype, shape in pairs:
        items, functions = large(shape, dtype), EVERY if more else PLAIN
        yield alone(name, shape, dtype, items, functions=functions)
        if more:
            some, rtol = items.part(1, 2, 3, 4), tolerances(shape, dtype, FIVE)
            yield together(f"{name}, a batch", shape, dtype, some)
            yield together(f"{name}, rtol of each", shape, dtype, some, rtol=rtol[1:])
    if more:
        # Deficient, near the cutoff, and not finite: a decomposition of this size takes its time.
        one = large(square, "complex128").part(1, 2, 4)
        yield together(f"{name}, Hermitian", square, "complex128", one, functions=("hermitian",))


def of_not_finite(target: Target, level: str) -> Iterator[Situation]:
    """P11: more than one NaN, a vector that is not finite, and infinities in right-hand sides."""
    yield not_finite()
    dtype, more = "complex128", thorough(target, level)
    functions = ("lstsq", "singular_values") if more else ("lstsq",)
    for shape, value in (
        ((TALL, "inf"), (SQUARE, "-inf"), (WIDE, "inf")) if more else ((SQUARE, "inf"),)
    ):
        options: dict[str, Any] = {"value": value, "functions": functions}
        yield from everywhere("an infinity in b", shape, dtype, more=more, **options)
    if not more:
        return
    one = company(SQUARE, dtype)
    vector: dict[str, Any] = {"columns": 1, "vector": True, "value": "inf"}
    spoilt = one.changed(lambda i, r: m.poisoned(r, "nan", 1, 0) if i in (0, 3) else r)
    yield together("three NaN in a batch", SQUARE, dtype, spoilt)
    yield alone("an infinity in a vector", SQUARE, dtype, functions=OF_B, **vector)
    yield from everywhere("1×1", (1, 1), "float64", thin((1, 1), "float64"))


def not_finite() -> Situation:
    """Return the situation that tells who may be asked to stand beside a NaN."""
    return alone("a NaN", SQUARE, "float64")


def of_batches(target: Target, level: str) -> Iterator[Situation]:
    """P17: long batches, other scales beside, and every way in which b may broadcast."""
    dtype, more = "complex128", thorough(target, level)
    functions = EVERY if more else PLAIN
    for shape in (TALL, SQUARE, WIDE) if more else (SQUARE,):
        finite = company(shape, dtype).part(0, 1, 2, 3, 0)  # as many as with a NaN
        one = together("a finite batch", shape, dtype, finite)
        automatic = AUTOMATIC if shape == SQUARE else ()
        rhs = tuple(clean(b) for b in one.rhs)
        yield replace(one, rhs=rhs, functions=EVERY + automatic)
        uneven = company(shape, dtype).changed(lambda i, r: m.scaled(r, (0, 300, -300, 60, 0)[i]))
        yield from everywhere("several scales", shape, dtype, uneven, more=more and shape == SQUARE)
    long = company(SQUARE, dtype).repeated(LONG)
    yield together("a long batch", SQUARE, dtype, long, functions=functions)
    if more:
        each = tolerances(SQUARE, dtype, LONG)
        yield together("a long batch, rtol of each", SQUARE, dtype, long, rtol=each)
        long = company(TALL, "float64").repeated(LONG)
        yield together("a long batch", TALL, "float64", long)
    for one in _of_b(TALL if more else SQUARE, dtype, more=more):
        yield one if more else replace(one, functions=("lstsq",))


def _of_b(shape: tuple[int, int], dtype: str, *, more: bool) -> Iterator[Situation]:
    options: dict[str, Any] = {"functions": OF_B}
    # One b with a NaN in a column, for matrices that are finite.
    finite = company(shape, dtype).part(0, 1, 2, 3)
    yield together("one b for all", shape, dtype, finite, b_batch=(), first=2, **options)
    yield together("no column, a batch", shape, dtype, columns=0, **options)
    if not more:
        return
    vector = options | {"columns": 1, "vector": True}
    each: dict[str, Any] = {"rtol": tolerances(shape, dtype, FIVE)}
    for cut, one, many in (("", {}, {}), (", rtol", {"rtol": RTOL}, each)):
        every, for_all = options | one, options | many
        yield alone(f"a vector{cut}", shape, dtype, **(vector | one))
        yield alone(f"one matrix, many b{cut}", shape, dtype, b_batch=(3,), **every)
        yield alone(f"no column{cut}", shape, dtype, columns=0, **every)
        yield together(f"one vector for all{cut}", shape, dtype, b_batch=(), **(vector | many))
        yield together(f"one b for a batch{cut}", shape, dtype, b_batch=(), **for_all)
        for count in (0, 1, 40):
            name = f"{count} columns, a batch{cut}"
            yield together(name, shape, dtype, columns=count, **for_all)
        name, both = f"a broadcast b{cut}", every | {"a_batch": (FIVE, 1), "b_batch": (3,)}
        yield together(name, shape, dtype, **both)


# Exponents of A and of b. A⁺ of the items is between 2^−k and 2^(48−k), or 2^(19−k) in single
# precision, and all that is asked for can be represented but for some residuals.
SCALES = {
    "double": ((900, 900), (-900, -900), (900, 100), (-900, -100), (0, 500), (0, -500)),
    "single": ((100, 100), (-100, -100), (100, 20), (-100, -20), (0, 55), (0, -55)),
}


def of_scales(target: Target, level: str) -> Iterator[Situation]:
    """P12: A and b near the ends of the exponent range, and each at its own."""
    more = thorough(target, level)
    shapes: dict[str, tuple[tuple[int, int], ...]]
    shapes = {"float64": (TALL,), "complex128": (SQUARE, WIDE), "float32": (TALL,)}
    if more:
        shapes = dict.fromkeys(target.library.dtypes, _gallery.SHAPES)
    for dtype in target.library.dtypes:
        for shape in shapes.get(dtype, ()):
            precision = "double" if _gallery.is_double(dtype) else "single"
            for i, (k, j) in enumerate(SCALES[precision]):
                yield from at_scale(shape, dtype, k, j, more=more and shape == SQUARE and i < 2)
        for shape in shapes.get(dtype, ())[: 3 if more else dtype != "float64"]:
            yield from derivatives_at_scale(shape, dtype, more=more)


# Exponents of A, of b and of the directions of A.
NATURAL = {
    "double": ((500, 500, 500), (-500, -500, -500), (500, -300, 500), (-500, 300, -500)),
    "single": ((62, 50, 62), (-62, -50, -62), (62, -30, 62), (-62, 30, -62)),
}
# Directions of size one: then derivatives of A⁺ are of the size of its square.
OF_ONE = {"double": ((500, 0, 0), (-500, 0, 0)), "single": ((50, 0, 0), (-50, 0, 0))}


def derivatives_at_scale(shape: tuple[int, int], dtype: str, *, more: bool) -> Iterator[Situation]:
    """Yield what derivatives meet at scales, by closed forms and by automatic differentiation."""
    precision = "double" if _gallery.is_double(dtype) else "single"
    every, uneven = FORMS + AUTOMATIC, (*NATURAL[precision], (0, 0, 0))
    if not more:
        finite = company(shape, dtype).part(0, 3)
        for ends in NATURAL[precision][:2]:
            name = f"A·2^{ends[0]}, b·2^{ends[1]}"
            yield alone(name, shape, dtype, finite, exponents=(ends,), functions=every)
        return
    for ends in NATURAL[precision]:
        name = f"A·2^{ends[0]}, b·2^{ends[1]}"
        yield alone(name, shape, dtype, exponents=(ends,), functions=every)
    swapped = tuple(uneven[i] for i in (1, 0, 3, 2, 4))
    for each in (uneven, swapped):
        options: dict[str, Any] = {"exponents": each, "functions": every}
        rtol = tolerances(shape, dtype, FIVE)
        yield together("several scales", shape, dtype, **options)
        yield alone("rtol at a scale", shape, dtype, rtol=RTOL, **options)
        yield together("rtol of each at a scale", shape, dtype, rtol=rtol, **options)
    for one in everywhere("columns of b at several scales", shape, dtype, functions=every):
        yield replace(one, rhs=tuple(_weighted(b, (0, -30, 10)) for b in one.rhs))
    for ends in OF_ONE[precision]:
        name = f"A·2^{ends[0]}, directions of one"
        functions = tuple(f for f in every if f.startswith("pinv"))
        yield alone(name, shape, dtype, exponents=(ends,), functions=functions)


def at_scale(
    shape: tuple[int, int], dtype: str, k: int, j: int, *, more: bool
) -> Iterator[Situation]:
    """Yield the company with A times 2^k and b times 2^j, column 1 of b at another scale yet.

    Derivatives have a range of their own, and checks of their own.
    """
    items = company(shape, dtype).changed(lambda _, r: m.scaled(r, k))
    name, columns = f"A·2^{k}, b·2^{j}", (j, j // 2, j)
    found = [alone(name, shape, dtype, items)]
    if more:
        found = list(everywhere(name, shape, dtype, items))
    for one in found:
        rhs = tuple(_weighted(b, columns) for b in one.rhs)
        yield replace(one, rhs=rhs, functions=VALUES)


def _weighted(b: Any, columns: tuple[int, ...]) -> Any:
    if b.name == "poisoned":
        base, *place = b.positional
        return m.poisoned(m.weighted(base, (0,), columns), *place)
    return m.weighted(b, (0,), columns)


def again(target: Target, level: str) -> Iterator[Situation]:
    """P18: the same call a second time."""
    yield from everywhere("again", SQUARE, "complex128", more=thorough(target, level), calls=2)


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
