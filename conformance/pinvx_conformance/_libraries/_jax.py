"""JAX, with 64-bit types switched on: without them float64 would quietly be float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinvx_conformance._libraries._base import Library


def works(_name: str) -> bool:
    """Wherever it is installed."""
    return True


def describe(name: str) -> Library:
    """Return JAX on its default device as the suite sees it."""
    jax.config.update("jax_enable_x64", True)
    return Library(
        name=name,
        version=jax.__version__,
        xp=jnp,
        half=("float16", "bfloat16"),
        to_numpy=_to_numpy,
        vjp=_vjp,
        jvp=lambda f, primals, tangents: jax.jvp(f, primals, tangents)[1],
        transformations={
            "jax.jit": lambda f, a: jax.jit(f)(a),
            "jax.vmap": lambda f, a: jax.vmap(f)(a),
            "jax.jit(jax.vmap)": lambda f, a: jax.jit(jax.vmap(f))(a),
        },
        jacobians={
            "jax.jacrev": lambda f, a: jax.jacrev(f)(a),
            "jax.jacfwd": lambda f, a: jax.jacfwd(f)(a),
            "jax.jit(jax.jacrev)": lambda f, a: _compiled_jacobian(f)(a),
        },
        global_state=_state,
        writeable=False,
        compiles=True,
        synchronize=lambda x: x.block_until_ready(),
        lacks={
            "subnormals": "XLA flushes subnormal numbers to zero",
            "host reads": "JAX does not say when a value is read on the CPU",
        },
    )


@functools.cache
def _compiled_jacobian(f: Callable[..., Any]) -> Callable[..., Any]:
    # A function that is new each time compiles each time.
    compiled: Callable[..., Any] = jax.jit(jax.jacrev(f))
    return compiled


def _to_numpy(x: Any) -> Any:
    half = str(x.dtype) in ("bfloat16", "float16")
    return np.asarray(x.astype(jnp.float32) if half else x)


def _vjp(f: Callable[..., Any], primals: tuple[Any, ...], cotangent: Any) -> tuple[Any, ...]:
    # JAX pulls back without the conjugate of the inner product; dL = Re⟨G, dX⟩ needs it twice.
    _, pullback = jax.vjp(f, *primals)
    return tuple(jnp.conj(g) for g in pullback(jnp.conj(cotangent)))


def _state() -> Any:
    return jax.config.jax_default_matmul_precision, jax.config.jax_enable_x64
