"""Matrix products in extended precision at the speed of BLAS.

A product of long doubles takes NumPy a loop of one multiplication after the other. Here each factor
is cut into slices of so few bits that the products of slices are sums of integers below 2⁵³, hence
exact in float64, in whatever order BLAS adds them; only their sum is rounded, in long double.

K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, "Error-free transformations of matrix multiplication by
using fast routines of matrix multiplication and its applications", Numer. Algorithms 59 (2012),
95–118.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

EXTENDED = float(np.finfo(np.longdouble).eps)
"""The epsilon of long double: 1.1e-19 on x86, and float64's own on some other machines."""


def product(a: Any, b: Any) -> Any:
    """Return A B, rounded to long double.

    Parameters
    ----------
    a : array, shape (..., M, K)
        Real or complex, of at most long double precision.
    b : array, shape (..., K, N)

    Returns
    -------
    array, shape (..., M, N)
        Of dtype longdouble or clongdouble. The error is at most a few units in the last place of
        K·max|aᵢ|·max|bⱼ| for row i of A and column j of B.
    """
    left = [_slices(part, -1) for part in _parts(a)]
    right = [_slices(part, -2) for part in _parts(b)]
    real = _sum(left[0], right[0])
    if len(left) == len(right) == 1:
        return real
    imaginary: Any = np.longdouble(0)
    if len(left) == 2:
        imaginary = imaginary + _sum(left[1], right[0])
    if len(right) == 2:
        imaginary = imaginary + _sum(left[0], right[1])
    if len(left) == len(right) == 2:
        real = real - _sum(left[1], right[1])
    return real + 1j * imaginary


def _parts(x: Any) -> list[Any]:
    """Return the real part and, of complex numbers, the imaginary part."""
    return [x.real, x.imag] if np.iscomplexobj(x) else [x]


def _slices(x: Any, axis: int) -> list[Any]:
    """Return float64 arrays with the sum x, each with few enough bits along `axis`.

    Slice i = 1, 2, … holds multiples of 2^(e − iβ), of magnitude at most 2^(e − (i−1)β), where 2^e
    bounds the row or column. A sum of K products of two such integers of β bits is below 2⁵³.
    """
    bits = (53 - math.ceil(math.log2(max(x.shape[axis], 2)))) // 2
    rest = x.astype(np.float64)
    # What float64 cannot hold. It joins the rest when the first slice has made room for it.
    below = None if x.dtype == rest.dtype else (x - rest).astype(np.float64)
    _, exponent = np.frexp(np.max(np.abs(rest), axis=axis, keepdims=True, initial=0))
    slices = []
    for i in range(1, -(-63 // bits) + 1):
        step = np.ldexp(1.0, exponent - i * bits)
        piece = np.rint(rest / step) * step
        slices.append(piece)
        rest = rest - piece
        if below is not None:
            rest, below = rest + below, None
        if not rest.any():
            break
    return slices


def _sum(left: list[Any], right: list[Any]) -> Any:
    """Return the sum of the products of slices, the smallest first."""
    depth = max(len(left), len(right))
    pairs = [(i, j) for i in range(len(left)) for j in range(len(right)) if i + j < depth]
    total: Any = np.longdouble(0)
    for i, j in sorted(pairs, key=sum, reverse=True):
        total = total + left[i] @ right[j]
    return total
