"""Recipes that are made of other recipes: scaled, weighted, repeated, in batches, and spoilt."""

# ruff: noqa: D401 — a recipe's docstring names the matrix
from __future__ import annotations

from typing import Any

import numpy as np

from pinvx_conformance import _exact
from pinvx_conformance._recipe import Recipe, Stream, array_recipe


@array_recipe
def scaled(dtype: str, a: Recipe, exponent: int) -> Any:
    """A·2^exponent, which is exact while nothing over- or underflows."""
    base = a.array(dtype)
    if base.dtype.kind != "c":
        return np.ldexp(base, exponent)
    return (np.ldexp(base.real, exponent) + 1j * np.ldexp(base.imag, exponent)).astype(base.dtype)


@array_recipe
def weighted(dtype: str, a: Recipe, rows: tuple[int, ...], columns: tuple[int, ...]) -> Any:
    """2^rowᵢ·A·2^columnⱼ, which is exact; the exponents repeat where there are too few."""
    base = a.array(dtype)
    m, n = base.shape
    exponents = np.resize(rows, m)[:, None] + np.resize(columns, n)[None, :]
    if base.dtype.kind != "c":
        return np.ldexp(base, exponents)
    both = np.ldexp(base.real, exponents) + 1j * np.ldexp(base.imag, exponents)
    return both.astype(base.dtype)


@array_recipe
def tiled(dtype: str, a: Recipe, copies: int) -> Any:
    """`copies` copies of A below each other: very many rows, and still an exact pseudoinverse."""
    return np.tile(a.array(dtype), (copies, 1))


def hadamard_matrix(order: int) -> Any:
    """Sylvester's Hadamard matrix: ±1, symmetric, and H·H = order·I."""
    if order & (order - 1) or order < 1:
        raise ValueError(f"hadamard got the order {order}.\nHint: pass a power of two.")
    bits = np.arange(order)
    common = np.bitwise_count(bits[:, None] & bits[None, :])
    return np.where(common % 2, -1.0, 1.0)


@array_recipe
def hadamard(dtype: str, a: Recipe, order: int) -> Any:
    """H ⊗ A: large, without a zero where A has none, and still an exact pseudoinverse."""
    return np.kron(hadamard_matrix(order), a.array(dtype)).astype(dtype)


@array_recipe
def multiples(dtype: str, b: Recipe, order: int, *, seed: int = 0) -> Any:
    """c₁·b over c₂·b and so on: right-hand sides of `hadamard`, whose solutions are exact."""
    c = multiples_of(Recipe("multiples", (b, order), (("seed", seed),)))
    return np.kron(c[:, None], b.array(dtype)).astype(dtype)


def multiples_of(recipe: Recipe) -> Any:
    """The small integers c of `multiples`: an eigenvector of the Hadamard matrix, H·c = √order·c.

    So the cotangents and the residuals of least squares, which meet in one product, lie along one
    vector. The order is a power of four.
    """
    order, seed = recipe.positional[1], dict(recipe.keywords).get("seed", 0)
    root = int(order**0.5)
    if root * root != order:
        raise ValueError(f"multiples got the order {order}.\nHint: pass a power of four.")
    v = Stream(seed).integers(-2, 2, order).astype("float64")
    v[0] = 3.0
    return root * v + hadamard_matrix(order) @ v


@array_recipe
def adjoint(dtype: str, a: Recipe) -> Any:
    """The conjugate transpose: what is hard for its columns becomes so for its rows."""
    return np.conj(np.ascontiguousarray(np.swapaxes(a.array(dtype), -1, -2)))


@array_recipe
def block_diagonal(dtype: str, *blocks: Recipe) -> Any:
    """Blocks along the diagonal, zeros elsewhere."""
    arrays = [block.array(dtype) for block in blocks]
    corners = np.cumsum([(0, 0), *(a.shape for a in arrays)], axis=0)
    out = np.zeros(corners[-1], dtype=arrays[0].dtype)
    for (i, j), a in zip(corners, arrays, strict=False):
        out[i : i + a.shape[0], j : j + a.shape[1]] = a
    return out


@array_recipe
def kronecker(dtype: str, a: Recipe, b: Recipe) -> Any:
    """A ⊗ B for a real B: every entry is one product, rounded once."""
    first, second = a.array(dtype), b.array(dtype)
    return np.kron(first, np.real(second))


@array_recipe
def image(dtype: str, a: Recipe, x: Recipe) -> Any:
    """A·x, computed exactly and rounded once: right-hand sides that leave nothing over."""
    (left, i), (right, j) = (_exact.integral(one.array(dtype)) for one in (a, x))
    entries = [int(v) / (1 << i + j) for v in (left * right).entries()]
    product = np.asarray(entries, dtype="float64").reshape(left.nrows(), right.ncols())
    if np.dtype(dtype).kind == "c":
        m, n = (size // 2 for size in product.shape)
        product = product[:m, :n] + 1j * product[m:, :n]
    return product.astype(dtype)


@array_recipe
def batch(dtype: str, *items: Recipe) -> Any:
    """A stack of matrices of one shape."""
    return np.stack([item.array(dtype) for item in items])


@array_recipe
def poisoned(dtype: str, a: Recipe, value: str = "nan", row: int = 0, column: int = 0) -> Any:
    """A with one entry replaced by "nan", "inf" or "-inf"."""
    out = a.array(dtype)
    out[..., row, column] = float(value)
    return out
