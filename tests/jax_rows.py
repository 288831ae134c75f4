"""How what is done to a function in JAX becomes a test of a row of the table.

Compilation is what these tests cost: a transformed function is made once for all ranks, and with
the least effort of the compiler.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from bounds import assert_close
from transformations import FUNCTIONS, Row

import pinvx

Build: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Takes a function of arrays, and returns the transformed one."""


@contextmanager
def scope(row: Row) -> Iterator[None]:
    """The device of a row, and JAX's switch to 64 bits where its dtype has them."""
    platform, _, index = row.device.partition(":")
    with (
        jax.enable_x64(row.dtype in ("float64", "complex128")),
        jax.default_device(jax.devices(platform)[int(index or 0)]),
    ):
        yield


def arrays(row: Row, values: Any) -> tuple[jax.Array, ...]:
    """The arrays of a row in its dtype, or its real counterpart."""
    dtype = jnp.dtype(row.dtype)
    return tuple(
        jnp.asarray(x, dtype=dtype if np.iscomplexobj(x) else jnp.finfo(dtype).dtype)
        if row.is_complex
        else jnp.asarray(x, dtype=dtype)
        for x in values
    )


def numpy(results: Any) -> list[Any]:
    """Bring results back, half types as float32."""
    return [np.asarray(x, dtype=np.float32 if x.dtype.itemsize == 2 else None) for x in results]


def compiled(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit`, in half of the time."""
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(f, compiler_options=quick, **options)


def value(build: Build, *, twice: bool = False) -> Callable[[Row], None]:
    """A test that the transformed function has the value of the function.

    One that computes it `twice` returns both.
    """
    made = functools.cache(lambda function: build(FUNCTIONS[function]))

    def run(row: Row) -> None:
        with scope(row):
            results = made(row.function)(*arrays(row, row.arguments))
            for outputs in results if twice else [results]:
                dtypes = {str(x.dtype) for x in outputs}
                assert dtypes <= {row.dtype, str(jnp.finfo(row.dtype).dtype)}
                row.check(numpy(outputs), row.value())

    return run


def forward(build: Build) -> Callable[[Row], None]:
    """A test that what is built, a function of primals and tangents, is the derivative."""
    made = functools.cache(lambda function: compiled(build(FUNCTIONS[function])))

    def run(row: Row) -> None:
        with scope(row):
            primals, tangents = arrays(row, row.arguments), arrays(row, row.tangents)
            row.check(numpy(made(row.function)(primals, tangents)), row.jvp(), order=1)

    return run


def reverse(build: Build) -> Callable[[Row], None]:
    """A test that what is built, a function of primals and cotangents, is its adjoint.

    Of a complex array JAX has the conjugate of the cotangent dL = Re⟨G, dX⟩ of the closed form.
    """
    made = functools.cache(lambda function: compiled(build(FUNCTIONS[function])))

    def run(row: Row) -> None:
        with scope(row):
            cotangents = arrays(row, map(np.conj, row.cotangents))
            results = made(row.function)(arrays(row, row.arguments), cotangents)
            row.check([x.conj() for x in numpy(results)], row.vjp(), order=1)

    return run


def second(build: Build, *, tangential: bool = False) -> Callable[[Row], None]:
    """A test of the derivative of a gradient, against differences of the closed form.

    What is built is a function of primals, tangents and cotangents: the gradient of Re⟨G, f⟩ is
    the closed form, and A moves along (1 + tE) A (1 + tF), where its rank is constant.

    The matrices of one rank are a manifold, and on its tangent space the derivative of a gradient
    is symmetric: forward and reverse mode over the gradient differ by what is normal to it.
    """
    made = functools.cache(lambda function: compiled(build(FUNCTIONS[function])))

    def run(row: Row) -> None:
        (a, *b), (_, *db) = row.arguments, row.tangents
        rng = np.random.default_rng(0)
        e, f = (rng.standard_normal((n, n)) / n for n in a.shape[-2:])

        def gradient(t: float) -> Any:
            moved = (a + t * e @ a) @ (np.eye(a.shape[-1]) + t * f)
            options = {"rtol": 1e-6, "method": "svd"}
            at = (moved, *(x + t * dx for x, dx in zip(b, db, strict=True)), *row.cotangents)
            return pinvx.lstsq_vjp(*at, **options) if b else (pinvx.pinv_vjp(*at, **options),)

        step = 1e-5
        pairs = zip(gradient(step), gradient(-step), strict=True)
        expected = [(plus - minus) / (2 * step) for plus, minus in pairs]
        with scope(row):
            tangents = arrays(row, (e @ a + a @ f, *db))
            at = (arrays(row, row.arguments), tangents, arrays(row, row.cotangents))
            actual = numpy(made(row.function)(*at))
        if tangential:
            actual[0], expected[0] = _tangential(a, actual[0]), _tangential(a, expected[0])
        for x, y in zip(actual, expected, strict=True):
            # The third derivative times step², and rounding over step.
            assert_close(x, y, 1e-7, what=str(row))

    return run


def _tangential(a: Any, g: Any) -> Any:
    """Take away what is orthogonal to every (1 + tE) A (1 + tF): (I − A A⁺) G (I − A⁺A)."""
    x = pinvx.pinv(a)
    left, right = (np.eye(len(p)) - p for p in (a @ x, x @ a))
    return g - left @ g @ right
