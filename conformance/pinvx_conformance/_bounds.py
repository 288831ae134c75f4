"""The published constants, and where they come from.

Notation: p = max(M, N), κ = σ₁/σ_r, eps the machine epsilon of the dtype computed in (float32 for
half types), E the backward error of a stable factorisation.

**What is assumed.** Each stage of a stable algorithm (reduction, iteration or inversion,
back-multiplication) is exact for a matrix p·eps·‖A‖₂ away in the Frobenius norm. Three stages:
‖E‖_F ≤ 3·p·eps·‖A‖₂.

**P6.** Wedin (1973): for equal ranks ‖(A+E)⁺ − A⁺‖_F ≤ √2·‖A⁺‖₂·‖(A+E)⁺‖₂·‖E‖_F. That is
3√2·p·eps·κ·‖A⁺‖, another p·eps for forming the product, and a factor 1.5 for
‖(A+E)⁺‖ ≤ 1.5·‖A⁺‖ (κ·p·eps ≤ 1/9): (3√2 + 1)·1.5 < 8 = `PINV`.

**P6, beside the SVD.** An eps of ‖A‖ in the input already moves A⁺ by eps·κ·‖A⁺‖. No method
that reads rounded data can promise less, so that is the rounding floor, and a method may be
`BESIDE_SVD` = 4 times worse than the larger of the SVD formula's own error and the floor.

**P5.** With X = (A+E)⁺, AXA − A = −E + E·X·A + A·X·E − …: at most 2‖E‖·κ beside ‖A‖, the same for
X, and ‖E‖‖X‖ for each projector. Half of P6's constant would do; `PENROSE` = 8 keeps one number.

**P9.** Wedin again: ‖δx‖ ≤ ‖E‖(2‖A⁺‖‖x‖ + ‖A⁺‖²‖r‖) + ‖A⁺‖‖δb‖. With ‖E‖, ‖δb‖ as above the scale
is κ(2‖x‖ + ‖A⁺‖‖r‖) + ‖A⁺‖‖b‖, and the constant that of P6.

**P13.** Each of the three Golub–Pereyra terms holds two factors X and at most one projector; an
X moves by `PINV` units, a projector too: (2 + 3 + 3)·8 = 64 = `FIRST_ORDER`, in units of
p·eps·κ·‖A⁺‖₂²·‖G‖_F. A second derivative has ten terms of three X and a projector, with a dX that
is itself three terms: 10·4·3·8 ≤ 1024 = `SECOND_ORDER`, in units of p·eps·κ·‖A⁺‖₂³·‖G‖‖dA‖.
Least squares is the same with the cotangent G = g·bᴴ, of norm ‖g‖‖b‖. Nothing here depends on the
precision but eps, so single and double, real and complex share the constants.
"""

from __future__ import annotations

import numpy as np

PINV = 8.0
PENROSE = 8.0
LSTSQ = 8.0
BESIDE_SVD = 4.0
FIRST_ORDER = 64.0
SECOND_ORDER = 1024.0

_COMPUTED_IN = {
    "float16": "float32",
    "bfloat16": "float32",
    "complex64": "float32",
    "complex128": "float64",
}

# The unit that the result itself is rounded to; NumPy does not know bfloat16.
_STORED = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def eps_of(dtype: str) -> float:
    """Return the machine epsilon of the real dtype that `dtype` is computed in."""
    name = _COMPUTED_IN.get(dtype, dtype)
    return float(np.finfo(name if name.startswith("float") else "float64").eps)


def stored_eps(dtype: str) -> float:
    """Return the unit that a result of `dtype` is rounded to."""
    return _STORED.get(dtype, eps_of(dtype))


def unit(shape: tuple[int, ...], dtype: str, kappa: float) -> float:
    """p·eps·κ, what every bound is a multiple of."""
    p = max(*shape[-2:], 1)
    rounding = stored_eps(dtype) if dtype in _STORED else 0.0
    return p * eps_of(dtype) * max(kappa, 1.0) + rounding


def rounded(value: float, bound: float, dtype: str) -> float:
    """Return a bound with one rounding to a half type on top, of a result as large as `value`."""
    return bound + (_STORED[dtype] * value if dtype in _STORED else 0.0)


def computed_unit(shape: tuple[int, ...], dtype: str, kappa: float) -> float:
    """p·eps·κ in the dtype computed in, without the rounding of what is stored."""
    return max(*shape[-2:], 1) * eps_of(dtype) * max(kappa, 1.0)
