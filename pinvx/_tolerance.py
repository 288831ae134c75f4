"""The one cutoff rule: a singular value counts iff σ > max(atol, rtol·σ₁).

`rtol=None` means max(M, N)·eps, the default of the Array API standard, or 0 where an absolute
tolerance > 0 is given. Exactly zero singular values never count: the comparison is strict.
"""

from __future__ import annotations

import bisect
import math
import operator
from numbers import Real
from typing import Any

from ._adapter import Adapter
from ._dispatch import adapter_of
from ._dtypes import Precision
from ._errors import describe, sentence
from ._typing import Array, Tolerance


def tolerances(
    lib: Adapter,
    a: Array,
    known: Precision,
    function: str,
    *,
    rtol: Tolerance | None,
    atol: Tolerance | None,
    rcond: Tolerance | None,
) -> tuple[Any, Any]:
    """Check the tolerances, and replace None by the default.

    Returns
    -------
    rtol, atol : float or array
        Each a Python float, or an array with as many dimensions as the batch of `a`.
    """
    if rcond is not None:
        if rtol is not None:
            raise TypeError(
                sentence(
                    f"{function}: `rtol` and `rcond` were both given, and are two names of one "
                    "tolerance",
                    "pass `rtol` alone",
                )
            )
        rtol, rtol_name = rcond, "rcond"
    else:
        rtol_name = "rtol"
    if rtol is not None:
        rtol = _at_most_one(lib, _checked(lib, a, known, function, rtol_name, rtol))
    if atol is not None:
        atol = _checked(lib, a, known, function, "atol", atol)
    if rtol is None:
        rtol = default(a.shape, known)
        if isinstance(atol, float):
            rtol = 0.0 if atol > 0.0 else rtol
        elif atol is not None:
            rtol = lib.xp.where(atol > 0.0, lib.xp.zeros_like(atol), lib.xp.full_like(atol, rtol))
    return rtol, 0.0 if atol is None else atol


def default(shape: tuple[int, ...], known: Precision) -> float:
    """Return max(M, N)·eps."""
    return max(shape[-2:]) * known.eps


def counted(lib: Adapter, s: Array, largest: Array, unit: Any, rtol: Any, atol: Any) -> Array:
    """Tell which singular values count.

    Parameters
    ----------
    lib
        The adapter of the arrays.
    s : array, shape (..., K)
        Singular values of unit·A, in any order, K > 0.
    largest : array, shape (...)
        The largest of them.
    unit : array, shape (...), or float
        The scale of A.
    rtol, atol
        As `tolerances` returns them.

    Returns
    -------
    array of bool, shape (..., K)
    """
    cutoff = rtol * largest
    if not isinstance(atol, float) or atol > 0.0:
        cutoff = lib.xp.maximum(cutoff, atol * unit)
    # Strictly above: with rtol = 0 a zero singular value would count otherwise.
    return s > cutoff[..., None]


def how_many(sigma: list[float], cutoff: float) -> int:
    """Return how many singular values, descending, are above the cutoff."""
    if sigma[-1] > cutoff:
        return len(sigma)
    return bisect.bisect_left(sigma, -cutoff, key=operator.neg)


def _checked(
    lib: Adapter, a: Array, known: Precision, function: str, name: str, value: Tolerance
) -> Any:
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isnan(number) or number < 0.0:
            raise ValueError(_not_a_tolerance(function, name, f"is {number}"))
        return number
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise TypeError(
            sentence(
                f"{function}: `{name}` is {describe(value)}",
                "pass a Python number, or an array of the library of `a`",
            )
        )
    return _checked_array(lib, a, known, function, name, value)


def _checked_array(
    lib: Adapter, a: Array, known: Precision, function: str, name: str, value: Array
) -> Array:
    xp = lib.xp
    batch = tuple(a.shape[:-2])
    if adapter_of(value, function, name) is not lib or not xp.isdtype(
        value.dtype, ("integral", "real floating")
    ):
        raise TypeError(
            sentence(
                f"{function}: `{name}` is {describe(value)} and `a` is {describe(a)}",
                "pass a Python number, or a real array of the library of `a`",
            )
        )
    value = xp.astype(value, known.real, copy=False)
    if lib.device(value) != lib.device(a):
        raise ValueError(
            sentence(
                f"{function}: `{name}` is on {lib.device(value)} and `a` on {lib.device(a)}",
                "move them to one device, or pass a Python number",
            )
        )
    shape = tuple(value.shape)
    padded = (1,) * (len(batch) - len(shape)) + shape
    if len(padded) > len(batch) or any(n not in (1, m) for n, m in zip(padded, batch, strict=True)):
        raise ValueError(
            sentence(
                f"{function}: `{name}` of shape {shape} does not broadcast to the batch shape "
                f"{batch} of `a`",
                "pass one number, or one a matrix",
            )
        )
    if lib.readable(value) and bool(xp.any(~(value >= 0.0))):
        raise ValueError(_not_a_tolerance(function, name, "has negative or NaN entries"))
    return xp.reshape(value, padded)


def _at_most_one(lib: Adapter, rtol: Any) -> Any:
    """Return `rtol`, or 1 where it is larger: nothing counts either way, and ∞·0 is no cutoff."""
    if isinstance(rtol, float):
        return min(rtol, 1.0)
    return lib.xp.where(rtol > 1.0, lib.xp.ones_like(rtol), rtol)


def _not_a_tolerance(function: str, name: str, what: str) -> str:
    return sentence(
        f"{function}: `{name}` {what}, and a tolerance is a number ≥ 0",
        f"leave `{name}` away for the default, or pass 0 to keep every nonzero singular value",
    )
