"""What the suite has to know about an array library before it can judge a function of it."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

REAL = ("float32", "float64")
COMPLEX = ("complex64", "complex128")

# The module of this package that describes a library, by the name used in targets. The light ones
# first: who needs any array of another library does not wait for PyTorch.
_DESCRIBED_IN = {
    "numpy": "_numpy",
    "array_api_strict": "_strict",
    "torch": "_torch",
    "torch:cuda": "_torch",
    "jax": "_jax",
    "cupy": "_cupy",
}


def _no_state() -> Any:
    return None


def _no_wait(_x: Any) -> None:
    return None


def _plain_layouts(_library: Library, _a: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, eq=False)
class Library:
    """An array library on one device.

    Attributes
    ----------
    name, version : str
    xp : namespace
        Its Array API namespace.
    device : object
        Where the arrays are made; None for the library's default.
    other_devices : tuple
        More devices on which results must stay.
    dtypes, half, integers : tuple of str
        What exists: real and complex floating, half precision, integers and booleans.
    to_numpy : callable
        An array of the library as a NumPy array (half types as float32).
    vjp, jvp : callable or None
        ``vjp(f, primals, cotangent)`` and ``jvp(f, primals, tangents)`` in PyTorch's convention for
        complex numbers: dL = Re⟨G, dX⟩.
    transformations, jacobians : mapping of str to callable
        ``transform(f, a)`` must equal ``f(a)``; ``jacobian(f, a)`` is ∂f/∂a of a real f.
    layouts : callable
        Unusual views of one NumPy matrix (strided, read-only, broadcast), by name.
    global_state : callable
        Settings of the whole process that no call may change.
    writeable : bool
        Whether arrays can be written to, as `out` is.
    host_reads : callable or None
        A context manager that counts values read back to the host.
    compiles : bool
        Whether a new shape costs seconds: then the quick choice has few.
    quiet : callable
        A context without the warnings that are the library's own business.
    lacks : mapping of str to str
        Features that the library cannot offer to anyone, with the reason.
    """

    name: str
    version: str
    xp: Any
    device: Any = None
    other_devices: tuple[Any, ...] = ()
    dtypes: tuple[str, ...] = REAL + COMPLEX
    half: tuple[str, ...] = ()
    integers: tuple[str, ...] = ("int32", "int64", "uint8", "bool")
    to_numpy: Callable[[Any], Any] = np.asarray
    vjp: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    transformations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    jacobians: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    layouts: Callable[[Library, Any], dict[str, Any]] = _plain_layouts
    global_state: Callable[[], Any] = _no_state
    writeable: bool = True
    host_reads: Callable[[], contextlib.AbstractContextManager[list[str]]] | None = None
    compiles: bool = False
    quiet: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    synchronize: Callable[[Any], Any] = _no_wait
    lacks: Mapping[str, str] = field(default_factory=dict)

    def asarray(self, a: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Ship a NumPy array to the library, bit for bit."""
        a = np.array(a, order="C")
        where = device if device is not None else self.device
        # Where the dtype is named, JAX ships the array without a program compiled for its shape.
        options = {"dtype": self.dtype(str(a.dtype))} | ({} if where is None else {"device": where})
        x = self.xp.asarray(a, **options)
        wanted = dtype or str(a.dtype)
        if wanted != str(a.dtype):
            x = self.xp.astype(x, self.dtype(wanted))
        return x

    def dtype(self, name: str) -> Any:
        """Return the library's dtype object of that name."""
        return getattr(
            self.xp, "bool_" if name == "bool" and not hasattr(self.xp, "bool") else name
        )

    def dtype_name(self, x: Any) -> str:
        """Return the name of an array's dtype."""
        return str(x.dtype).rpartition(".")[2].strip("'<>()")


@functools.cache
def library(name: str) -> Library:
    """Return the library of that name ("torch:cuda": PyTorch on its CUDA device)."""
    if name not in _DESCRIBED_IN:
        return _stranger(name)
    module = importlib.import_module(f"pinvx_conformance._libraries.{_DESCRIBED_IN[name]}")
    described: Library = module.describe(name)
    return described


def _stranger(name: str) -> Library:
    """Return a library that nobody has described: what the standard says, and nothing else."""
    try:
        xp = importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"No array namespace {name!r}: {error}.\n"
            f"Hint: an importable module, or one of {', '.join(_DESCRIBED_IN)}."
        ) from error
    # A namespace without complex numbers is judged on its real ones.
    dtypes = tuple(d for d in REAL + COMPLEX if hasattr(xp, d))
    reason = f"no differentiation of {name} is known to the suite"
    missing = dict.fromkeys(("vjp", "jvp", "transformations", "host reads"), reason)
    version = str(getattr(xp, "__version__", "unknown"))
    return Library(name, version, xp, dtypes=dtypes, lacks=missing)


def available() -> Iterator[str]:
    """Yield the libraries that are installed here, with a device that works."""
    for name, file in _DESCRIBED_IN.items():
        if importlib.util.find_spec(name.partition(":")[0]) is None:
            continue
        module = importlib.import_module(f"pinvx_conformance._libraries.{file}")
        if module.works(name):
            yield name
