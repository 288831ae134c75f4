"""Which dtype a computation runs in, and which one it returns."""

from __future__ import annotations

from typing import NamedTuple

from ._errors import sentence
from ._typing import Array, DType, Namespace

_HALF = ("float16", "bfloat16")


class Precision(NamedTuple):
    """A floating dtype as the algorithms see it."""

    compute: DType
    """The dtype computed in: float32 for the half types, otherwise the dtype itself."""
    real: DType
    """The real counterpart of `compute`."""
    eps: float
    """The machine epsilon of `real`."""
    exponents: int
    """`real` reaches from about 2**-exponents to 2**exponents."""
    is_complex: bool
    double: DType | None
    """The dtype with twice the digits, or None."""


def precision(xp: Namespace, dtype: DType) -> Precision | None:
    """Return the precision of a supported floating dtype, and None for every other dtype."""
    for name, real, double in (
        ("float64", "float64", ""),
        ("float32", "float32", "float64"),
        ("complex128", "float64", ""),
        ("complex64", "float32", "complex128"),
    ):
        if dtype == getattr(xp, name, None):
            real_dtype = getattr(xp, real)
            return Precision(
                compute=dtype,
                real=real_dtype,
                eps=float(xp.finfo(real_dtype).eps),
                exponents=1024 if real == "float64" else 128,
                is_complex=name != real,
                double=getattr(xp, double, None),
            )
    # The half types are not in the standard, so they are recognised by name:
    # `float16`, `torch.bfloat16`, `bfloat16` of ml_dtypes.
    if str(dtype).rpartition(".")[2] in _HALF:
        return precision(xp, xp.float32)
    return None


def default_dtype(xp: Namespace, x: Array, function: str, name: str) -> DType:
    """Return the floating dtype of the results for an `x` that is not floating.

    Raise TypeError, which names the function and its argument, for what is neither integer nor
    boolean, and for a precision that no array library factorizes (such as `longdouble`).
    """
    dtype = x.dtype
    # Not cached: the default changes at run time (`torch.set_default_dtype`, JAX's x64 switch).
    if _is_integer(xp, dtype):
        return xp.asarray(1.0).dtype
    raise TypeError(
        sentence(
            f"{function}: `{name}` has dtype {dtype}, which no array library factorizes",
            "convert it to float32, float64, complex64 or complex128 "
            "(float16, bfloat16, integers and booleans are converted for you)",
        )
    )


def _is_integer(xp: Namespace, dtype: DType) -> bool:
    try:
        return bool(xp.isdtype(dtype, ("bool", "integral")))
    except (TypeError, ValueError):  # a dtype that the library's own `isdtype` does not know
        return False
