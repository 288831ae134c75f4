"""The matrices of the tests, with their exact pseudoinverses: one visible table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import exact
import numpy as np


@dataclass(frozen=True)
class Case:
    """A = B·C for small integer factors of full rank, so every dtype holds A exactly."""

    name: str
    m: int
    n: int
    rank: int
    is_complex: bool = False
    seed: int = 0

    def __str__(self) -> str:
        return self.name

    @cached_property
    def factors(self) -> tuple[Any, Any]:
        rng = np.random.default_rng([self.seed, self.m, self.n, self.rank])

        def integers(*shape: int) -> Any:
            x = rng.integers(-3, 4, shape).astype(float)
            return x + 1j * rng.integers(-3, 4, shape) if self.is_complex else x

        b, c = integers(self.m, self.rank), integers(self.rank, self.n)
        # The identity on top keeps the factors of full rank, and the condition number small.
        k = range(self.rank)
        b[k, k] += 8
        c[k, k] += 8
        return b, c

    @cached_property
    def a(self) -> Any:
        b, c = self.factors
        return b @ c

    @cached_property
    def x(self) -> Any:
        """A⁺, exact before its one rounding."""
        b, c = self.factors
        x = exact.rounded(exact.pinv(exact.rational(b), exact.rational(c)))
        return x.astype(self.a.dtype)

    @cached_property
    def kappa(self) -> float:
        if self.rank == 0:
            return 1.0
        s = np.linalg.svd(self.a, compute_uv=False)
        return float(s[0] / s[self.rank - 1])

    def b(self, columns: int = 2) -> Any:
        """A right-hand side of small integers that A does not reach."""
        rng = np.random.default_rng([7, self.m, columns])
        b = rng.integers(-5, 6, (self.m, columns)).astype(float)
        return b + 1j * rng.integers(-5, 6, b.shape) if self.is_complex else b


# The first and the ninth of those that fit a dtype are what `Backend.some` takes.
CASES = (
    Case("complex, deficient", 6, 5, 2, is_complex=True),
    Case("tall, deficient", 7, 4, 2),
    Case("tall", 7, 3, 3),
    Case("square", 5, 5, 5),
    Case("square, deficient", 5, 5, 3),
    Case("a row", 1, 4, 1),
    Case("a column", 4, 1, 1),
    Case("zero", 4, 3, 0),
    Case("wide", 3, 7, 3),
    Case("wide, deficient", 4, 7, 2),
    Case("one number", 1, 1, 1),
    Case("larger", 60, 20, 20),
    Case("larger, deficient", 20, 60, 11),
    Case("complex", 5, 3, 3, is_complex=True),
    Case("complex, wide", 3, 6, 3, is_complex=True),
    Case("rank one", 6, 4, 1),
)


def named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def fitting(dtype: str) -> tuple[Case, ...]:
    """The cases that a dtype can hold."""
    return tuple(case for case in CASES if dtype.startswith("complex") or not case.is_complex)


def integers(shape: tuple[int, ...], case: Case, seed: int) -> Any:
    """A direction of small integers, complex where the case is."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.integers(-4, 5, shape).astype(float)
    return x + 1j * rng.integers(-4, 5, shape) if case.is_complex else x
