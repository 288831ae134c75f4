"""JAX: both sides compiled by `jax.jit`, so that neither pays for calls of single operations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals, lstsq_product, pinv_product, pinvx_solution


class JaxContender(Contender):
    """JAX's own functions, with pinvx's cutoff."""

    name = "jax"
    distributions: tuple[str, ...] = ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin")
    arrays = "jax"
    compiles = True

    def __init__(self) -> None:
        self._programs: dict[Hashable, Any] = {}

    def device_name(self, device: str) -> str | None:
        """Return the kind of a device."""
        return None if device == "cpu" else str(self._devices[device].device_kind)

    def matches(self) -> Sequence[Match]:
        """Return `pinv` and `lstsq`, each with its gradients, too."""
        return (
            Match("pinv", "forward", "jax.numpy.linalg.pinv", _pinv),
            Match("pinv", "backward", "jax.numpy.linalg.pinv", _pinv_gradient),
            Match("lstsq", "forward", "jax.numpy.linalg.lstsq", _lstsq),
            Match("lstsq", "backward", "jax.numpy.linalg.lstsq", _lstsq_gradients),
        )

    def hermitian(self) -> Match:
        """Return `pinv` by eigenvalues."""
        return Match("pinv", "hermitian", "jax.numpy.linalg.pinv hermitian", _pinv_hermitian)

    def full_precision(self) -> AbstractContextManager[Any]:
        """Return the context without TF32, which is JAX's choice for float32 on a GPU."""
        return jax.default_matmul_precision("highest")  # type: ignore[no-any-return]

    def prepared(self, function: Callable[..., Any], *arrays: Any) -> Callable[[], Any]:
        """Return the call of a program that is compiled already, once for a shape."""
        self.prepare([(function, arrays)])
        return partial(self._programs[_key(function, arrays)], *arrays)

    def prepare(self, calls: Sequence[tuple[Callable[..., Any], Sequence[Any]]]) -> None:
        """Compile programs side by side: on a GPU each takes seconds, of one processor."""
        lowered = {
            _key(function, arrays): jax.jit(function).lower(*arrays)
            for function, arrays in calls
            if _key(function, arrays) not in self._programs
        }
        with ThreadPoolExecutor() as pool:
            programs = pool.map(lambda program: program.compile(), lowered.values())
            self._programs.update(zip(lowered, programs, strict=True))

    def synchronise(self, device: str) -> Callable[[Any], Any] | None:
        """Return what waits for a result, since JAX returns before it is there."""
        return jax.block_until_ready  # type: ignore[no-any-return]

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return a batch of arrays."""
        return jnp.stack(arrays)

    def product(self, function: str) -> Callable[..., Any]:
        """Return the products as one compiled function."""
        return _compiled(pinv_product if function == "pinv" else lstsq_product)


def _key(function: Callable[..., Any], arrays: Sequence[Any]) -> Hashable:
    precision = jax.config.jax_default_matmul_precision
    return function, precision, *((x.shape, str(x.dtype)) for x in arrays)


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the compiled function, the same each time, so that it is compiled once a shape."""
    return jax.jit(function)  # type: ignore[no-any-return]


@cache
def gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a compiled function from the inputs and a cotangent to the gradients and the value.

    The derivative that JAX makes of complex numbers is the transposed one, so the cotangent and the
    gradients are conjugates of those of PyTorch.
    """

    def value_and_gradients(*arguments: Any) -> tuple[Any, ...]:
        *inputs, cotangent = arguments
        value, pull_back = jax.vjp(function, *inputs)
        return (*map(jnp.conj, pull_back(jnp.conj(cotangent))), value)

    return jax.jit(value_and_gradients)  # type: ignore[no-any-return]


def rivals(shape: Shape, own: Callable[..., Any], mine: Callable[..., Any]) -> Rivals:
    """Return the rivals for a function of JAX that takes one matrix only."""
    if shape.batch is None:
        return Rivals(own, mine)
    return Rivals(own, mine, "vmap over the batch")


def _pinv(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(_compiled(_own_pinv), _compiled(pinvx.pinv))


def _pinv_hermitian(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(_compiled(_own_pinv_hermitian), _compiled(_pinvx_pinv_hermitian))


def _pinv_gradient(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(gradients(_own_pinv), gradients(pinvx.pinv))


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    return rivals(shape, _compiled(_own_lstsq), _compiled(_pinvx_lstsq))


def _lstsq_gradients(shape: Shape, cutoff: float) -> Rivals:
    return rivals(shape, gradients(_own_solution), gradients(pinvx_solution))


def _own_pinv(a: Any) -> Any:
    # The default of `rtol` is ten times as much.
    return jnp.linalg.pinv(a, rtol=max(a.shape[-2:]) * jnp.finfo(a.dtype).eps)


def _own_pinv_hermitian(a: Any) -> Any:
    return jnp.linalg.pinv(a, rtol=a.shape[-1] * jnp.finfo(a.dtype).eps, hermitian=True)


def _pinvx_pinv_hermitian(a: Any) -> Any:
    return pinvx.pinv(a, hermitian=True)


def _own_lstsq(a: Any, b: Any) -> Any:
    # It takes one matrix only; the default of `rcond` is max(M, N)·eps.
    return (jnp.linalg.lstsq if a.ndim == 2 else jax.vmap(jnp.linalg.lstsq))(a, b)


def _own_solution(a: Any, b: Any) -> Any:
    return _own_lstsq(a, b)[0]


def _pinvx_lstsq(a: Any, b: Any) -> Any:
    return tuple(pinvx.lstsq(a, b))
