"""The matrices, quick to make at a hundred million entries, and the same in every library.

The host makes factors in single precision; their product is formed on the device, in the dtype that
is measured. Rounding of a factor changes singular values by a few eps of themselves, not of σ₁.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contenders import Contender
from ..grid import KINDS, Shape
from .grid import Task

BLOCK = 1 << 22
"""Entries that one thread makes at a time. Blocks have seeds, so threads change no number."""


@dataclass(frozen=True)
class Factors:
    """A = left, or A = left right."""

    left: Any
    right: Any | None
    hermitian: bool


def factors(shape: Shape, kind: str, *, is_complex: bool, hermitian: bool = False) -> Factors:
    """Return the factors of A.

    Parameters
    ----------
    shape : Shape
    kind : str
        "well": entries from the normal distribution, or, of a square matrix, singular values
        between 1 and 10. "kappa1e6": singular values from 1 down to 1e-6, equally spaced in the
        logarithm. "deficient": a product of two matrices of small integers, of rank
        ⌈min(M, N)/2⌉, and exact in every dtype.
    is_complex, hermitian : bool
        Eigenvalues of Hermitian matrices have signs.
    """
    seed = [*shape.full, list(KINDS).index(kind), int(hermitian)]
    random = np.random.default_rng(seed)
    *batch, m, n = shape.full
    if kind == "deficient":
        return _of_integers(random, batch, m, n, is_complex, hermitian)
    if kind == "well" and m != n:
        return Factors(normal(seed, (*batch, m, n), is_complex=is_complex), None, hermitian)
    k = min(m, n)
    values = np.linspace(10, 1, k) if kind == "well" else np.logspace(0, -6, k)
    s = random.permuted(np.broadcast_to(values, (*batch, 1, k)), axis=-1)
    u = _unitary(random, batch, m, k, is_complex)
    if hermitian:
        v = u.conj().swapaxes(-2, -1)
        s = s * random.choice([-1.0, 1.0], s.shape)
    else:
        v = _unitary(random, batch, n, k, is_complex).conj().swapaxes(-2, -1)
    return Factors(u * s.astype(np.float32), v, hermitian)


def matrix(contender: Contender, device: str, made: Factors, dtype: str) -> Any:
    """Return A on the device."""
    with contender.full_precision():
        parts = [
            contender.cast(contender.array(x, device, gradient=False), dtype)
            for x in (made.left, made.right)
            if x is not None
        ]
        a = parts[0] if len(parts) == 1 else parts[0] @ parts[1]
        return (a + a.swapaxes(-2, -1).conj()) / 2 if made.hermitian else a


def right_hand_side(contender: Contender, device: str, task: Task, a: Any) -> Any:
    """Return b, (M,) or (..., M, 1): half of it can be reached by A, and half is noise."""
    *batch, m, n = task.shape.full
    noise, w = (
        contender.cast(
            contender.array(
                normal([length, 9], (*batch, length, 1), is_complex="complex" in task.dtype),
                device,
                gradient=False,
            ),
            task.dtype,
        )
        for length in (m, n)
    )
    reached = a @ w
    b = reached / frobenius(reached) + noise / frobenius(noise)
    return b if batch else b[:, 0]


def frobenius(x: Any) -> Any:
    """Return the Frobenius norm of each matrix, (..., 1, 1), in words that all libraries have."""
    return (abs(x) ** 2).sum(axis=(-2, -1), keepdims=True) ** 0.5


def normal(seed: list[int], shape: tuple[int, ...], *, is_complex: bool) -> Any:
    """Return normal numbers in single precision, made by several threads."""
    flat: Any = np.empty(int(np.prod(shape)) * (2 if is_complex else 1), np.float32)

    def fill(start: int) -> None:
        part = flat[start : start + BLOCK]
        np.random.default_rng([*seed, start]).standard_normal(dtype=np.float32, out=part)

    _each(fill, range(0, flat.size, BLOCK))
    return flat.view(np.complex64 if is_complex else np.float32).reshape(shape)


def _unitary(random: Any, batch: list[int], m: int, k: int, is_complex: bool) -> Any:
    """Return matrices (..., M, K) with orthonormal columns.

    They are columns of the discrete cosine transform √(2/M) cos π(i+½)(j+½)/M, which is symmetric
    and orthogonal, times random signs or phases of the rows. (2i+1)(2j+1) is reduced to an index
    into one table of cosines, so no digit is lost where M is large.
    """
    table = (np.sqrt(2 / m) * np.cos(np.pi / (4 * m) * np.arange(8 * m))).astype(np.float32)
    columns = np.sort(random.permutation(m)[:k])
    cosines: Any = np.empty((m, k), np.float32)
    rows = max(1, BLOCK // k)

    def fill(start: int) -> None:
        i = np.arange(start, min(m, start + rows))[:, None]
        cosines[start : start + rows] = table[(2 * i + 1) * (2 * columns + 1) % (8 * m)]

    _each(fill, range(0, m, rows))
    if is_complex:
        phases = np.exp(2j * np.pi * random.random((*batch, m, 1))).astype(np.complex64)
    else:
        phases = random.choice(np.asarray([-1, 1], np.float32), (*batch, m, 1))
    return phases * cosines


def _of_integers(
    random: Any, batch: list[int], m: int, n: int, is_complex: bool, hermitian: bool
) -> Factors:
    """Return B (..., M, R) and C (..., R, N) of full rank; C is ±Bᴴ for a Hermitian product.

    Small blocks of random integers are singular now and then; a dominant diagonal is not.
    """
    r = -(-min(m, n) // 2)

    def full_rank(*lengths: int) -> Any:
        x = random.integers(-2, 2, (*batch, *lengths), endpoint=True, dtype=np.int8)
        x[..., np.arange(r), np.arange(r)] += 12
        if not is_complex:
            return x.astype(np.float32)
        y = random.integers(-2, 2, x.shape, endpoint=True, dtype=np.int8)
        return (x + np.complex64(1j) * y).astype(np.complex64)

    b = full_rank(m, r)
    if not hermitian:
        return Factors(b, full_rank(r, n), hermitian)
    signs = random.choice(np.asarray([-1, 1], np.float32), (*batch, r, 1))
    return Factors(b, signs * b.conj().swapaxes(-2, -1), hermitian)


def _each(work: Callable[[int], None], starts: range) -> None:
    if len(starts) == 1:
        work(starts[0])
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(work, starts))
