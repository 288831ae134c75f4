"""The array of the double: one of NumPy's behind a wall."""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np

from ._core import syncdetect

NUMBERS = bool | int | float | complex | np.generic


class ndarray:  # noqa: N801  # CuPy's name
    """An array on a device that nobody else can read.

    NumPy gets at its values by `get` alone, which is counted. Everything else gives such an array
    again, of no dimension where NumPy would give a number.
    """

    def __init__(self, values: np.ndarray) -> None:
        self._x = values

    shape = property(lambda self: self._x.shape)
    dtype = property(lambda self: self._x.dtype)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    itemsize = property(lambda self: self._x.itemsize)
    nbytes = property(lambda self: self._x.nbytes)
    strides = property(lambda self: self._x.strides)
    flags = property(lambda self: self._x.flags)
    T = property(lambda self: ndarray(self._x.T))
    mT = property(lambda self: ndarray(self._x.mT))  # noqa: N815
    real = property(lambda self: ndarray(self._x.real))
    imag = property(lambda self: ndarray(self._x.imag))

    @property
    def device(self) -> Any:
        from .cuda import Device

        return Device(0)

    # What copies to the host.

    def get(self) -> np.ndarray:
        syncdetect._declare_synchronize()
        return self._x.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # NumPy's functions of such an array are those of the double.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        function = getattr(sys.modules[__package__], ufunc.__name__, None)
        return NotImplemented if method != "__call__" or function is None else function(*inputs)

    def __len__(self) -> int:
        return len(self._x)

    def __iter__(self) -> Any:
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> ndarray:
        return ndarray(np.asarray(self._x[_plain(index)]))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        self._x[_plain(index)] = value._x if isinstance(value, ndarray) else value


def _plain(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_plain, index))
    return index._x if isinstance(index, ndarray) else index


def flushed(x: Any) -> Any:
    """Return an array with zeros in place of subnormal numbers of single precision.

    CuPy compiles its kernels with -ftz=true, which flushes what arithmetic in float32 reads and
    writes. Copies keep the numbers, and so do cuBLAS and cuSOLVER.
    """
    if not isinstance(x, np.ndarray | np.generic) or x.dtype.char not in "fF":
        return x
    parts = np.array(x, order="K").reshape(-1).view(np.float32)
    parts[np.abs(parts) < np.finfo(np.float32).smallest_normal] *= 0
    return parts.view(x.dtype).reshape(x.shape)


def unwrapped(x: Any) -> Any:
    """Return NumPy's array behind one of the double; an array of NumPy's is refused."""
    if isinstance(x, ndarray):
        return x._x
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, list | tuple):
        return type(x)(map(unwrapped, x))
    return x


def wrapped(x: Any) -> Any:
    """Return results as arrays of the double, single numbers as arrays of no dimension."""
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    if isinstance(x, list | tuple):
        return tuple(map(wrapped, x))
    return x


def elementwise(function: Any) -> Any:
    """Return a function that computes: in single precision, subnormal numbers are zero."""

    def kernel(*arrays: Any, **options: Any) -> Any:
        arrays = tuple(flushed(unwrapped(x)) for x in arrays)
        with np.errstate(all="ignore"):  # a device reports nothing
            found = function(*arrays, **{k: unwrapped(v) for k, v in options.items()})
        return wrapped(flushed(found) if isinstance(found, np.ndarray | np.generic) else found)

    kernel.__name__ = function.__name__
    return kernel


def copying(function: Any) -> Any:
    """Return a function that moves numbers, and leaves each as it is."""

    def kernel(*arrays: Any, **options: Any) -> Any:
        arrays = tuple(map(unwrapped, arrays))
        with np.errstate(all="ignore"):
            return wrapped(function(*arrays, **{k: unwrapped(v) for k, v in options.items()}))

    kernel.__name__ = function.__name__
    return kernel


def astype(x: ndarray, dtype: Any, order: str = "K", copy: bool = True) -> ndarray:
    """Return an array in another dtype. The same one is a copy, another a computation."""
    if np.dtype(dtype) == x.dtype:
        return ndarray(x._x.astype(dtype, order=order, copy=copy))
    with np.errstate(all="ignore"):
        return ndarray(flushed(flushed(x._x).astype(dtype, order=order)))


def _install() -> None:
    def binary(name: str, reflected: bool) -> Any:
        compute = elementwise(getattr(np, name))
        if name == "matmul":
            compute = copying(np.matmul)  # by cuBLAS, which flushes nothing

        def method(self: ndarray, other: Any) -> Any:
            if not isinstance(other, ndarray | NUMBERS | np.ndarray):
                return NotImplemented
            return compute(other, self) if reflected else compute(self, other)

        return method

    names = {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "truediv": "true_divide",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "pow": "power",
        "matmul": "matmul",
        "and": "bitwise_and",
        "or": "bitwise_or",
        "xor": "bitwise_xor",
        "lshift": "left_shift",
        "rshift": "right_shift",
    }
    for name, ufunc in names.items():
        setattr(ndarray, f"__{name}__", binary(ufunc, False))
        setattr(ndarray, f"__r{name}__", binary(ufunc, True))
    comparisons = ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")
    for name, ufunc in zip(("lt", "le", "eq", "ne", "gt", "ge"), comparisons, strict=True):
        setattr(ndarray, f"__{name}__", binary(ufunc, False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(ndarray, f"__{name}__", elementwise(getattr(operator, name)))
    for name in ("sum", "prod", "max", "min", "mean", "all", "any", "conj", "round", "clip"):
        setattr(ndarray, name, elementwise(getattr(np, name)))
    for name in ("copy", "reshape", "swapaxes", "transpose", "ravel", "squeeze", "argsort", "take"):
        setattr(ndarray, name, copying(getattr(np.ndarray, name)))
    ndarray.astype = astype


_install()
