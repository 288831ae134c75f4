"""The libraries and devices that the tests run on: one table, behind one fixture, `lib`.

A device is a tag (`torch:cuda`), never a second test. What a library is like stands in the
conformance suite; a row says what a mode of it is like.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pytest
from pinvx_conformance import _libraries
from pinvx_conformance._libraries._base import COMPLEX, REAL, Library

# Those that the conformance suite knows and finds here.
AVAILABLE = tuple(_libraries.available())
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


@contextlib.contextmanager
def jax_in_64_bits() -> Iterator[None]:
    """Have 64 bits in JAX, in every thread, as the suite wants them; and then what was there."""
    if "jax" not in AVAILABLE:
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@dataclass(frozen=True)
class Backend:
    """An array library on a device, in one of its modes."""

    tag: str
    of: str = ""
    """What the suite calls it, where that is not the tag."""
    dtypes: tuple[str, ...] = REAL + COMPLEX
    """Those of this mode."""
    halves: bool = True
    """Whether the library's half types are tested in this mode."""
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
    def facts(self) -> Library:
        """What the conformance suite knows about the library."""
        with jax_in_64_bits():
            return _libraries.library(self.of or self.tag)

    @cached_property
    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""
        if (self.of or self.tag) not in AVAILABLE:
            there = importlib.util.find_spec(self.library) is not None
            return f"{self.library} {'finds no device' if there else 'is not installed'}"
        if self.tag == "torch:far":
            import far_device

            return far_device.missing()
        return None

    @property
    def xp(self) -> Any:
        return self.facts.xp

    @property
    def half(self) -> tuple[str, ...]:
        return self.facts.half if self.halves else ()

    def some(self, items: Sequence[T]) -> Sequence[T]:
        """All items, or one in eight where each shape costs seconds: a table has its best there."""
        return items[::8] if self.compiles else items

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Run in the mode of this row: JAX's switch to 64 bits is one of a thread."""
        if self.library != "jax":
            with self.facts.quiet():
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
        return self.facts.dtype(name)

    def array(self, values: Any, dtype: str | None = None) -> Any:
        """Ship a copy of `values`; a float64 becomes what this mode has in its stead."""
        values = np.array(values)
        if dtype is None:
            modes = {"f": self.float, "c": self.complex}
            dtype = modes.get(values.dtype.kind, str(values.dtype))
        # The library itself makes its half types, of what this mode has.
        values = values.astype(self.float if dtype in self.facts.half else dtype)
        return self.facts.asarray(values, dtype, "far" if self.tag == "torch:far" else None)

    def numpy(self, x: Any) -> Any:
        """Bring an array back, half types as float32."""
        if self.tag == "torch:far":
            import far_device

            with far_device.reading():
                return self.facts.to_numpy(x)
        return self.facts.to_numpy(x)


TABLE = (
    Backend("numpy"),
    Backend("torch"),
    Backend("torch:cuda"),
    # A device that nobody can read, in processes that ask for it (test_far_device.py).
    Backend("torch:far", of="torch"),
    # With JAX's switch to 64 bits and without it.
    Backend(
        "jax",
        dtypes=("float64", "complex128"),
        halves=False,
        elsewhere=("complex128",),
        compiles=True,
    ),
    Backend("jax:x32", of="jax", dtypes=("float32", "complex64"), compiles=True),
    Backend("array_api_strict"),
    Backend("cupy"),
)

HERE = tuple(backend for backend in TABLE if backend.missing is None)


def named(tag: str) -> Backend:
    return next(backend for backend in TABLE if backend.tag == tag)
