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
    real = [[_slices(part, axis, a.shape[-1]) for part in _parts(x)] for x, axis in ((a, -1), (b, -2))]
    left, right = real
    if len(left) == len(right) == 1:
        return _sum(left[0], right[0])
    zero = np.longdouble(0)
    ar, ai = left if len(left) == 2 else (left[0], None)
    br, bi = right if len(right) == 2 else (right[0], None)
    re = _sum(ar, br) - (zero if ai is None or bi is None else _sum(ai, bi))
    im = (zero if bi is None else _sum(ar, bi)) + (zero if ai is None else _sum(ai, br))
    return re + 1j * im


def _parts(x: Any) -> list[Any]:
    """Return the real part and, of complex numbers, the imaginary part, as long doubles."""
    parts = [x.real, x.imag] if np.iscomplexobj(x) else [x]
    return [part.astype(np.longdouble) for part in parts]


def _slices(x: Any, axis: int, length: int) -> list[Any]:
    """Return float64 arrays with the sum x, each with few enough bits along `axis`.

    Slice i holds multiples of 2^(e − (i+1)β) of magnitude at most 2^(e − iβ), where 2^e bounds the
    row or column. `length` products of two such integers of β bits stay below 2⁵³.
    """
    bits = (53 - math.ceil(math.log2(max(length, 2)))) // 2
    _, exponent = np.frexp(np.max(np.abs(x), axis=axis, keepdims=True, initial=0))
    slices = []
    for i in range(1, math.ceil(66 / bits) + 1):
        step = np.ldexp(np.longdouble(1), exponent - i * bits)
        piece = np.rint(x / step) * step
        slices.append(piece.astype(np.float64))
        x = x - piece
        if not x.any():
            break
    return slices


def _sum(left: list[Any], right: list[Any]) -> Any:
    """Return the sum of the products of slices, the smallest first."""
    depth = max(len(left), len(right))
    pairs = [(i, j) for i in range(len(left)) for j in range(len(right)) if i + j < depth]
    total: Any = np.longdouble(0)
    for i, j in sorted(pairs, key=sum, reverse=True):
        total = total + (left[i] @ right[j]).astype(np.longdouble)
    return total
