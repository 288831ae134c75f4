"""What a method returns: a factorization that solves by itself, or a solution."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from ._adapter import Adapter
from ._problem import Problem
from ._typing import Array


class Factor(NamedTuple):
    """The pseudoinverse in factored form, A⁺ = W Zᴴ.

    The singular value decomposition A = U Σ Vᴴ gives W = V Σ⁺ and Z = U, an orthonormal basis
    Q = A R⁻¹ gives W = R⁻¹ and Z = Q. None stands for the identity: the inverse is W alone. If A is
    tall and not square, W = R⁻¹ alone stands for the normal equations, A⁺ = R⁻¹R⁻ᴴAᴴ; if A is wide,
    Z alone does.
    """

    w: Array | None
    """Shape (..., N, R) with R ≥ rank."""
    z: Array | None
    """Shape (..., M, R)."""
    rank: Array | int
    """Integers of the batch shape, or one number for the whole batch."""
    s: Array | None = None
    """The singular values, descending, shape (..., min(M, N)); None where they are not known."""
    steps: int = 1
    """How often a solution is corrected by solving again for its residual."""

    def pinv(self, lib: Adapter) -> Array:
        """Return A⁺, shape (..., N, M); not for the normal equations."""
        if self.z is None:
            return self.w
        zh = lib.adjoint(self.z)
        return zh if self.w is None else lib.matmul(self.w, zh)

    def adjoint(self) -> Factor:
        """Return the factor of Aᴴ: (Aᴴ)⁺ = (A⁺)ᴴ = Z Wᴴ."""
        return self._replace(w=self.z, z=self.w)

    def full(self, a: Array) -> bool:
        """Tell whether A is known to have full rank."""
        return isinstance(self.rank, int) and self.rank == min(a.shape[-2:])


class Inverse(NamedTuple):
    """A⁺ and the rank of A."""

    x: Array
    rank: Array | int


class Solution(NamedTuple):
    """A⁺b, with None for what has not been computed."""

    x: Array
    """Shape (..., N, K)."""
    squares: Array | None
    """The squared 2-norms of the columns of b − A x, shape (..., K)."""
    rank: Array | int
    s: Array | None = None


Answer: TypeAlias = Factor | Inverse | Solution


def apply(lib: Adapter, a: Array, b: Array, w: Array | None, z: Array | None, steps: int) -> Array:
    """Return A⁺b, given W and Z of a `Factor`.

    An inverse and the normal equations lose more digits of a solution than of A⁺. Solving again for
    the residual restores them (Å. Björck, Linear Algebra Appl. 88/89 (1987), 31–48).
    """
    dot, h = lib.matmul, lib.adjoint
    m, n = a.shape[-2:]

    def once(b: Array) -> Array:
        if m != n and z is None:
            return dot(w, dot(h(w), dot(h(a), b)))
        if m != n and w is None:
            return dot(h(a), dot(z, dot(h(z), b)))
        y = b if z is None else dot(h(z), b)
        return y if w is None else dot(w, y)

    x = once(b)
    for _ in range(steps):
        x = x + once(b - dot(a, x))
    return x


def finished(p: Problem, found: Factor | Solution) -> Answer:
    """Return the answer that the problem wants, for A and not for C."""
    if isinstance(found, Solution):
        return found
    factor = found.adjoint() if p.wide else found
    if p.wanted in ("factor", "kept"):
        return factor
    if p.wanted == "pinv":
        return Inverse(factor.pinv(p.lib), factor.rank)
    x = apply(p.lib, p.a, p.b, factor.w, factor.z, factor.steps)
    return Solution(x, None, factor.rank, factor.s if p.singular_values else None)


def completed(p: Problem, answer: Any) -> Any:
    """Return the answer with all fields as arrays, in the same form for every method."""
    if isinstance(answer, Solution) and answer.squares is None:
        answer = answer._replace(squares=residual_squares(p.lib, p.a, p.b, answer.x))
    if isinstance(answer, Factor) and p.m == p.n and answer.z is not None:
        # The form of an inverse, which other items of the batch may have.
        answer = Factor(answer.pinv(p.lib), None, answer.rank, answer.s)
    return answer._replace(rank=ranks(p.lib, answer.rank, p.a))


def residual_squares(lib: Adapter, a: Array, b: Array, x: Array) -> Array:
    """Return ‖b − A x‖² of each column."""
    return lib.squares(b - lib.matmul(a, x), axis=-2)


def ranks(lib: Adapter, rank: Array | int, a: Array) -> Array:
    """Return the rank as an array of the batch shape of `a`."""
    if not isinstance(rank, int):
        return rank
    device = lib.device(a)
    if a.ndim == 2:
        return lib.xp.asarray(rank, device=device)
    return lib.xp.full(tuple(a.shape[:-2]), rank, device=device)
