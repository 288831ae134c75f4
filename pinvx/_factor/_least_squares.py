"""The fastest way to x = A⁺b that can be certified, which keeps nothing for another b.

Square: elimination. Tall and wide: the normal equations, corrected one to three times. What they
refuse goes to the library's own least squares, if it shows what it counted, or is factorized by the
rungs of the ladder that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .._adapter import Adapter
from .._typing import Array
from ._batch import Refused
from ._certificate import hopeless, least_condition
from ._elimination import elimination, in_vain
from ._factor import Factor, Gramian, ranks, solve
from ._inverse import inverse
from ._ladder import Rung, descend, is_large, is_small, ladder, last_rungs, whole
from ._minimum_norm import minimum_norm
from ._seminormal import corrected, few_are_enough, one_is_enough
from ._subspace import subspace
from ._svd import svd


class Solved(NamedTuple):
    """A solution of A x ≈ b, with None for what is not computed yet."""

    x: Array
    """Shape (..., N, K)."""
    squares: Array | None
    """The squared 2-norms of the columns of b − A x, shape (..., K)."""
    rank: Array | int
    """Integers of the batch shape, or one number for the whole batch."""

    def complete(self, lib: Adapter, p: _Problem) -> Solved:
        """Return this with all fields as arrays."""
        squares = self.squares
        if squares is None:
            squares = lib.column_squares(p.b - lib.matmul(p.a, self.x))
        return Solved(self.x, squares, ranks(lib, self.rank, p.a))


class _Problem(NamedTuple):
    """A x ≈ b, and what is known of it."""

    a: Array
    b: Array
    g: Array | None
    """The Gram matrix of the columns of A, or of its rows if there are fewer of them."""
    t: Array | None
    """R⁻¹ for RᴴR = G."""
    rtol: Any
    atol: Any

    def part(self, items: Refused) -> _Problem:
        """Return the problems of a batch that were refused."""
        a, b, g, t = (items.take(x, 2) for x in self[:4])
        return _Problem(a, b, g, t, items.take(self.rtol, 0), items.take(self.atol, 0))


def least_squares(lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any) -> Solved:
    """Solve A x ≈ b by the fastest certified way.

    Parameters
    ----------
    lib
        The adapter of the arrays.
    a : array, shape (..., M, N)
    b : array, shape (..., M, K)
        Of the batch shape of `a`; no batch where values cannot be read.
    rtol, atol
        As `tolerances` returns them.
    """
    p = _Problem(a, b, None, None, rtol, atol)
    if not lib.branches(a) or is_small(lib, a):
        solved = _decomposed(lib, p)
    elif a.shape[-2] == a.shape[-1]:
        solved = _square(lib, p)
    else:
        solved = _oblong(lib, p)
    return solved.complete(lib, p)


def _square(lib: Adapter, p: _Problem) -> Solved:
    if in_vain(lib, p.a):
        return _applied(lib, p, ladder(lib, p.a, p.rtol, p.atol))
    x, squares, accepted, none = elimination(lib, p.a, p.b, p.rtol, p.atol)

    def refused(part: _Problem) -> Solved:
        own = _own(lib, part)
        if own is not None:
            return own
        rungs: Any = last_rungs(lib, part.a)
        if not (lib.readable(part.a) and lib.all(none)):
            rungs = (inverse, *map(whole, rungs))
        return _factored(lib, part, rungs, None)

    return _choose(lib, p, accepted, lambda: Solved(x, squares, p.a.shape[-1]), refused)


def _oblong(lib: Adapter, p: _Problem) -> Solved:
    wide = p.a.shape[-2] < p.a.shape[-1]

    def tall(part: _Problem) -> Array:
        return lib.adjoint(part.a) if wide else part.a

    def factored(part: _Problem) -> Solved:
        if not is_large(part.a):
            own = _own(lib, part)
            if own is not None:
                return own
        rungs = last_rungs(lib, part.a, triangle=part.t is not None)
        return _factored(lib, part, rungs, Gramian(part.g, part.t))

    def solved(part: _Problem, steps: int) -> Solved:
        x = corrected(lib, tall(part), part.b, part.t, wide, steps)
        return Solved(x, None, min(part.a.shape[-2:]))

    def few(part: _Problem) -> Solved:
        two, three = few_are_enough(lib, tall(part), part.g, part.t, part.rtol, part.atol)
        steps = 2 if lib.readable(part.a) and lib.all(two) else 3
        return _choose(lib, part, three, lambda: solved(part, steps), factored)

    c = tall(p)
    g = lib.gramian(c)
    r = lib.cholesky(g)
    p = p._replace(g=g)
    if lib.readable(c) and hopeless(lib, c, least_condition(lib, r)):
        return factored(p)
    p = p._replace(t=lib.adjoint(lib.inv_lower(r)))
    one = one_is_enough(lib, c, p.g, p.t, p.rtol, p.atol)
    return _choose(lib, p, one, lambda: solved(p, 1), few)


def _choose(
    lib: Adapter,
    p: _Problem,
    accepted: Any,
    taken: Callable[[], Solved],
    refused: Callable[[_Problem], Solved],
) -> Solved:
    """Take what is accepted, and solve in another way what is not."""
    readable = lib.readable(p.a)

    def rest() -> Solved:
        if p.a.ndim == 2 or lib.all(~accepted):
            return refused(p)
        first = taken().complete(lib, p)
        items = Refused.of(lib, accepted)
        part = p.part(items)
        return items.insert(first, refused(part).complete(lib, part))

    def of_one_form(solve: Callable[[], Solved]) -> Callable[[], Solved]:
        return solve if readable else lambda: solve().complete(lib, p)

    solved: Solved = lib.branch(accepted, of_one_form(taken), of_one_form(rest))
    return solved


def _factored(lib: Adapter, p: _Problem, rungs: Sequence[Rung], gramian: Gramian | None) -> Solved:
    """Solve by the factorization that one of the rungs makes of the taller of A and Aᴴ."""
    wide = p.a.shape[-2] < p.a.shape[-1]
    c = lib.adjoint(p.a) if wide else p.a

    def by(factor: Factor) -> Solved:
        return _applied(lib, p, factor.adjoint() if wide else factor)

    def last() -> Solved:
        return by(svd(lib, c, p.rtol, p.atol)).complete(lib, p)

    if lib.readable(c):
        return by(descend(lib, rungs, c, gramian, p.rtol, p.atol))
    # What is traced is compiled with all that it might do, so there is one more at most.
    if gramian is None and not lib.slow_svd:
        return last()
    factor, accepted = subspace(lib, c, gramian, p.rtol, p.atol)
    solved: Solved = lib.branch(accepted, lambda: by(factor).complete(lib, p), last)
    return solved


def _decomposed(lib: Adapter, p: _Problem) -> Solved:
    """Solve by a singular value decomposition: the library's, or one that is applied here."""
    own = _own(lib, p)
    return _applied(lib, p, svd(lib, p.a, p.rtol, p.atol), steps=0) if own is None else own


def _own(lib: Adapter, p: _Problem) -> Solved | None:
    """Solve by the library's own least squares, where it is of use."""
    if not lib.readable(p.a):
        return None
    own = minimum_norm(lib, p.a, p.b, p.rtol, p.atol)
    return None if own is None else Solved(*own)


def _applied(lib: Adapter, p: _Problem, factor: Factor, steps: int = 1) -> Solved:
    """Solve by a factorization."""
    return Solved(solve(lib, p.a, p.b, factor.w, factor.z, steps), None, factor.rank)


def factors(lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Factor, int, bool]:
    """Factorize A by the fastest certified way to A⁺b and A⁺ᴴc, for as many b and c as come.

    Parameters
    ----------
    lib
        The adapter of `a`, which does not trace.
    a : array, shape (..., M, N)
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    factor : Factor
    steps : int
        How often to correct a solution.
    normal : bool
        Whether W, or Z if A is wide, is R⁻¹ of the normal equations, for `corrected`.
    """
    m, n = a.shape[-2:]
    if is_small(lib, a) or not lib.readable(a):  # there are arrays without values
        return svd(lib, a, rtol, atol), 0, False
    if m < n:
        factor, steps, normal = factors(lib, lib.adjoint(a), rtol, atol)
        return factor.adjoint(), steps, normal
    if m == n:
        return ladder(lib, a, rtol, atol), 1, False
    g = lib.gramian(a)
    r = lib.cholesky(g)
    below = last_rungs(lib, a)
    if hopeless(lib, a, least_condition(lib, r)):
        return descend(lib, below, a, Gramian(g, None), rtol, atol), 1, False
    t = lib.adjoint(lib.inv_lower(r))
    enough = one_is_enough(lib, a, g, t, rtol, atol)
    steps = 1
    if not lib.all(enough):
        two, three = few_are_enough(lib, a, g, t, rtol, atol)
        steps = 2 if lib.all(enough | two) else 3
        enough = enough | three
    if lib.all(enough):
        return Factor(t, None, n), steps, True
    rungs = last_rungs(lib, a, triangle=True)
    return descend(lib, rungs, a, Gramian(g, t), rtol, atol), 1, False
