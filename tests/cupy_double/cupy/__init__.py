"""A double of CuPy over NumPy: what pinvx's adapter for CuPy is tried on where there is no GPU.

It proves the logic of the adapter, and nothing about CuPy. Like CuPy's, its arrays refuse to become
NumPy's, its reductions return arrays, its errors of LAPACK are reported to nobody, and its kernels
flush subnormal numbers of single precision. `tests/test_cupy_double.py` puts it in CuPy's place.

It has the names that pinvx, array-api-compat and the tests ask for; CuPy has all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, cuda, fft, linalg
from ._array import astype, copying, elementwise, ndarray, unwrapped

__version__ = "0 (a double over NumPy)"

TYPES = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp float16 float32 float64 "
    "complex64 complex128 number integer signedinteger unsignedinteger floating complexfloating "
    "dtype finfo iinfo e inf nan newaxis pi isdtype issubdtype result_type can_cast "
    "broadcast_shapes"
)
COMPUTE = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or "
    "bitwise_xor ceil conj conjugate cos cosh divide equal exp expm1 floor floor_divide greater "
    "greater_equal invert isfinite isinf isnan left_shift less less_equal log log1p log2 "
    "logical_and logical_not logical_or maximum minimum multiply negative not_equal positive power "
    "remainder right_shift sign sin sinh sqrt square subtract tan tanh true_divide trunc "
    "all any clip cumprod cumsum max mean min prod round std sum var"
)
MOVE = (
    "arange argmax argmin argsort asfortranarray ascontiguousarray broadcast_arrays broadcast_to "
    "concatenate copy count_nonzero cross diagonal empty empty_like expand_dims eye flip full "
    "full_like imag isin linspace matmul meshgrid moveaxis nonzero ones ones_like outer real "
    "reshape roll searchsorted sort squeeze stack swapaxes take take_along_axis tensordot trace "
    "transpose tril triu unique where zeros zeros_like"
)

for _name in TYPES.split():
    globals()[_name] = getattr(np, _name)
for _name in COMPUTE.split():
    globals()[_name] = elementwise(getattr(np, _name))
for _name in MOVE.split():
    globals()[_name] = copying(getattr(np, _name))

__all__ = [
    "_core",
    "array",
    "asarray",
    "asnumpy",
    "astype",
    "cuda",
    "fft",
    "linalg",
    "ndarray",
    *TYPES.split(),
    *COMPUTE.split(),
    *MOVE.split(),
]


def asarray(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    del order
    return array(a, dtype, copy=None)


def array(a: Any, dtype: Any = None, copy: Any = True) -> ndarray:
    if isinstance(a, ndarray):
        wanted = a.dtype if dtype is None else np.dtype(dtype)
        return a if wanted == a.dtype and not copy else astype(a, wanted)
    return ndarray(np.array(unwrapped(a) if isinstance(a, list | tuple) else a, dtype=dtype))


def asnumpy(a: ndarray) -> np.ndarray:
    return a.get()
