"""How far a result may be from the truth. Constants are derived here, and nowhere else.

Notation: p = max(M, N), κ = σ₁/σ_r, eps the machine epsilon of the dtype computed in.

`VALUE`. A stable algorithm has three stages (reduce, iterate or invert, multiply back), and each
is exact for a matrix at most p·eps·‖A‖₂ away in the Frobenius norm. By Wedin's theorem (1973) a
perturbation E of the same rank moves A⁺ by at most √2·‖A⁺‖₂·‖(A+E)⁺‖₂·‖E‖; with
‖(A+E)⁺‖ ≤ 1.5·‖A⁺‖ that is 3·√2·1.5 < 6.5 units of p·eps·κ·‖A⁺‖, and 1.5 for rounding the product.

`FIRST`. A term of the first derivative has at most three factors that depend on A: two of X and a
projector AX, which is a product with an X; each moves by `VALUE` units, or twice that for the
projector with its product: 8·(1 + 1 + 2) = 32 of κ·‖X‖₂²·‖dA‖ for each of the three terms < 100.
"""

from __future__ import annotations

from typing import Any

import numpy as np

VALUE = 8.0
FIRST = 100.0


def eps_of(dtype: str) -> float:
    """The epsilon computed with."""
    return float(np.finfo("float64" if dtype in ("float64", "complex128") else "float32").eps)


def stored_eps(dtype: str) -> float:
    """The epsilon of the result: what rounding it once may cost."""
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(dtype, eps_of(dtype))


def unit(shape: tuple[int, ...], dtype: str, kappa: float) -> float:
    """p·eps·κ, and what storing the result costs."""
    return max(1, *shape[-2:]) * eps_of(dtype) * max(kappa, 1.0) + stored_eps(dtype)


def norm(x: Any) -> float:
    return float(np.linalg.norm(np.asarray(x).ravel()))


def assert_close(
    actual: Any, expected: Any, tolerance: float, *, scale: float | None = None, what: str = ""
) -> None:
    """‖actual − expected‖_F ≤ tolerance·scale, and scale is ‖expected‖_F unless given."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    wide = np.result_type(actual, expected, np.float64)  # the difference must not round again
    error = norm(actual.astype(wide) - expected.astype(wide))
    allowed = tolerance * (norm(expected) if scale is None else scale)
    assert error <= allowed, f"{what}: error {error:.3g}, allowed {allowed:.3g}"
