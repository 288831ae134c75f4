"""Scaling: every matrix that an algorithm gets is finite, and its powers are representable.

Pseudoinverse and least squares are homogeneous: a power of two taken out of A or b goes back into
the result, and rounds nothing. Only matrices of unusual scale are changed. They are multiplied by
2**±STEP until their largest entry lies between 2**±(STEP/2). This leaves room for the fourth powers
that algorithms and second derivatives form. STEP is 24 in single precision and 192 in double.

A matrix that is not finite is replaced by zeros, since LAPACK does not return from some of them.
Its result becomes NaN.

All operations are differentiable, so gradients are scaled in the same way.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ._adapter import Adapter
from ._dtypes import Precision
from ._typing import Array

# The most steps that lead from one end of the exponent range to the middle.
MOST = 6


class Passed(NamedTuple):
    """A scaled array, and what it takes to scale a result back."""

    x: Array
    """X·2**(STEP·steps), with zeros in place of what is not finite."""
    steps: Array | None = None
    """Whole numbers in the real dtype, which broadcast; None if nothing was scaled."""
    finite: Array | None = None
    """Whether X is finite, in the shape of `steps`; None if all of it is."""

    @property
    def unchanged(self) -> bool:
        """Whether X was left as it is."""
        return self.steps is None and self.finite is None


def enter(lib: Adapter, x: Array, *, columns: bool = False) -> Passed:
    """Scale each matrix, or each column, which right-hand sides have, to ordinary size."""
    readable = lib.readable(x)
    if 0 in x.shape or (readable and lib.all(_ordinary(lib, x, columns))):
        return Passed(x)
    xp, known = lib.xp, lib.precision(x.dtype)
    assert known is not None  # checked at the call
    # The modulus of a complex number can overflow where its parts do not.
    parts = (xp.real(x), xp.imag(x)) if known.is_complex else (x,)
    axis: Any = -2 if columns else (-2, -1)
    peaks = [xp.max(xp.abs(part), axis=axis, keepdims=True) for part in parts]
    peak = peaks[0] if len(peaks) == 1 else xp.maximum(*peaks)  # NaN propagates
    finite = xp.isfinite(peak)
    inside = finite & (peak > 0.0)
    logarithm = xp.log2(xp.where(inside, peak, xp.ones_like(peak)))
    steps = -xp.round(logarithm / _step(known))
    if readable and lib.all(finite):
        finite = None
    else:
        x = xp.where(finite, x, xp.zeros_like(x))
    if readable and lib.all(steps == 0.0):
        return Passed(x, None, finite)
    return Passed(times(lib, x, steps), steps, finite)


def _ordinary(lib: Adapter, x: Array, columns: bool) -> Any:
    """Tell whether matrices, or columns, are finite and of an ordinary scale."""
    known = lib.precision(x.dtype)
    assert known is not None  # checked at the call
    low, high = _LIMITS[known.exponents]
    squares = lib.squares(x, -2) if columns and x.shape[-1] > 1 else lib.squares(x)
    if isinstance(squares, float):
        return low < squares < high
    return (squares > low) & (squares < high)


def leave(
    lib: Adapter, x: Array, steps: Array | None, *finite: Array | None, most: int = MOST
) -> Array:
    """Return X·2**(STEP·steps), |steps| ≤ `most`, and NaN where the input was not finite."""
    if steps is not None:
        x = times(lib, x, steps, most)
    for each in finite:
        if each is not None:
            nan = lib.xp.asarray(float("nan"), dtype=x.dtype, device=lib.device(x))
            x = lib.xp.where(each, x, nan)
    return x


def spoilt(lib: Adapter, finite: Array, a: Array, b: Array | None = None) -> Array:
    """Return what is added to a result: 0, or NaN where A is not finite, shape (..., 1, 1 or K).

    It is a sum over A and b, so that the derivatives with respect to them are NaN there, too:
    behind a mask they would be 0, which looks like an answer.
    """
    xp = lib.xp
    zero = leave(lib, xp.zeros_like(a[..., :1, :1]), None, finite)
    found = xp.sum(zero * a, axis=(-2, -1), keepdims=True)
    return found if b is None else found + xp.sum(zero * b, axis=-2, keepdims=True)


class System(NamedTuple):
    """A and b after scaling, and how results of A x ≈ b are scaled back.

    Tangents and cotangents take the same powers of two, since each is linear in x, in ‖b − A x‖²,
    in A or in b. What scales a result back scales its cotangent before use, and vice versa.
    """

    a: Passed
    b: Passed

    @property
    def unchanged(self) -> bool:
        """Whether both were left as they are."""
        return self.a.unchanged and self.b.unchanged

    def of_x(self, lib: Adapter, x: Array) -> Array:
        """Scale back x, shape (..., N, K), or scale its cotangent."""
        steps = _difference(self.a.steps, self.b.steps)
        return x if steps is None else times(lib, x, steps, 2 * MOST)

    def of_squares(self, lib: Adapter, squares: Array) -> Array:
        """Scale back ‖b − A x‖², shape (..., K), or scale its cotangent."""
        steps = self.b.steps
        return squares if steps is None else times(lib, squares, -2.0 * steps[..., 0, :], 2 * MOST)

    def of_a(self, lib: Adapter, x: Array) -> Array:
        """Scale back the cotangent of A, or scale its tangent."""
        return x if self.a.steps is None else times(lib, x, self.a.steps)

    def of_b(self, lib: Adapter, x: Array) -> Array:
        """Scale back the cotangent of b, or scale its tangent."""
        return x if self.b.steps is None else times(lib, x, self.b.steps)

    def marked(self, lib: Adapter, x: Array, squares: Array) -> tuple[Array, Array]:
        """Return x and ‖b − A x‖² with NaN where A, or a column of b, is not finite."""
        masks = [each.finite for each in self if each.finite is not None]
        rows = [mask[..., 0, :] for mask in masks]
        return leave(lib, x, None, *masks), leave(lib, squares, None, *rows)


def system(lib: Adapter, a: Array, b: Array) -> System:
    """Bring in A, and each column of b. One boolean tells that both are ordinary."""
    if lib.linear:  # in b, which nobody looks at; NaN and infinity pass through
        return System(enter(lib, a), Passed(b + (b - b)))
    if lib.readable(a, b) and not lib.on_host(a):
        each = _ordinary(lib, a, False), _ordinary(lib, b, True)
        if lib.all(lib.xp.all(each[0]) & lib.xp.all(each[1])):
            return System(Passed(a), Passed(b))
    return System(enter(lib, a), enter(lib, b, columns=True))


def finite(lib: Adapter, x: Array, passed: Passed) -> Array:
    """Return X without scaling, with zeros in place of what is not finite."""
    return x if passed.finite is None else lib.xp.where(passed.finite, x, lib.xp.zeros_like(x))


def _difference(p: Array | None, q: Array | None) -> Array | None:
    """Return p − q, where None stands for zero."""
    if q is None:
        return p
    return -q if p is None else p - q


def tolerance(lib: Adapter, atol: Any, a: Array, steps: Array | None) -> Any:
    """Return an absolute tolerance for the scaled A; None and zero stay as they are."""
    if steps is None or atol is None or (isinstance(atol, float) and atol in (0.0, math.inf)):
        return atol
    steps = steps[..., 0, 0]
    if isinstance(atol, float):
        known = lib.precision(a.dtype)
        assert known is not None  # checked at the call
        atol = lib.xp.full_like(steps, atol)
    return times(lib, atol, steps)


def times(lib: Adapter, x: Array, steps: Array, most: int = MOST) -> Array:
    """Return X·2**(STEP·steps) for |steps| ≤ `most`, exactly where that is representable.

    By at most four steps at a time, since a larger factor might not be representable. The dtype of
    `steps` decides STEP: X may have more digits than the input.
    """
    xp = lib.xp
    known = lib.precision(steps.dtype)
    assert known is not None  # `enter` makes no other
    one = xp.ones_like(steps)
    for _ in range(math.ceil(most / 4)):
        now = xp.clip(steps, -4.0, 4.0)
        factor, size = one, xp.abs(now)
        for i in range(1, 5):
            factor = xp.where(size == i, one * 2.0 ** (i * _step(known)), factor)
        x, steps = x * xp.where(now < 0.0, one / factor, factor), steps - now
        if lib.readable(steps) and lib.all(steps == 0.0):
            break
    return x


def _step(known: Precision) -> int:
    return 3 * known.exponents // 16


# A squared norm between these limits is ordinary, for dtypes with so many exponents. The upper
# limit is wider, since norms of large data sum many entries.
_LIMITS = {e: (math.ldexp(1.0, -e // 4), math.ldexp(1.0, 3 * e // 8)) for e in (128, 1024)}
