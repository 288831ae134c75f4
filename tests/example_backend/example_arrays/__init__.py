"""An array library: NumPy's arrays behind a class of their own, and the standard's functions only.

Whatever is not listed here, the library does not have.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ._array import Array, plain


def _wrapped(function: Any) -> Any:
    def call(*args: Any, **options: Any) -> Any:
        options.pop("device", None)
        args = tuple([plain(x) for x in a] if isinstance(a, list) else plain(a) for a in args)
        result = function(*args, **{k: plain(v) for k, v in options.items()})
        if isinstance(result, tuple):
            return tuple(Array(x) for x in result)
        return Array(result) if isinstance(result, (np.ndarray, np.generic)) else result

    return call


int32, int64, uint8 = (np.dtype(d) for d in ("int32", "int64", "uint8"))
float32, float64 = np.dtype("float32"), np.dtype("float64")
complex64, complex128 = np.dtype("complex64"), np.dtype("complex128")
finfo, isdtype = np.finfo, np.isdtype

_STANDARD = """
abs all any arange argmax argmin argsort asarray astype broadcast_to ceil clip concat conj cos
count_nonzero cumulative_sum diff empty empty_like exp expand_dims eye flip floor full full_like
hypot imag isfinite isinf isnan linspace log log1p log2 logical_and logical_not logical_or matmul
matrix_transpose max maximum mean min minimum moveaxis nonzero ones ones_like permute_dims pow prod
real repeat reshape roll round sign signbit sin sqrt square squeeze stack std sum take
take_along_axis tan tanh tensordot tile tril triu trunc unstack var vecdot where zeros zeros_like
"""
for _name in _STANDARD.split():
    globals()[_name] = _wrapped(getattr(np, _name))
result_type = lambda *args: np.result_type(*map(plain, args))  # noqa: E731


def sort(x: Array, /, *, axis: int = -1, descending: bool = False) -> Array:
    """Sort along an axis."""
    values = np.sort(x._values, axis=axis)
    return Array(np.flip(values, axis=axis) if descending else values)


linalg = SimpleNamespace(
    **{
        name: _wrapped(getattr(np.linalg, name))
        for name in ("cholesky", "diagonal", "eigh", "inv", "matrix_norm", "qr", "solve", "svd")
    },
    matmul=_wrapped(np.matmul),
    matrix_transpose=_wrapped(np.matrix_transpose),
    svdvals=_wrapped(np.linalg.svdvals),
    trace=_wrapped(np.linalg.trace),
    vector_norm=_wrapped(np.linalg.vector_norm),
)
bool = np.dtype("bool")  # noqa: A001 — the standard's name
