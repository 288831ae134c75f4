"""What JAX does differently: tracing, compilation, and derivatives by `custom_jvp`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinvx import Adapter, Rule


class JaxAdapter(Adapter):
    """JAX's verbs."""

    def readable(self, *values: Any) -> bool:
        """Tell whether all values are concrete: a tracer has none."""
        return not any(isinstance(v, jax.core.Tracer) for v in values)

    def device(self, x: Any) -> None:
        """Return None: JAX places arrays itself, and refuses those that it cannot bring together.

        A traced array has no device, and a sharded one has many.
        """
        return

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose."""
        return jnp.conj(x.mT)

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product; the precision is set here and not taken from the user's default."""
        return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule as one compiled function with a derivative of its own."""
        return _compiled(rule, self, *inputs)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    return _with_derivative(rule, lib, *inputs)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _with_derivative(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    return rule.value(lib, *inputs)


@_with_derivative.defjvp
def _jvp(
    rule: Rule, lib: JaxAdapter, inputs: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    # JAX makes the reverse mode out of this, by transposing what is linear in the tangents.
    outputs = _with_derivative(rule, lib, *inputs)
    derivative = rule.jvp(lib, inputs, outputs, tangents)
    return outputs, tuple(
        _zero_tangent(x) if dx is None else dx for x, dx in zip(outputs, derivative, strict=True)
    )


def _zero_tangent(x: Any) -> Any:
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return jnp.zeros_like(x)
    return np.zeros(x.shape, dtype=jax.dtypes.float0)  # the tangent type of integers
