"""What users of JAX do to a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType
from jax_eight_devices import spread_batch, traffic, values
from jax_rows import Build, arrays, compiled, forward, numpy, reverse, scope, second, value
from transformations import DTYPES, FUNCTIONS, SHAPES, Row, Transformation

import pinvx

DEVICES = ("cpu", *(f"{d.platform}:{d.id}" for d in jax.devices() if d.platform != "cpu"))
HALF = ("float16", "bfloat16")
BATCHES = ("small, batch", "batch")


SETTINGS = (
    ("default_matmul_precision", "bfloat16", ("tall",)),
    ("debug_nans", True, ("small", "tall")),
    ("numpy_rank_promotion", "raise", ("small", "batch")),
    ("numpy_dtype_promotion", "strict", ("small",)),
    ("disable_jit", True, ("small",)),
)


def same(f: Any) -> Any:
    """The function itself."""
    return f


def traced_tolerance(f: Any) -> Any:
    """The tolerance is an argument: one program for all of them."""
    g = compiled(lambda rtol, *x: f(*x, rtol=rtol))

    def call(*x: Any) -> Any:
        nothing = g(1.5, *x)  # nothing is above 1.5 σ₁
        assert not nothing[0].any()
        return g(1e-3, *x)

    return call


def static_tolerance(f: Any) -> Any:
    """The tolerance is a part of the program."""
    g = compiled(lambda *x, rtol: f(*x, rtol=rtol), static_argnames="rtol")
    return lambda *x: g(*x, rtol=1e-3)


def mapped_tolerance(f: Any) -> Any:
    """One A, many tolerances: with the last of them nothing counts."""

    @compiled
    def g(rtol: Any, *x: Any) -> Any:
        return jax.vmap(lambda rtol: f(*x, rtol=rtol))(rtol)

    def call(*x: Any) -> Any:
        results = g(jnp.asarray([1e-3, 1e-4, 1.5], dtype=jnp.finfo(x[0].dtype).dtype), *x)
        assert not results[0][2].any()
        return [[r[i] for r in results] for i in range(2)]

    return call


def axes_last(f: Any) -> Any:
    """The mapped axis is the last one, of arguments and results."""
    g = compiled(jax.vmap(f, in_axes=-1, out_axes=-1))

    def call(*x: Any) -> Any:
        return [jnp.moveaxis(r, -1, 0) for r in g(*(jnp.moveaxis(y, 0, -1) for y in x))]

    return call


def nested(f: Any) -> Any:
    """Two mapped axes: the results of either are right."""
    g = compiled(jax.vmap(jax.vmap(f, in_axes=1), in_axes=-1, out_axes=1))

    def call(*x: Any) -> Any:
        results = g(*(jnp.stack([y, y], axis=-1).swapaxes(0, 1) for y in x))
        return [[r[:, i] for r in results] for i in range(2)]

    return call


def mapped_b(f: Any) -> Any:
    """One A for all columns of b, each a vector of its own: A is factorized once."""
    return compiled(jax.vmap(f, in_axes=(None, -1), out_axes=-1))


def in_scan(f: Any) -> Any:
    """A step for each item."""
    return lambda *x: lax.scan(lambda carry, y: (carry, f(*y)), None, x)[1]


def in_while_loop(f: Any) -> Any:
    """The function in the body, and in the condition."""

    def call(*x: Any) -> Any:
        start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(f, *x))

        def more(carry: Any) -> Any:
            i, _ = carry
            return (i < 2) & jnp.isfinite(f(*x)[0]).all()

        return lax.while_loop(more, lambda carry: (carry[0] + 1, f(*x)), (0, start))[1]

    return compiled(call)


def in_cond(f: Any) -> Any:
    """The function in one branch."""

    def call(*x: Any) -> Any:
        zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(f, *x))
        return lax.cond(jnp.isfinite(x[0]).all(), f, lambda *_: zero, *x)

    return compiled(call)


def in_map(f: Any) -> Any:
    """A loop over a batch in parts, each of them by `vmap`."""
    return compiled(lambda *x: lax.map(lambda y: f(*y), x, batch_size=2))


def jvp(f: Any) -> Any:
    return lambda x, dx: jax.jvp(f, x, dx)[1]


def linearize(f: Any) -> Any:
    return lambda x, dx: jax.linearize(f, *x)[1](*dx)


def jacobian(jacobian: Any) -> Build:
    """A Jacobian times the tangents."""

    def build(f: Any) -> Any:
        def call(x: Any, dx: Any) -> Any:
            blocks = jacobian(f, argnums=tuple(range(len(x))))(*x)
            return [_times(row, dx) for row in blocks]

        return call

    return build


def _times(blocks: Any, tangents: Any) -> Any:
    return sum(jnp.tensordot(j, d, d.ndim) for j, d in zip(blocks, tangents, strict=True))


def vjp(f: Any) -> Any:
    return lambda x, g: jax.vjp(f, *x)[1](g)


def grad(f: Any) -> Any:
    """The gradient of Σ Re(ḡ f)."""

    def call(x: Any, g: Any) -> Any:
        def loss(*x: Any) -> Any:
            return sum(jnp.real(u * v).sum() for u, v in zip(g, f(*x), strict=True))

        return jax.grad(loss, argnums=tuple(range(len(x))))(*x)

    return call


def each(derivative: Build) -> Build:
    """`vmap` of a derivative."""
    return lambda f: jax.vmap(derivative(f))


def of_each(derivative: Build) -> Build:
    """A derivative of `vmap`."""
    return lambda f: derivative(jax.vmap(f))


def saves_nothing(f: Any) -> Any:
    policy = jax.checkpoint_policies.nothing_saveable
    return vjp(jax.checkpoint(f, policy=policy))


def second_derivative(outer: str, inner: str) -> Build:
    """The derivative along tangents of the gradient, by one mode after the other."""

    def build(f: Any) -> Any:
        def call(x: Any, dx: Any, g: Any) -> Any:
            def loss(*x: Any) -> Any:
                return sum((u * v).sum() for u, v in zip(g, f(*x), strict=True))

            def slope(*x: Any) -> Any:
                return jax.jvp(loss, x, dx)[1]

            argnums = tuple(range(len(x)))
            if outer == "forward":
                derivative = jax.grad if inner == "reverse" else jax.jacfwd
                return jax.jvp(derivative(loss, argnums=argnums), x, dx)[1]
            if inner == "forward":
                return jax.grad(slope, argnums=argnums)(*x)
            gradient = jax.grad(loss, argnums=argnums)
            return jax.vjp(gradient, *x)[1](dx)  # the Hessian is symmetric

        return call

    return build


def hessian(f: Any) -> Any:
    """The whole Hessian, times the tangents."""

    def call(x: Any, dx: Any, g: Any) -> Any:
        def loss(*x: Any) -> Any:
            return sum((u * v).sum() for u, v in zip(g, f(*x), strict=True))

        rows = jax.hessian(loss, argnums=tuple(range(len(x))))(*x)
        return [_times(row, dx) for row in rows]

    return call


def transposed(row: Row) -> None:
    """x is linear in b, and JAX transposes it."""
    with scope(row):
        a, b = arrays(row, row.arguments)
        (g,) = arrays(row, row.cotangents[:1])
        # Not conjugated: the transpose, and not the adjoint.
        f = compiled(lambda g: jax.linear_transpose(lambda b: pinvx.lstsq(a, b).x, b)(g))
        expected = pinvx.lstsq_vjp(*row.arguments, row.cotangents[0].conj(), method="svd")[1].conj()
        row.check(numpy(f(g)), (expected,), order=1)


def shapes_alone(row: Row) -> None:
    """Shapes and dtypes, and nothing computed."""
    with scope(row):
        inputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays(row, row.arguments)]
        for got, expected in zip(jax.eval_shape(row.call, *inputs), row.value(), strict=True):
            assert got.shape == expected.shape
            real = str(jnp.finfo(row.dtype).dtype)
            assert got.dtype == (row.dtype if np.iscomplexobj(expected) else real)


def ahead_of_time(f: Any) -> Any:
    """Lowered from shapes, compiled, called."""

    def call(*x: Any) -> Any:
        shapes = [jax.ShapeDtypeStruct(y.shape, y.dtype) for y in x]
        return compiled(f).lower(*shapes).compile()(*x)

    return call


def exported(f: Any, shapes: Any = None) -> Any:
    """Written to bytes, read again, called; with its derivative."""
    pytest.importorskip("flatbuffers", reason="JAX serializes with it")
    from jax import export

    def call(*x: Any) -> Any:
        inputs = [
            jax.ShapeDtypeStruct(y.shape if s is None else s, y.dtype)
            for y, s in zip(x, shapes(x) if shapes else [None] * len(x), strict=True)
        ]
        data = export.export(jax.jit(f))(*inputs).serialize()
        return export.deserialize(data).call(*x)

    return call


def exported_with_derivative(f: Any) -> Any:
    """The derivative travels with the function."""
    pytest.importorskip("flatbuffers", reason="JAX serializes with it")
    from jax import export

    def call(x: Any, g: Any) -> Any:
        data = export.export(jax.jit(f))(*x).serialize(vjp_order=1)
        return jax.vjp(export.deserialize(data).call, *x)[1](g)

    return call


def symbolic_shapes(f: Any) -> Any:
    """Any batch of matrices with any number of rows."""

    def shapes(x: Any) -> Any:
        from jax import export

        scope = export.SymbolicScope(("rows >= 20",))
        return [export.symbolic_shape(f"batch, rows, {y.shape[-1]}", scope=scope) for y in x]

    return exported(f, shapes)


def with_setting(name: str, setting: Any) -> Callable[[Row], None]:
    """Under one of JAX's settings, in `jit` with the derivative and out of it."""
    pullback = functools.cache(lambda function: compiled(partial(jax.vjp, FUNCTIONS[function])))

    def run(row: Row) -> None:
        with scope(row), getattr(jax, name)(setting):
            x, g = arrays(row, row.arguments), arrays(row, row.cotangents)
            if row.shape == "small":  # every operation is compiled for itself
                row.check(numpy(row.call(*x)), row.value())
                return
            outputs, transpose = pullback(row.function)(*x)
            row.check(numpy(outputs), row.value())
            row.check(numpy(transpose(g)), row.vjp(), order=1)

    return run


def wide_mode(row: Row) -> None:
    """The switch to 64 bits is on, and the arrays have 32."""
    with jax.enable_x64(True):
        x, g = arrays(row, row.arguments), arrays(row, row.cotangents)
        outputs, gradient = compiled(row.call)(*x), compiled(vjp(row.call))(x, g)
        assert {str(y.dtype) for y in (*outputs, *gradient)} == {row.dtype}
        row.check(numpy(outputs), row.value())


def donated(f: Any) -> Any:
    """The memory of A becomes that of A⁺; without a donation A keeps its own."""
    g = compiled(f, donate_argnums=0)

    def call(a: Any) -> Any:
        (kept,) = compiled(f)(a)
        assert not a.is_deleted()
        results = g(a)
        assert a.is_deleted()
        return [[kept], results]

    return call


def as_pytree(f: Any) -> Any:
    """A result is a tree of arrays, which `jit` returns, `scan` carries and `tree.map` maps."""
    del f

    def call(a: Any, b: Any) -> Any:
        @compiled
        def fit(a: Any, b: Any) -> Any:
            start = pinvx.lstsq(a, b)
            return lax.scan(lambda _, c: (pinvx.lstsq(a, b + 0 * c), None), start, jnp.zeros(2))[0]

        result = fit(a, b.astype(a.dtype))
        assert isinstance(result, pinvx.LstsqResult)
        assert len(jax.tree.leaves(result)) == 3  # s is None
        assert isinstance(jax.tree.map(lambda x: x + 1, result), pinvx.LstsqResult)
        return result[:2]

    return call


def of_tolerances(row: Row) -> None:
    """Tolerances have a derivative, which is zero, and so have ranks, of JAX's type for it."""
    with scope(row):
        x = arrays(row, row.arguments)

        def f(rtol: Any) -> Any:
            return sum(jnp.abs(y).sum() for y in row.call(*x, rtol=rtol))

        assert compiled(jax.grad(f))(1e-3) == 0.0
        ranks = jax.eval_shape(
            lambda a, da: jax.jvp(lambda a: pinvx.pinv(a, return_rank=True)[1], (a,), (da,)),
            x[0],
            x[0],
        )
        assert jnp.issubdtype(ranks[0].dtype, jnp.integer)
        assert ranks[1].dtype == jax.dtypes.float0


entry = partial(Transformation, "jax")

TANGENTIAL = "Of a deficient A, what lies in the tangent space of its rank."

TRANSFORMATIONS = (
    entry("none, the call itself", dtypes=("float32",), run=value(same)),
    entry("jax.jit", dtypes=DTYPES + HALF, run=value(jax.jit)),
    entry("jax.jit, every shape", dtypes=("float64",), shapes=tuple(SHAPES), run=value(compiled)),
    entry(
        "jax.jit, of a Hermitian matrix, of a vector",
        ("pinv, hermitian", "lstsq, vector"),
        dtypes=("complex128",),
        shapes=("small, square", "square"),
        run=value(compiled),
    ),
    entry("jax.jit, static tolerance", dtypes=("float32",), run=value(static_tolerance)),
    entry("jax.jit, traced tolerance", dtypes=("float32",), run=value(traced_tolerance)),
    entry(
        "jax.jit, donated buffers",
        ("pinv",),
        ("float32",),
        shapes=("square",),
        run=value(donated, twice=True),
    ),
    entry("jax.jit, ahead of time", dtypes=("float32",), run=value(ahead_of_time)),
    entry(
        "jax.vmap",
        dtypes=("float32",),
        shapes=BATCHES,
        note="A mapped axis becomes a batch dimension, and the choice of an algorithm one `cond`.",
        run=value(lambda f: compiled(jax.vmap(f))),
    ),
    entry("jax.vmap, axes last", dtypes=("complex128",), shapes=BATCHES[:1], run=value(axes_last)),
    entry(
        "jax.vmap, nested", dtypes=("float64",), shapes=BATCHES[:1], run=value(nested, twice=True)
    ),
    entry("jax.vmap, over b alone", ("lstsq",), dtypes=("float64",), run=value(mapped_b)),
    entry(
        "jax.vmap, over tolerances",
        dtypes=("float32",),
        run=value(mapped_tolerance, twice=True),
    ),
    entry("jax.jvp", dtypes=("float32", "complex128"), run=forward(jvp)),
    entry("jax.jvp, of vmap", dtypes=("float64",), shapes=BATCHES[:1], run=forward(of_each(jvp))),
    entry("jax.vmap, of jvp", dtypes=("float64",), shapes=BATCHES[:1], run=forward(each(jvp))),
    entry("jax.linearize", dtypes=("complex128",), run=forward(linearize)),
    entry("jax.jacfwd", dtypes=("float64",), run=forward(jacobian(jax.jacfwd))),
    entry("jax.jacrev", dtypes=("float64",), run=forward(jacobian(jax.jacrev))),
    entry("jax.vjp", dtypes=("float32", "complex64", *HALF), run=reverse(vjp)),
    entry(
        "jax.vjp, other shapes",
        dtypes=("float64",),
        shapes=("wide", "square"),
        run=reverse(vjp),
    ),
    entry(
        "jax.vjp, of a Hermitian matrix, of a vector",
        ("pinv, hermitian", "lstsq, vector"),
        shapes=("small, square",),
        run=reverse(vjp),
    ),
    entry("jax.grad", dtypes=("complex64",), run=reverse(grad)),
    entry("jax.grad, of vmap", dtypes=("float64",), shapes=BATCHES[:1], run=reverse(of_each(grad))),
    entry("jax.vmap, of grad", dtypes=("float64",), shapes=BATCHES[:1], run=reverse(each(grad))),
    entry(
        "jax.linear_transpose",
        ("lstsq",),
        note="Of `lstsq` in b.",
        run=transposed,
    ),
    entry("jax.hessian", dtypes=("float64",), run=second(hessian)),
    *(
        entry(name, dtypes=("float64",), note=note, run=second(build, tangential=bool(note)))
        for name, build, note in (
            ("jax.jvp, of grad", second_derivative("forward", "reverse"), ""),
            ("jax.jvp, of jacfwd", second_derivative("forward", "forward"), ""),
            ("jax.grad, of jvp", second_derivative("reverse", "forward"), TANGENTIAL),
            ("jax.vjp, of grad", second_derivative("reverse", "reverse"), TANGENTIAL),
        )
    ),
    entry("jax.checkpoint", dtypes=("float64",), run=reverse(saves_nothing)),
    entry("jax.lax.scan", dtypes=("float64",), shapes=BATCHES[:1], run=value(in_scan)),
    entry(
        "jax.lax.scan, gradient, with checkpoint",
        dtypes=("float64",),
        shapes=BATCHES[:1],
        run=reverse(lambda f: vjp(in_scan(jax.checkpoint(f)))),
    ),
    entry(
        "jax.lax.while_loop",
        dtypes=("float32",),
        shapes=("small",),
        run=value(in_while_loop),
    ),
    entry("jax.lax.cond", dtypes=("float32",), shapes=("small",), run=value(in_cond)),
    entry(
        "jax.lax.map, with batch_size", dtypes=("float32",), shapes=BATCHES[:1], run=value(in_map)
    ),
    entry(
        "jax.eval_shape",
        dtypes=("float32", "complex128", "bfloat16"),
        ranks=("full",),
        shapes=tuple(SHAPES),
        run=shapes_alone,
    ),
    entry(
        "jax.export",
        ranks=("full",),
        dtypes=("float32",),
        shapes=("tall",),
        run=value(exported),
    ),
    entry(
        "jax.export, with derivative",
        ranks=("full",),
        dtypes=("float32",),
        run=reverse(exported_with_derivative),
    ),
    entry(
        "jax.export, symbolic shapes",
        ranks=("full",),
        dtypes=("float32",),
        shapes=("batch",),
        note="With unknown lengths the SVD is taken.",
        run=value(symbolic_shapes),
    ),
    entry("jax.enable_x64(True), with 32 bits", dtypes=("float32",), run=wide_mode),
    *(
        entry(
            f"jax.{name}({setting!r})",
            ("lstsq",) if name == "disable_jit" else ("pinv", "lstsq"),
            dtypes=("float32",),
            shapes=shapes,
            run=with_setting(name, setting),
        )
        for name, setting, shapes in SETTINGS
    ),
    entry("result as a pytree", ("lstsq",), ("float32",), run=value(as_pytree)),
    entry("derivatives of tolerances and ranks", ("pinv",), ("float32",), run=of_tolerances),
    entry(
        "sharded arrays, a long axis over 8 devices",
        dtypes=("float32",),
        shapes=("tall", "wide"),
        note="Of a row-sharded A, A⁺ is sharded in columns, and x is replicated.",
        run=values(AxisType.Auto),
    ),
    entry(
        "sharded arrays, with explicit axes",
        dtypes=("float32",),
        shapes=("tall",),
        note="`hermitian=True` and the closed forms need `jax.sharding.auto_axes`.",
        run=values(AxisType.Explicit),
    ),
    entry(
        "sharded arrays, what travels",
        ("pinv", "lstsq"),
        ("float32",),
        ("full",),
        note="Read in the compiled program for 320×4: N×N matrices, and no long axis.",
        run=traffic,
    ),
    entry(
        "sharded arrays, a batch over 8 devices, and jax.shard_map",
        dtypes=("float32",),
        ranks=("full",),
        shapes=("batch",),
        run=spread_batch,
    ),
)
