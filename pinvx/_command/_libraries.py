"""How each library makes arrays on a device, and what its own functions are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .._dispatch import backends, installed_version
from .._typing import Array


class Library:
    """A library whose root module is a namespace of the standard, such as NumPy.

    Parameters
    ----------
    name : str
        The root module. It is imported here.

    Raises
    ------
    ImportError
        If it cannot be imported.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = installed_version(name) or "unknown"
        self.root = importlib.import_module(name)
        self.xp: Any = self.root

    def devices(self) -> Sequence[Any]:
        """Return the devices here, the library's default first; None stands for the only one."""
        return (None,)

    def label(self, device: Any) -> str:
        """Return the name of a device."""
        return "cpu" if device is None else str(device)

    def scope(self, device: Any, *, x64: bool) -> AbstractContextManager[Any]:
        """Return the context in which arrays on this device are made and computed with."""
        return nullcontext()

    def array(self, values: Any, dtype: str | None, device: Any) -> Array:
        """Return an array of nested lists or of a NumPy array; None keeps the array's dtype."""
        return self.xp.asarray(values, dtype=None if dtype is None else getattr(self.xp, dtype))

    def gradient(self, loss: Callable[[Array], Array], a: Array) -> Array | None:
        """Return the gradient of `loss` at `a` by automatic differentiation, None without it."""
        return None

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, where compiling it as a whole saves time."""
        return function

    def own_pinv(self) -> Callable[[Array], Array] | None:
        """Return the library's own pseudoinverse, with its defaults."""
        return getattr(self.xp.linalg, "pinv", None)

    def own_lstsq(self) -> Callable[[Array, Array], Array] | None:
        """Return the library's own least squares, with its defaults."""
        function = getattr(self.xp.linalg, "lstsq", None)
        # NumPy, PyTorch, JAX and CuPy all return a tuple that starts with the solution.
        return None if function is None else lambda a, b: function(a, b)[0]


class Torch(Library):
    """PyTorch: the CPU, and each CUDA device."""

    def devices(self) -> Sequence[Any]:
        cuda = self.root.cuda
        count = cuda.device_count() if cuda.is_available() else 0
        return ("cpu", *(f"cuda:{i}" for i in range(count)))

    def array(self, values: Any, dtype: str | None, device: Any) -> Array:
        dtype = None if dtype is None else getattr(self.root, dtype)
        return self.root.asarray(values, dtype=dtype, device=device)

    def gradient(self, loss: Callable[[Array], Array], a: Array) -> Array | None:
        a = a.detach().clone().requires_grad_()
        return self.root.autograd.grad(loss(a), a)[0]


class Jax(Library):
    """JAX: the devices of its default platform."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.xp = importlib.import_module("jax.numpy")

    def devices(self) -> Sequence[Any]:
        return tuple(self.root.devices())

    def label(self, device: Any) -> str:
        kind = {"gpu": "cuda"}.get(device.platform, device.platform)  # as PyTorch calls it
        return "cpu" if kind == "cpu" else f"{kind}:{device.id}"

    def scope(self, device: Any, *, x64: bool) -> AbstractContextManager[Any]:
        return self.root.enable_x64(x64)  # type: ignore[no-any-return]  # JAX is `Any` here

    def array(self, values: Any, dtype: str | None, device: Any) -> Array:
        return self.root.device_put(super().array(values, dtype, device), device)

    def gradient(self, loss: Callable[[Array], Array], a: Array) -> Array | None:
        return self.root.jit(self.root.grad(loss))(a)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # One by one, the operations of a function take JAX three times as long to compile.
        return self.root.jit(function)  # type: ignore[no-any-return]  # JAX is `Any` here


class Cupy(Library):
    """CuPy: each CUDA device."""

    def devices(self) -> Sequence[Any]:
        runtime = self.root.cuda.runtime
        try:
            return tuple(range(runtime.getDeviceCount()))
        except runtime.CUDARuntimeError:  # no driver
            return ()

    def label(self, device: Any) -> str:
        return f"cuda:{device}"

    def scope(self, device: Any, *, x64: bool) -> AbstractContextManager[Any]:
        return self.root.cuda.Device(device)  # type: ignore[no-any-return]  # CuPy is `Any` here


_KINDS: dict[str, type[Library]] = {
    "numpy": Library,
    "torch": Torch,
    "jax": Jax,
    "cupy": Cupy,
    "array_api_strict": Library,
}

BACKENDS = tuple(_KINDS)
"""The libraries whose arrays are known here, in the order in which they are tried."""


def installed() -> list[str]:
    """Return the names of the libraries that are installed, without importing them.

    Libraries with an adapter by third parties come last; they may not be namespaces of the
    standard.
    """
    names = dict.fromkeys((*BACKENDS, *(backend.name for backend in backends())))
    return [name for name in names if installed_version(name) is not None]


def library(name: str) -> Library:
    """Import a library.

    Raises
    ------
    ImportError
        If it cannot be imported, or is not known here and no namespace of the standard.
    """
    found = _KINDS.get(name, Library)(name)
    if name not in _KINDS and not hasattr(found.xp, "__array_namespace_info__"):
        raise ImportError(f"the module {name} is no namespace of the Array API standard")
    return found


def numbers(x: Array) -> Any:
    """Return the entries as nested lists of Python numbers."""
    if hasattr(x, "tolist"):
        return x.tolist()
    if x.ndim == 0:
        return float(x)
    return [numbers(x[i, ...]) for i in range(x.shape[0])]
