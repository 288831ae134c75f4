"""One matrix to factorize or to solve with, and what has been computed from it so far."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal, TypeAlias

from ._adapter import Adapter
from ._typing import Array

# What is wanted: A⁺ itself; A⁺b; W and Z with A⁺ = W Zᴴ; or any form of a factor that solves.
Wanted: TypeAlias = Literal["pinv", "solve", "factor", "kept"]


class Problem:
    """A tall matrix C, or a batch of them, with its cutoff and perhaps a right-hand side.

    C is A, or Aᴴ if A is wide: nothing else transposes. The matrices are finite and of ordinary
    scale (`_scale.py`). What several methods need is computed once, on first use.

    Attributes
    ----------
    a : array, shape (..., M, N)
    b : array, shape (..., M, K), or None
        Of the batch shape of `a`.
    c : array, shape (..., m, n)
        m ≥ n.
    rtol, atol : float or array of the batch shape
        A singular value counts if and only if it exceeds max(atol, rtol·σ₁).
    """

    b: Any  # None unless a solution is wanted
    m: int
    n: int

    def __init__(
        self,
        lib: Adapter,
        a: Array,
        rtol: Any,
        atol: Any,
        *,
        wanted: Wanted,
        b: Array | None = None,
        singular_values: bool = False,
    ) -> None:
        self.lib, self.a, self.b, self.rtol, self.atol = lib, a, b, rtol, atol
        self.wanted, self.singular_values = wanted, singular_values
        self.wide = a.shape[-2] < a.shape[-1]
        self.c = lib.adjoint(a) if self.wide else a
        self.m, self.n = self.c.shape[-2:]
        self.readable = lib.readable(a)
        self.host = self.readable and lib.on_host(a)
        known = lib.precision(a.dtype)
        assert known is not None  # checked at the call
        self.known, self.eps = known, known.eps

    # Properties that the plan compares.

    @property
    def entries(self) -> int:
        """How many entries one matrix has."""
        return int(self.m * self.n)

    @property
    def one(self) -> bool:
        """Whether it is a single matrix in host memory, which Python reads at no cost."""
        return self.host and self.a.ndim == 2

    # What several methods need.

    @cached_property
    def norm(self) -> Any:
        """‖C‖_F."""
        return norm(self.lib, self.c)

    @cached_property
    def gram(self) -> Array:
        """G = CᴴC, shape (..., n, n)."""
        return self.lib.gramian(self.c)

    @cached_property
    def norm_gram(self) -> Any:
        """‖G‖_F, between σ₁² and √n·σ₁²."""
        return norm(self.lib, self.gram)

    @cached_property
    def cholesky(self) -> Array:
        """The lower triangular L with L Lᴴ = G, and NaN where there is none."""
        return self.lib.cholesky(self.gram)

    @cached_property
    def r_inverse(self) -> Array:
        """R⁻¹ of the upper triangular R = Lᴴ with RᴴR = G."""
        return self.lib.adjoint(self.lib.inv_lower(self.cholesky))

    @cached_property
    def norm_r_inverse(self) -> Any:
        """‖R⁻¹‖_F, at least 1/σₙ up to rounding in G."""
        return norm(self.lib, self.r_inverse)

    @cached_property
    def least_condition(self) -> Any:
        """A lower bound of κ(C) from the pivots of the Cholesky factor; NaN without one."""
        lib = self.lib
        pivots = lib.xp.linalg.diagonal(self.cholesky)
        if self.known.is_complex:
            pivots = lib.xp.real(pivots)
        if self.one:
            values = lib.numbers(pivots)
            smallest = min(values)
            return max(values) / smallest if smallest > 0.0 else math.nan
        # By norms, up to a factor n, since libraries are slow to search many short rows.
        column = pivots[..., None]
        return norm(lib, column) * norm(lib, 1.0 / column) / self.n

    @cached_property
    def beyond_gram(self) -> bool:
        """Whether every κ is known to exceed 1/√eps, too much for AᴴA.

        False for a device, from which nothing is read for this.
        """
        return self.host and none_below(self.lib, self.least_condition, 1.0 / math.sqrt(self.eps))

    @cached_property
    def in_double(self) -> Problem:
        """The same problem in double precision."""
        lib, dtype = self.lib, self.lib.double(self.a)
        double = Problem(lib, lib.xp.astype(self.a, dtype), self.rtol, self.atol, wanted="factor")
        real = double.known.real
        double.rtol, double.atol = (
            x if isinstance(x, float) else lib.xp.astype(x, real) for x in (self.rtol, self.atol)
        )
        return double

    def take(self, part: Any) -> Problem:
        """Return the problem of some items of the batch, with what has been computed for them."""
        new = object.__new__(Problem)
        for name, value in vars(self).items():
            dimensions = _TAKEN.get(name)
            if name == "in_double":
                new.in_double = value.take(part)
            elif name != "beyond_gram":  # it may hold for the part alone
                vars(new)[name] = value if dimensions is None else part.take(value, dimensions)
        return new

    def flattened(self) -> Problem:
        """Return the same problem with one batch dimension."""
        xp, batch = self.lib.xp, tuple(self.a.shape[:-2])

        def flat(x: Any, core: int) -> Any:
            if not getattr(x, "ndim", 0):  # a number may have become an array
                return x
            inner = tuple(x.shape[x.ndim - core :])
            return xp.reshape(xp.broadcast_to(x, (*batch, *inner)), (math.prod(batch), *inner))

        return self.with_arrays(
            flat(self.a, 2), flat(self.b, 2), flat(self.rtol, 0), flat(self.atol, 0)
        )

    def with_arrays(self, a: Array, b: Array | None, rtol: Any, atol: Any) -> Problem:
        """Return the same problem for other matrices."""
        return Problem(
            self.lib,
            a,
            rtol,
            atol,
            wanted=self.wanted,
            b=b,
            singular_values=self.singular_values,
        )

    def fork(self) -> Problem:
        """Return a copy for one branch of a compiled program, which keeps its results to itself."""
        new = object.__new__(Problem)
        vars(new).update(vars(self))
        return new


# The number of dimensions, without the batch, of each attribute that belongs to a matrix.
_TAKEN = {
    "a": 2, "b": 2, "c": 2, "gram": 2, "cholesky": 2, "r_inverse": 2,
    "rtol": 0, "atol": 0, "norm": 0, "norm_gram": 0, "norm_r_inverse": 0, "least_condition": 0,
}  # fmt: skip


def norm(lib: Adapter, x: Array) -> Any:
    """Return ‖x‖_F of each matrix: a number, or an array of the batch shape."""
    squares = lib.squares(x)
    return math.sqrt(squares) if isinstance(squares, float) else lib.xp.sqrt(squares)


def none_below(lib: Adapter, x: Any, limit: float) -> bool:
    """Read whether no x is below the limit; NaN never is."""
    return not x < limit if isinstance(x, float) else lib.all(~(x < limit))


def less(x: Any, tolerance: Any) -> Any:
    """Tell whether x·tolerance < 1; other comparisons refuse an x that is NaN or infinite."""
    if isinstance(tolerance, float) and tolerance == 0.0:
        return True
    return x * tolerance < 1.0


def identity(lib: Adapter, x: Array) -> Array:
    """Return I with as many columns as `x`."""
    return lib.xp.eye(x.shape[-1], dtype=x.dtype, device=lib.device(x))
