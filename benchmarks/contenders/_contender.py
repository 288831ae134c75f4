"""What the benchmark needs to know about a library."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

import pinvx
from pinvx._command._libraries import Library, library

from ..grid import Shape


class Rivals(NamedTuple):
    """A library's own function and pinvx's, called with the same arguments."""

    own: Callable[..., Any]
    pinvx: Callable[..., Any]
    remark: str = ""
    """A note on the comparison."""


class Match(NamedTuple):
    """Two functions that do the same."""

    function: str
    """"pinv" or "lstsq"."""
    mode: str
    """"forward", "hermitian", or "backward" for the value and its gradient."""
    own: str
    """The name of the library's own function, with its driver where it has several."""
    rivals: Callable[[Shape, float], Rivals]
    """From the shape and the cutoff max(M, N)·eps to the two functions."""
    memory: Callable[[Shape, int], int] = lambda shape, itemsize: 0
    """From the shape and the bytes of a number to the bytes that the library's own function needs
    beyond a few matrices of that shape."""


class Contender:
    """A library, and its own `pinv` and `lstsq`.

    The arguments of the functions are those of `Problem`, as arrays of the library: A (and b), and
    in the mode "backward" the cotangent of the result. They return an array, a tuple that starts
    with the result (in the mode "backward": with the gradients of A and b), or a list with such a
    thing for each matrix of the batch.
    """

    name: str
    """The module."""
    distributions: tuple[str, ...]
    """The distributions to install; their versions are part of the result."""
    arrays: str = "numpy"
    """The library whose arrays it takes."""
    compiles: bool = False
    """Whether `prepared` compiles, anew for each shape."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the distributions that are installed."""
        found = {}
        for name in self.distributions:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

    @cached_property
    def library(self) -> Library:
        """What pinvx's own command knows of the library of the arrays."""
        return library(self.arrays)

    @cached_property
    def _devices(self) -> dict[str, Any]:
        return {self.library.label(device): device for device in self.library.devices()}

    def devices(self) -> Sequence[str]:
        """Return the names of the devices here."""
        return tuple(self._devices)

    def device_name(self, device: str) -> str | None:
        """Return what the maker calls a device, None for the CPU."""
        return None

    def matches(self) -> Sequence[Match]:
        """Return what is compared, on each device alike."""
        raise NotImplementedError

    def hermitian(self) -> Match | None:
        """Return what `pinv` of Hermitian matrices is compared with, None without it."""
        return None

    def scope(self, device: str) -> AbstractContextManager[Any]:
        """Return the context in which arrays on this device are made and computed with.

        JAX has 64 bits in it; arrays in single precision stay what they are.
        """
        return self.library.scope(self._devices[device], x64=True)

    def full_precision(self) -> AbstractContextManager[Any]:
        """Return the context in which a product has the precision of its dtype."""
        return nullcontext()

    def prepared(self, function: Callable[..., Any], *arrays: Any) -> Callable[[], Any]:
        """Return the call of a function, after any compilation."""
        return partial(function, *arrays)

    def prepare(self, calls: Sequence[tuple[Callable[..., Any], Sequence[Any]]]) -> None:
        """Compile at once the functions that `prepared` will be asked for."""

    def clock(self, device: str) -> Callable[[], float]:
        """Return a clock in seconds: the device's own where there is one."""
        return time.perf_counter

    def synchronisations(self, call: Callable[[], Any], device: str) -> int | None:
        """Call, and count how often the host waits for the device; None where it is not known."""
        return None

    def array(self, values: Any, device: str, *, gradient: bool) -> Any:
        """Return an array with the values and the dtype of a NumPy array."""
        return self.library.array(values, None, self._devices[device])

    def synchronise(self, device: str) -> Callable[[Any], Any] | None:
        """Return what waits for a result, None where a function returns when it is done."""
        return None

    def numbers(self, x: Any) -> Any:
        """Return an array as a NumPy array."""
        return np.asarray(x)

    def cast(self, x: Any, dtype: str) -> Any:
        """Return an array in another dtype."""
        return x.astype(dtype)

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return a batch of arrays."""
        return np.stack(arrays)

    def product(self, function: str) -> Callable[..., Any]:
        """Return the matrix products that the fastest algorithm cannot do without.

        With H = AᴴA, or AAᴴ for a wide matrix: H and its product with Aᴴ for "pinv", H and Aᴴb for
        "lstsq".
        """
        return pinv_product if function == "pinv" else lstsq_product


def adjoint(a: Any) -> Any:
    """Return the conjugate transpose, in words that all libraries have; a view of a real array."""
    return a.swapaxes(-2, -1).conj()


def pinv_product(a: Any) -> Any:
    """Return (AᴴA) Aᴴ, or Aᴴ (AAᴴ)."""
    h = adjoint(a)
    return h @ (a @ h) if a.shape[-2] < a.shape[-1] else (h @ a) @ h


def lstsq_product(a: Any, b: Any) -> Any:
    """Return AᴴA, or AAᴴ, and Aᴴb."""
    h = adjoint(a)
    return (a @ h if a.shape[-2] < a.shape[-1] else h @ a), h @ b


def one_by_one(function: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Return a function that goes through the matrices of a batch in a Python loop."""

    def loop(*batches: Iterable[Any]) -> list[Any]:
        return [function(*items) for items in zip(*batches, strict=True)]

    return loop


LOOP = "Python loop over the batch"


def single_or_loop(shape: Shape, own: Callable[..., Any], mine: Callable[..., Any]) -> Rivals:
    """Return the rivals for a library's function that takes one matrix only."""
    if shape.batch is None:
        return Rivals(own, mine)
    return Rivals(one_by_one(own), mine, LOOP)


def pinvx_solution(a: Any, b: Any) -> Any:
    """Return the solution alone."""
    return pinvx.lstsq(a, b).x
