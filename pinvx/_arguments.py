"""Turn the caller's arguments into what the algorithms take, or say why that is impossible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ._adapter import Adapter
from ._dispatch import adapter_of
from ._dtypes import Precision, default_dtype
from ._errors import describe, sentence
from ._plan import names as names_of_methods
from ._typing import Array, DType


class Matrix(NamedTuple):
    """An accepted matrix."""

    lib: Adapter
    """The adapter of its library."""
    a: Array
    """The array, in the dtype computed in."""
    dtype: DType
    """The floating dtype of the results."""
    known: Precision
    """The precision computed in."""


class Equations(NamedTuple):
    """An accepted pair A, b, in the shapes in which they were passed."""

    matrix: Matrix
    b: Array
    """Shape (M,) or (..., M, K)."""

    @property
    def is_vector(self) -> bool:
        """Whether b is a vector."""
        return bool(self.b.ndim == 1)


def matrix(a: Array, function: str, name: str = "a") -> Matrix:
    """Accept `a` as a matrix or a batch of them."""
    lib = adapter_of(a, function, name)
    a = lib.accept(a, function, name)
    if a.ndim < 2:
        raise ValueError(
            sentence(
                f"{function}: `{name}` is {describe(a)}, and a matrix has at least 2 dimensions",
                f"pass {name}[:, None] for one column, {name}[None, :] for one row",
            )
        )
    dtype = a.dtype
    known = lib.precision(dtype)
    if known is None:
        dtype = default_dtype(lib.xp, a, function, name)
        known = lib.precision(dtype)
        assert known is not None  # `default_dtype` returns supported dtypes only
    return Matrix(lib, astype(lib, a, known.compute), dtype, known)


def square(m: Matrix, function: str) -> None:
    """Refuse a matrix that cannot be Hermitian."""
    if m.a.shape[-2] != m.a.shape[-1]:
        raise ValueError(
            sentence(
                f"{function}: hermitian=True, and `a` is {describe(m.a)}, which is not square",
                "leave `hermitian` away",
            )
        )


def companion(m: Matrix, x: Array, shape: tuple[int, ...], function: str, name: str) -> Array:
    """Accept an array that goes with a matrix: its tangent, its cotangent, its pseudoinverse."""
    x = _same_library(m, x, function, name)
    if tuple(x.shape) != shape:
        raise ValueError(
            sentence(
                f"{function}: `{name}` is {describe(x)}, expected shape {shape} for `a` of shape "
                f"{tuple(m.a.shape)}",
                f"pass `{name}` in the shape that the formula gives it",
            )
        )
    _floating_dtype(m.lib, x, function, name)
    return astype(m.lib, x, m.known.compute)


def equations(a: Array, b: Array, function: str) -> Equations:
    """Accept A and b of A x ≈ b: one library, one device, one dtype, shapes that fit."""
    here, there = adapter_of(a, function, "a"), adapter_of(b, function, "b")
    if here is not there:
        a, b = there.adopt(a, b), here.adopt(b, a)
    m = matrix(a, function)
    lib, xp = m.lib, m.lib.xp
    b = _same_library(m, b, function, "b")
    if b.ndim == 0:
        raise ValueError(
            sentence(
                f"{function}: `b` is {describe(b)}, and has no dimension",
                "pass a vector of shape (M,) or a matrix of shape (..., M, K)",
            )
        )
    is_vector = b.ndim == 1
    rows, expected = (b.shape[0] if is_vector else b.shape[-2]), m.a.shape[-2]
    if rows != expected:
        raise ValueError(
            sentence(
                f"{function}: `a` of shape {tuple(m.a.shape)} has {expected} rows, `b` of shape "
                f"{tuple(b.shape)} has {rows}",
                "a vector has shape (M,); a batch of vectors is b[..., None] of shape (..., M, 1)",
            )
        )
    batch = tuple(m.a.shape[:-2])
    if batch or b.ndim > 2:
        broadcast(batch, () if is_vector else tuple(b.shape[:-2]), function)

    if b.dtype != m.dtype:
        dtype = xp.result_type(m.dtype, _floating_dtype(lib, b, function, "b"))
        known = lib.precision(dtype)
        assert known is not None  # supported dtypes promote to supported dtypes
        m = Matrix(lib, astype(lib, m.a, known.compute), dtype, known)
    return Equations(m, astype(lib, b, m.known.compute))


def method(names: Any, wanted: str, function: str, *, hermitian: bool = False) -> str:
    """Return the names of methods as the plan takes them: "auto", or joined by commas."""
    if isinstance(names, str) and names in ("auto", "svd"):
        return names
    given = (names,) if isinstance(names, str) else names
    known = names_of_methods(wanted)
    if hermitian:
        known = ["svd"]  # by eigenvalues, as "auto" is, too
    if not isinstance(given, tuple) or not given or any(name not in known for name in given):
        raise ValueError(
            sentence(
                f"{function}: unknown method {names!r}{' for hermitian=True' if hermitian else ''}",
                f"pass 'auto', or one or a tuple of {known}",
            )
        )
    return ",".join(given)


def aligned(
    lib: Adapter, a: Array, b: Array, *tolerances: Any
) -> tuple[Array, Array, Sequence[Any]]:
    """Return A, b and tolerances with the same number of batch dimensions, and b as columns."""
    if b.ndim == 1:
        b = b[:, None]
    ndim = max(a.ndim, b.ndim)
    if a.ndim == b.ndim == 2:
        return a, b, tolerances
    a, b = with_ndim(lib, a, ndim), with_ndim(lib, b, ndim)
    return a, b, [with_ndim(lib, t, ndim - 2) if getattr(t, "ndim", 0) else t for t in tolerances]


def destination(m: Matrix, out: Array, shape: tuple[int, ...], function: str) -> None:
    """Refuse an `out` that cannot take a result of this shape."""
    if adapter_of(out, function, "out") is not m.lib:
        raise TypeError(_mixed(function, "out", out, m.a))
    if tuple(out.shape) != shape:
        raise ValueError(
            sentence(
                f"{function}: `out` is {describe(out)}, and the result has shape {shape}",
                f"pass an array of shape {shape}",
            )
        )
    if out.dtype != m.dtype:
        raise TypeError(
            sentence(
                f"{function}: `out` is {describe(out)}, and the result has dtype {m.dtype}",
                f"pass an array of dtype {m.dtype}",
            )
        )
    _same_device(m, out, function, "out")


def astype(lib: Adapter, x: Array, dtype: DType) -> Array:
    """Convert to a dtype; if `x` has it, make no call."""
    return x if x.dtype == dtype else lib.xp.astype(x, dtype)


def rounded(lib: Adapter, dtype: DType, *arrays: Array | None) -> tuple[Array | None, ...]:
    """Return results in the promised dtype; underflow gives no warning."""
    if all(x is None or x.dtype == dtype for x in arrays):
        return arrays
    converted: tuple[Array | None, ...] = lib.run(_rounded, dtype, *arrays)
    return converted


def _rounded(lib: Adapter, dtype: DType, *arrays: Array | None) -> tuple[Array | None, ...]:
    return tuple(None if x is None else astype(lib, x, dtype) for x in arrays)


def with_ndim(lib: Adapter, x: Array, ndim: int) -> Array:
    """Add leading dimensions of length 1."""
    return x if x.ndim == ndim else lib.xp.reshape(x, (1,) * (ndim - x.ndim) + tuple(x.shape))


def _floating_dtype(lib: Adapter, x: Array, function: str, name: str) -> DType:
    if lib.precision(x.dtype) is not None:
        return x.dtype
    return default_dtype(lib.xp, x, function, name)


def _same_library(m: Matrix, x: Array, function: str, name: str) -> Array:
    if adapter_of(x, function, name) is not m.lib:
        raise TypeError(_mixed(function, name, x, m.a))
    x = m.lib.accept(x, function, name)
    _same_device(m, x, function, name)
    return x


def _same_device(m: Matrix, x: Array, function: str, name: str) -> None:
    here, there = m.lib.device(m.a), m.lib.device(x)
    if here != there and here is not None and there is not None:
        raise ValueError(
            sentence(
                f"{function}: `a` is on device {here} and `{name}` on {there}",
                f"move `{name}` to the device of `a`",
            )
        )


def _mixed(function: str, name: str, x: Any, a: Array) -> str:
    return sentence(
        f"{function}: `a` is {describe(a)} and `{name}` is {describe(x)}: two array libraries",
        f"convert `{name}` to the library of `a`",
    )


def broadcast(a: tuple[int, ...], b: tuple[int, ...], function: str) -> tuple[int, ...]:
    """Return the batch shape of A and b together."""
    ndim = max(len(a), len(b))
    pairs = zip((1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b, strict=True)
    shape = []
    for m, n in pairs:
        if m != n and 1 not in (m, n):
            raise ValueError(
                sentence(
                    f"{function}: the batch shapes {a} of `a` and {b} of `b` do not broadcast",
                    "make them equal, or 1 where one matrix goes with many right-hand sides",
                )
            )
        shape.append(n if m == 1 else m)
    return tuple(shape)
