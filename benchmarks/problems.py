"""The matrices, right-hand sides and cotangents, the same in every run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import reference
from .grid import KINDS, Shape


@dataclass(frozen=True)
class Problem:
    """A matrix A, what it is multiplied with, and the answers."""

    shape: Shape
    dtype: str
    kind: str
    a: Any
    """(..., M, N)."""
    b: Any
    """(M,), or (..., M, 1) for a batch."""
    x_cotangent: Any
    """The cotangent of A⁺: (..., N, M)."""
    solution_cotangent: Any
    """The cotangent of A⁺b: (N,), or (..., N, 1)."""
    factors: tuple[Any, Any] | None
    """B and C with A = B C exactly, both of full rank, where A has not."""

    @cached_property
    def pinv(self) -> Any:
        """A⁺, to more digits than those of the dtype."""
        return reference.pinv(self.a, self.factors)

    @cached_property
    def pinv_gradient(self) -> Any:
        """The gradient of A for the cotangent of A⁺."""
        return reference.pinv_gradient(self.a, self.pinv, self.x_cotangent)

    @cached_property
    def solution(self) -> Any:
        """The least-squares solution A⁺b."""
        return reference.solution(self.pinv, self.b)

    @cached_property
    def lstsq_gradients(self) -> tuple[Any, Any]:
        """The gradients of A and b for the cotangent of the solution."""
        return reference.lstsq_gradients(self.a, self.b, self.pinv, self.solution_cotangent)

    def answers(self, function: str, mode: str) -> tuple[Any, ...]:
        """Return what a function should, or in the mode "backward" its gradients."""
        if mode == "forward":
            return (self.pinv,) if function == "pinv" else (self.solution,)
        return (self.pinv_gradient,) if function == "pinv" else self.lstsq_gradients


def problem(shape: Shape, dtype: str, kind: str) -> Problem:
    """Return the problem of this shape, dtype and kind.

    Parameters
    ----------
    shape : Shape
    dtype : str
        "float32", "float64", "complex64" or "complex128".
    kind : str
        "well": entries from the normal distribution, or, since a square matrix of them can have
        any condition, U Σ Vᴴ with singular values between 1 and 10. "kappa1e6": U Σ Vᴴ with
        singular values from 1 down to 1e-6, equally spaced in the logarithm. "deficient": a product
        of two matrices of small integers, of rank ⌈min(M, N)/2⌉ and exact in every dtype.

    Returns
    -------
    Problem
    """
    random = np.random.default_rng([*shape.full, list(KINDS).index(kind)])
    is_complex = dtype.startswith("complex")
    *batch, m, n = shape.full

    def normal(*lengths: int) -> Any:
        x = random.standard_normal((*batch, *lengths))
        return x + 1j * random.standard_normal(x.shape) if is_complex else x

    def unitary(rows: int, columns: int) -> Any:
        return np.linalg.qr(normal(rows, columns)).Q

    k = min(m, n)
    factors = None
    if kind == "deficient":
        factors = tuple(_full_rank(random, batch, m, n, is_complex))
        a = factors[0] @ factors[1]
    elif kind == "kappa1e6":
        a = (unitary(m, k) * np.logspace(0, -6, k)) @ unitary(n, k).conj().mT
    elif m == n:
        a = (unitary(m, k) * np.linspace(10, 1, k)) @ unitary(n, k).conj().mT
    else:
        a = normal(m, n)

    # Half of b can be reached by A, and half is noise.
    reached, noise = a @ normal(n, 1), normal(m, 1)
    b = reached / _norm(reached) + noise / _norm(noise)
    x_cotangent, solution_cotangent = normal(n, m), normal(n, 1)
    if shape.batch is None:
        b, solution_cotangent = b[:, 0], solution_cotangent[:, 0]

    def rounded(x: Any) -> Any:
        return np.ascontiguousarray(x.astype(dtype))

    return Problem(
        shape=shape,
        dtype=dtype,
        kind=kind,
        a=rounded(a),
        b=rounded(b),
        x_cotangent=rounded(x_cotangent),
        solution_cotangent=rounded(solution_cotangent),
        factors=factors,
    )


def _norm(x: Any) -> Any:
    return np.linalg.norm(x, axis=(-2, -1), keepdims=True)


def _full_rank(random: Any, batch: list[int], m: int, n: int, is_complex: bool) -> Any:
    """Yield B (..., M, r) and C (..., r, N) of full rank, with small integers as entries."""
    r = -(-min(m, n) // 2)
    for lengths in ((m, r), (r, n)):
        x = random.integers(-2, 2, (*batch, *lengths), endpoint=True).astype(np.float64)
        if is_complex:
            x = x + 1j * random.integers(-2, 2, x.shape, endpoint=True)
        # Small blocks of random integers are singular now and then; a dominant diagonal is not.
        yield x + 12 * np.eye(*lengths)
