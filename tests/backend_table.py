"""The libraries and devices that the tests run on: one table, behind one fixture, `lib`.

A device is a tag (`torch:cuda`), never a second test.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import array_api_compat
import numpy as np
import pytest

REAL = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
T = TypeVar("T")


class _Missing:
    def __init__(self, why: ImportError) -> None:
        self._why = why

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest itself looks for marks
            raise AttributeError(name)
        pytest.skip(str(self._why))


def library(name: str) -> Any:
    """Import a module; where it is missing, return what skips the test that uses it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        return _Missing(error)


@dataclass(frozen=True)
class Backend:
    """An array library on a device, in one of its modes."""

    tag: str
    half: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = REAL + COMPLEX
    writes: bool = True
    """Whether its arrays can be written to."""
    compiles: bool = False
    """Whether it compiles every operation anew for every shape."""
    elsewhere: tuple[str, ...] = ()
    """The dtypes that another row of the same library stands for, where each costs minutes."""

    def __str__(self) -> str:
        return self.tag

    @property
    def library(self) -> str:
        return self.tag.partition(":")[0]

    @cached_property
    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""
        try:
            module = importlib.import_module(self.library)
        except ImportError as error:
            return str(error)
        if self.tag == "torch:cuda" and not module.cuda.is_available():
            return "PyTorch finds no CUDA device"
        if self.tag == "torch:far":
            import far_device

            return far_device.missing()
        if self.tag == "cupy":
            try:
                module.cuda.runtime.getDeviceCount()
            except Exception as error:  # CuPy's own type, or what its loader raises
                return f"CuPy finds no CUDA device: {error}"
        return None

    @cached_property
    def xp(self) -> Any:
        if self.library == "jax":
            return importlib.import_module("jax.numpy")
        return array_api_compat.array_namespace(
            importlib.import_module(self.library).asarray([1.0])
        )

    @property
    def device(self) -> str | None:
        return self.tag.partition(":")[2] if self.library == "torch" and ":" in self.tag else None

    def some(self, items: Sequence[T]) -> Sequence[T]:
        """All items, or one in eight where each shape costs seconds: a table has its best there."""
        return items[::8] if self.compiles else items

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Run in the mode of this row: JAX's switch to 64 bits is one of a thread."""
        if self.library == "array_api_strict":
            # It computes with NumPy, and has no adapter that could quieten NumPy's warnings.
            with np.errstate(over="ignore", invalid="ignore"):
                yield
            return
        if self.library != "jax":
            yield
            return
        import jax

        with jax.enable_x64(self.tag == "jax"):
            yield

    @property
    def float(self) -> str:
        """The widest real dtype."""
        return self.real[-1]

    @property
    def real(self) -> tuple[str, ...]:
        return tuple(d for d in self.dtypes if d in REAL)

    @property
    def complex(self) -> str:
        """The widest complex dtype."""
        return self.dtypes[-1]

    def dtype(self, name: str) -> Any:
        return getattr(self.xp, "bool_" if name == "bool" and self.library == "jax" else name)

    def array(self, values: Any, dtype: str | None = None) -> Any:
        """Ship a copy of `values`; a float64 becomes what this mode has in its stead."""
        values = np.array(values)
        if dtype is None and str(values.dtype) in REAL + COMPLEX:
            dtype = self.complex if values.dtype.kind == "c" else self.float
        if dtype in REAL + COMPLEX:
            values = values.astype(dtype)
        x = self.xp.asarray(values, **({} if self.device is None else {"device": self.device}))
        wanted = x.dtype if dtype is None else self.dtype(dtype)
        return x if x.dtype == wanted else self.xp.astype(x, wanted)

    def numpy(self, x: Any) -> Any:
        """Bring an array back, half types as float32."""
        if array_api_compat.is_torch_array(x):
            import far_device

            with far_device.reading():
                x = x.detach().cpu().resolve_conj().resolve_neg()
        if array_api_compat.is_cupy_array(x):
            x = x.get()
        if str(x.dtype).rpartition(".")[2] in ("float16", "bfloat16"):
            x = self.xp.astype(x, self.xp.float32) if not isinstance(x, np.ndarray) else x
        return np.asarray(x, dtype=np.float32 if str(x.dtype) == "float16" else None)


TABLE = (
    Backend("numpy", half=("float16",)),
    Backend("torch", half=("float16", "bfloat16")),
    Backend("torch:cuda", half=("float16", "bfloat16")),
    # A device that nobody can read, in processes that ask for it (test_far_device.py).
    Backend("torch:far", half=("float16", "bfloat16")),
    # With JAX's switch to 64 bits and without it.
    Backend(
        "jax",
        dtypes=("float64", "complex128"),
        elsewhere=("complex128",),
        writes=False,
        compiles=True,
    ),
    Backend(
        "jax:x32",
        half=("float16", "bfloat16"),
        dtypes=("float32", "complex64"),
        writes=False,
        compiles=True,
    ),
    Backend("array_api_strict"),
    Backend("cupy", half=("float16",)),
)

HERE = tuple(backend for backend in TABLE if backend.missing is None)


def named(tag: str) -> Backend:
    return next(backend for backend in TABLE if backend.tag == tag)
