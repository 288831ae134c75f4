"""The one cutoff rule: a singular value counts iff σ > max(atol, rtol·σ₁).

`rtol=None` means max(M, N)·eps, the default of the Array API standard, or 0 where an absolute
tolerance > 0 is given. Exactly zero singular values never count: the comparison is strict.
Tolerances are rounded to the dtype computed in, whether they are numbers or arrays.
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


class CutoffWarning(UserWarning):
    """No tolerance was given, and the default one drops more than small singular values.

    The default is rtol = max(M, N)·eps. For float32 (eps ≈ 1.2·10⁻⁷) and 83 887 rows it exceeds
    0.01, and for 8 388 608 rows it is 1, so that nothing counts and the result is 0. The warning
    depends on the shape and the dtype alone. Pass `rtol`, or compute in float64.
    """


# Where the default rtol exceeds this, `CutoffWarning` is given.
UNUSUAL = 0.01
_TOO_LONG = (
    f"`a` is so long that the default rtol, max(M, N)·eps, exceeds {UNUSUAL}: every singular value "
    "below that part of the largest is dropped"
)


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
    """Return rtol and atol as they were passed, but checked.

    An array comes in the real dtype computed in, with as many dimensions as the batch of `a`.
    """
    name = "rtol"
    if rcond is not None:
        if rtol is not None:
            raise TypeError(
                sentence(
                    f"{function}: `rtol` and `rcond` were both given, and are two names of one "
                    "tolerance",
                    "pass `rtol` alone",
                )
            )
        rtol, name = rcond, "rcond"
    if rtol is not None:
        rtol = _checked(lib, a, known, function, name, rtol)
    if atol is not None:
        atol = _checked(lib, a, known, function, "atol", atol)
    seen = all(isinstance(n, int) for n in a.shape[-2:])
    if rtol is None and atol is None and seen and default(a.shape, known) > UNUSUAL:
        text = sentence(
            f"{function}: {_TOO_LONG}",
            "pass rtol, such as rtol=1e-6, or convert to float64",
        )
        lib.warn(text, CutoffWarning)
    return rtol, atol


def cutoff(lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Any, Any]:
    """Return the tolerances with the default in place of None, for a matrix of this shape."""
    if rtol is None:
        known = lib.precision(a.dtype)
        assert known is not None  # checked at the call
        rtol = default(a.shape, known)
        if isinstance(atol, float):
            rtol = 0.0 if atol > 0.0 else rtol
        elif atol is not None:
            rtol = lib.xp.where(atol > 0.0, lib.xp.zeros_like(atol), lib.xp.full_like(atol, rtol))
    elif isinstance(rtol, float):
        # From 1 on nothing counts, and ∞·0 would be NaN.
        rtol = min(rtol, 1.0)
    else:
        rtol = lib.xp.where(rtol > 1.0, lib.xp.ones_like(rtol), rtol)
    return rtol, 0.0 if atol is None else atol


def default(shape: tuple[int, ...], known: Precision) -> float:
    """Return max(M, N)·eps."""
    return max(shape[-2:]) * known.eps


def counted(lib: Adapter, s: Array, largest: Array, rtol: Any, atol: Any) -> Array:
    """Tell which singular values count.

    `s`, shape (..., K), stands in any order, and `largest` has the largest of each; the tolerances
    are those of `cutoff`.
    """
    lowest = rtol * largest
    if not isinstance(atol, float) or atol > 0.0:
        lowest = lib.xp.maximum(lowest, atol + lib.xp.zeros_like(largest))
    # Strictly above: with rtol = 0 a zero singular value would count otherwise.
    return s > lowest[..., None]


def how_many(sigma: list[float], lowest: float) -> int:
    """Return how many singular values, descending, are above the cutoff."""
    if sigma[-1] > lowest:
        return len(sigma)
    return bisect.bisect_left(sigma, -lowest, key=operator.neg)


def _checked(
    lib: Adapter, a: Array, known: Precision, function: str, name: str, value: Tolerance
) -> Any:
    if not isinstance(value, Real) and _is_number(lib, value, function, name):
        value = value.item()
    if isinstance(value, Real) and not isinstance(value, bool):
        number = _rounded(value, known)
        if not number >= 0.0:
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


def _is_number(lib: Adapter, value: Any, function: str, name: str) -> bool:
    """Tell whether it is a zero-dimensional array of another library, mostly NumPy's."""
    if getattr(value, "shape", None) != () or not hasattr(value, "dtype"):
        return False
    return adapter_of(value, function, name) is not lib and hasattr(value, "item")


def _rounded(value: Any, known: Precision) -> float:
    """Return the number rounded to the real dtype computed in; overflow gives infinity."""
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if known.exponents == 1024 or number == 0.0 or not math.isfinite(number):
        return number
    _, exponent = math.frexp(number)
    unit = math.ldexp(1.0, max(exponent, -125) - 24)  # of float32: 24 digits, down to 2**-149
    number = round(number / unit) * unit
    return number if number < 2.0**128 else math.inf


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
    if value.dtype != known.real:
        value = lib.run(_astype, known.real, value)
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
    if lib.readable(value) and not _nowhere_negative(lib, value):
        raise ValueError(_not_a_tolerance(function, name, "has negative or NaN entries"))
    return value if padded == shape else xp.reshape(value, padded)


def _nowhere_negative(lib: Adapter, value: Array) -> bool:
    # Of known numbers a program that is traced makes unknown ones, but they can be read.
    if lib.tracer is not None:
        return all(x >= 0.0 for x in lib.numbers(value))
    return lib.all(value >= 0.0)


def _astype(lib: Adapter, dtype: Any, value: Array) -> Array:
    return lib.xp.astype(value, dtype)


def _not_a_tolerance(function: str, name: str, what: str) -> str:
    return sentence(
        f"{function}: `{name}` {what}, and a tolerance is a number ≥ 0",
        f"leave `{name}` away for the default, or pass 0 to keep every nonzero singular value",
    )
