"""P13: derivatives in O(p·K) memory: every intermediate value stands in the jaxpr."""

from __future__ import annotations

import pytest

import pinvx

jax = pytest.importorskip("jax")
jnp = jax.numpy

LONG, SHORT = 3000, 4
# One side holds [A Xᴴ] or a few columns more; a square of the long side holds 750 times as much.
LARGEST = 3 * LONG * SHORT


def intermediates(jaxpr):
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield variable.aval.size
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(inner, "jaxpr"):
                    yield from intermediates(inner.jaxpr)
                elif hasattr(inner, "eqns"):
                    yield from intermediates(inner)


JAX = {
    "pinv, reverse": lambda a, b: jax.grad(lambda a: jnp.square(pinvx.pinv(a)).sum())(a),
    "pinv, forward": lambda a, b: jax.jvp(pinvx.pinv, (a,), (a,)),
    "pinv, reverse twice": lambda a, b: jax.grad(
        lambda a: jax.grad(lambda a: jnp.square(pinvx.pinv(a)).sum())(a).sum()
    )(a),
    "lstsq, reverse": lambda a, b: jax.grad(
        lambda a, b: sum(x.sum() for x in pinvx.lstsq(a, b)[:2]), argnums=(0, 1)
    )(a, b),
    "lstsq, forward": lambda a, b: jax.jvp(lambda a, b: pinvx.lstsq(a, b)[:2], (a, b), (a, b)),
}


@pytest.mark.parametrize("wide", [False, True], ids=["tall", "wide"])
@pytest.mark.parametrize("name", JAX)
def test_nothing_of_the_long_side_squared_in_jax(name, wide):
    shape = (SHORT, LONG) if wide else (LONG, SHORT)
    a, b = jnp.ones(shape), jnp.ones((shape[0], 2))
    sizes = list(intermediates(jax.make_jaxpr(JAX[name])(a, b).jaxpr))
    assert max(sizes) >= LONG * SHORT
    assert max(sizes) <= LARGEST
