"""The plan: which methods are tried, in which order, and where each is worth trying.

`method="auto"` is this table. A refused method costs its own time and nothing else, so the limits
exclude a method where it is mostly refused, or costs as much as the next one. They were measured
with `python -m benchmarks.methods`, which times each method beside the SVD.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ._adapter import Adapter
from ._methods._cholesky_qr import cholesky_qr
from ._methods._double import double_cholesky, double_eigenvectors
from ._methods._elimination import elimination, in_vain
from ._methods._inverse import inverse
from ._methods._minimum_norm import minimum_norm
from ._methods._normal_equations import corrected, corrected_once, normal_equations
from ._methods._proposal import Method
from ._methods._subspace import subspace
from ._methods._svd import svd
from ._problem import Problem
from ._typing import Array

# From this many entries in one matrix on, the SVD costs more than trying other methods.
LARGE = 1 << 14
# A matrix of at most this many columns, and not square, is narrow: its SVD costs little more than a
# product.
NARROW = 8
# Up to this many columns elimination makes more calls than the inverse, which also shows at once
# whether the matrix is nearly singular.
SMALL = 32


PINV, FACTOR, KEPT, SOLVE = "pinv", "factor", "kept", "solve"
ALL = (PINV, FACTOR, KEPT, SOLVE)


class Row(NamedTuple):
    """One line of the plan."""

    name: str
    method: Method
    wanted: tuple[str, ...]
    """What it can compute."""
    possible: Callable[[Problem], bool]
    worth_it: Callable[[Problem], bool]


def square(p: Problem) -> bool:
    """Whether M = N."""
    return bool(p.m == p.n)


def oblong(p: Problem) -> bool:
    """Whether M ≠ N."""
    return not square(p)


def large(p: Problem) -> bool:
    """Whether the SVD costs more than trying other methods."""
    return p.entries >= LARGE


def far(p: Problem) -> bool:
    """Whether it is a batch on a device, where libraries decompose one matrix after another."""
    return p.a.ndim > 2 and not p.host


def single(p: Problem) -> bool:
    """Whether a dtype with twice the digits exists."""
    return p.lib.double(p.a) is not None


def doubled(p: Problem) -> bool:
    """Whether the methods in double precision replace those below them in the table."""
    return single(p) and (large(p) or p.m >= 2 * p.n)


def eliminates(p: Problem) -> bool:
    """Whether elimination is cheaper than an inverse, and can be accepted."""
    return p.n > SMALL and not in_vain(p)


def inverts(p: Problem) -> bool:
    """Whether an inverse comes before the library's own least squares."""
    return p.wanted != SOLVE or p.n <= SMALL


def library_solves(p: Problem) -> bool:
    """Whether the library's own least squares cost no more than what follows."""
    return square(p) or not large(p)


def iterates(p: Problem) -> bool:
    """Whether a decomposition costs more than iteration with a subspace."""
    return (large(p) or far(p)) and not doubled(p)


def unless(condition: Callable[[Problem], bool]) -> Callable[[Problem], bool]:
    """Return the opposite."""
    return lambda p: not condition(p)


def always(_: Problem) -> bool:
    """Return True."""
    return True


# fmt: off
TABLE = (
    #   name                   method               for             where   worth it
    Row("elimination",         elimination,         (SOLVE,),       square, eliminates),
    Row("normal_equations",    normal_equations,    (PINV, FACTOR), oblong, always),
    Row("corrected",           corrected,           (KEPT, SOLVE),  oblong, always),
    Row("inverse",             inverse,             ALL,            square, inverts),
    Row("minimum_norm",        minimum_norm,        (SOLVE,),       always, library_solves),
    Row("inverse",             inverse,             (SOLVE,),       square, unless(inverts)),
    Row("double_cholesky",     double_cholesky,     ALL,            single, doubled),
    Row("double_eigenvectors", double_eigenvectors, ALL,            single, doubled),
    Row("cholesky_qr",         cholesky_qr,         ALL,            oblong, unless(doubled)),
    Row("subspace",            subspace,            ALL,            always, iterates),
    Row("svd",                 svd,                 ALL,            always, always),
)
# fmt: on
METHODS = {row.name: row for row in reversed(TABLE)}
"""The methods by name; of two rows with one name the first."""

WITH_SINGULAR_VALUES = ("minimum_norm", "svd")


def names(wanted: str) -> list[str]:
    """Return the names of the methods that can compute what is wanted."""
    return list(dict.fromkeys(row.name for row in TABLE if wanted in row.wanted))


def plan(p: Problem, method: str) -> Iterator[tuple[str, Method]]:
    """Yield the methods for a problem in the order in which they are tried, by name.

    `method` is "auto", or names of the table, joined by commas: those that are possible are tried,
    and last "svd", which accepts everything.
    """
    automatic = method == "auto"
    rows = TABLE if automatic else [METHODS[name] for name in (*method.split(","), "svd")]
    for row in rows:
        if p.wanted not in row.wanted or not row.possible(p):
            continue
        if p.singular_values and row.name not in WITH_SINGULAR_VALUES:
            continue
        if not automatic or row.worth_it(p):
            yield row.name, row.method


class Either(NamedTuple):
    """Two methods, of which a compiled program runs one: `deficient` if `is_deficient`."""

    deficient: Method
    full: Method


def compiled_plan(p: Problem) -> list[Method | Either]:
    """Return the methods for a compiled program, which contains all of them.

    Each takes time to compile, so there are few.
    """
    tracer = p.lib.tracer
    assert tracer is not None  # the caller has checked
    if square(p):
        solving = p.wanted == SOLVE and eliminates(p)
        first: list[Method | Either] = [elimination if solving else inverse]
        # On a CPU the SVD costs little more than the eigenvectors of AᴴA.
        return [*first, *([subspace] if tracer.slow_svd and p.n >= SLOW_FROM else []), svd]
    if p.wanted == SOLVE:
        return [corrected_once, corrected, subspace, svd]
    return [normal_equations, Either(subspace, cholesky_qr), svd]


# On a device, whose library decomposes slowly. A guess: not measured yet.
SLOW_FROM = 128


def is_deficient(p: Problem) -> Array:
    """Tell whether AᴴA shows no full rank: κ²·32·eps ≥ 1."""
    return ~(p.norm_gram * p.norm_r_inverse * p.norm_r_inverse * (32.0 * p.eps) < 1.0)


def is_tiny(lib: Adapter, a: Array) -> bool:
    """Tell whether matrices of this shape go straight to the SVD, which makes the fewest calls."""
    if lib.tracer is not None and not lib.tracer.sees(a):
        return False
    entries = math.prod(a.shape)
    if entries < lib.small:
        return True
    m, n = a.shape[-2:]
    return bool(a.ndim == 2 and m != n and min(m, n) <= NARROW and entries < 4 * lib.small)
