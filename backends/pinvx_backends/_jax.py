"""What JAX does differently: tracing, compilation, and derivatives by `custom_jvp`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.sharding import NamedSharding, PartitionSpec

from pinvx import Adapter, Rule, Tracer

from ._jax_tracer import JaxTracer


class JaxAdapter(Adapter):
    """JAX's verbs."""

    small = 256  # compiled operations cost nothing to call, but methods take long to compile

    tracer: Tracer = JaxTracer()

    def readable(self, *values: Any) -> bool:
        """Tell whether all values are known: a tracer has none."""
        return not any(isinstance(v, jax.core.Tracer) for v in values)

    def adopt(self, x: Any, beside: Any) -> Any:
        """Convert a NumPy array beside a tracer, as JAX does: its values are known."""
        return x if self.readable(beside) or not isinstance(x, np.ndarray) else jnp.asarray(x)

    def numbers(self, x: Any) -> list[float]:
        """Read a real array, without an operation that an outer program would record."""
        return np.asarray(x).ravel().tolist()

    def device(self, x: Any) -> None:
        """Return None: JAX places arrays itself, and raises for those that it cannot combine.

        A traced array has no device, and a sharded one has many.
        """
        return

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose."""
        return jnp.conj(x.mT)

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product in full precision, whatever the user's default."""
        return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)

    def gramian(self, x: Any, y: Any = None) -> Any:
        """Return XᴴX or XᴴY; on a CPU write Xᴴ to memory first, since XLA is slow otherwise.

        For a long and narrow X, writing takes longer than it saves.
        """
        y = x if y is None else y
        if x.shape[-1] <= 32 and x.shape[-2] >= 1 << 14:
            return self.matmul(self.adjoint(x), y)

        def product(x: Any, y: Any, *, written: bool) -> Any:
            xh = self.adjoint(x)
            return self.matmul(jax.lax.optimization_barrier(xh) if written else xh, y)

        return jax.lax.platform_dependent(
            x, y, cpu=partial(product, written=True), default=partial(product, written=False)
        )

    def squares(self, x: Any, axis: Any = (-2, -1)) -> Any:
        """Return the sum of |x|² over one or both of the last dimensions."""
        squares = jnp.square(jnp.real(x))
        if jnp.iscomplexobj(x):
            squares = squares + jnp.square(jnp.imag(x))
        return jnp.sum(squares, axis=axis)

    def eigh(self, x: Any) -> tuple[Any, ...]:
        """Return the eigenvalues, ascending, and the eigenvectors of each Hermitian matrix."""
        return tuple(jnp.linalg.eigh(x, symmetrize_input=False))

    def cholesky(self, x: Any) -> Any:
        """Return the lower Cholesky factor, with NaN only for the matrices without one."""
        return jax.lax.linalg.cholesky(x, symmetrize_input=False)

    def inv_lower(self, x: Any) -> Any:
        """Return the inverse of each lower triangular matrix."""
        identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
        return jax.lax.linalg.triangular_solve(x, identity, left_side=True, lower=True)

    def run(self, function: Callable[..., Any], static: Any, *inputs: Any) -> Any:
        """Return ``function(self, static, *inputs)``, compiled as a whole.

        Except if A is known and b is traced: then x stays linear in b, and A is factorized once.
        """
        if self.readable(inputs[0]) and not self.readable(*inputs):
            with _settings():
                return function(_LINEAR, static, *inputs)
        compiled = partial(_compiled, function, self, static)
        sharded = [(x, spec) for x in inputs if (spec := _spec(x))]
        if sharded:
            shardings = _shardings(compiled, inputs, sharded)
            compiled = jax.sharding.auto_axes(compiled, out_sharding=shardings)
        return compiled(*inputs)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule with its own derivative; outside of `run`, compile it."""
        if rule.chooses and not isinstance(inputs[0], jax.core.Tracer):
            return _compiled(_by_rule, self, rule, *inputs)
        return _with_derivative(rule, self, *inputs)


class _Linear(JaxAdapter):
    """JAX's verbs for a known A and a traced b: all that depends on b is linear in it."""

    linear = True

    def readable(self, *values: Any) -> bool:
        """Return False: reading A would become part of the program."""
        del values
        return False


_LINEAR = _Linear(jnp)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _compiled(
    function: Callable[..., Any], lib: JaxAdapter, static: Any, *inputs: Any
) -> tuple[Any, ...]:
    with _settings():
        return function(lib, static, *inputs)


def _by_rule(lib: JaxAdapter, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
    return _with_derivative(rule, lib, *inputs)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _with_derivative(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    # JAX transposes linear functions, but none with a custom batching rule. A linear rule chooses
    # nothing by values, so it needs no such rule.
    return _in_batches(rule, lib)(*inputs) if rule.chooses else _value(rule, lib, *inputs)


@partial(_with_derivative.defjvp, symbolic_zeros=True)
def _jvp(
    rule: Rule, lib: JaxAdapter, inputs: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    # JAX derives reverse mode from this: it transposes what is linear in the tangents.
    if rule.composed:
        return _jvp_of_parts(rule, lib, inputs, tangents)
    outputs = _with_derivative(rule, lib, *inputs)
    known = tuple(None if isinstance(dx, SymbolicZero) else dx for dx in tangents)
    with _settings():
        derivative = rule.jvp(lib, inputs, outputs, known)
    return outputs, tuple(
        _zero_tangent(x) if dx is None else dx for x, dx in zip(outputs, derivative, strict=True)
    )


def _jvp_of_parts(
    rule: Any, lib: JaxAdapter, inputs: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return outputs and tangents of a rule that is composed of others."""
    varied = [i for i, dx in enumerate(tangents) if not isinstance(dx, SymbolicZero | None)]

    def of_varied(*values: Any) -> tuple[Any, ...]:
        known = dict(zip(varied, values, strict=True))
        with _settings():
            return rule.by_parts(lib, *(known.get(i, x) for i, x in enumerate(inputs)))

    return jax.jvp(of_varied, [inputs[i] for i in varied], [tangents[i] for i in varied])


def _value(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    with _settings():
        return rule.value(lib, *inputs)


@contextmanager
def _settings() -> Iterator[None]:
    """Trace the rules with fixed settings, whatever the user's.

    Some products are not calls of `matmul`. And a user who forbids rank promotion means their own
    code, not a library's.
    """
    with jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("allow"):
        yield


def _zero_tangent(x: Any) -> Any:
    """Return a symbolic zero of the tangent type of `x`; integers have such a type, too."""
    return None if x is None else SymbolicZero(x.aval.to_tangent_aval())


def _in_batches(rule: Rule, lib: JaxAdapter) -> Any:
    """Return the value of a rule as a function for which a mapped axis is a batch dimension.

    `vmap` of a `cond` runs both branches for every item. But a rule takes batches itself, and its
    `cond` asks whether all items of the batch are accepted, so it remains a `cond`.
    """
    value = jax.custom_batching.custom_vmap(partial(_value, rule, lib))

    @value.def_vmap
    def _(size: int, mapped: list[Any], *inputs: Any) -> tuple[Any, Any]:
        batched = [
            x if x is None or is_mapped else x[None]
            for x, is_mapped in zip(inputs, mapped, strict=True)
        ]
        if not mapped[0] and mapped[1] and rule.composed:
            # One A for many b: factorize once.
            with _settings():
                outputs = rule.by_parts(lib, *batched)
            return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape[1:])), outputs), (
                jax.tree.map(lambda _: True, outputs)
            )
        # A gets the batch dimension, also if only the tolerances are mapped.
        batched[0] = jnp.broadcast_to(batched[0], (size, *batched[0].shape[1:]))
        outputs = _in_batches(rule, lib)(*batched)
        return outputs, jax.tree.map(lambda _: True, outputs)

    return value


def _spec(x: Any) -> tuple[Any, ...]:
    """Return the mesh axes over which the type of `x` shards it; () if it does not.

    With explicit mesh axes the sharding is part of the type, like the dtype. JAX does not factorize
    such a matrix, and refuses a product that sums over a sharded dimension.
    """
    sharding = getattr(getattr(x, "aval", None), "sharding", None)
    spec = tuple(getattr(sharding, "spec", ()))
    return spec if any(axes is not None for axes in spec) else ()


def _shardings(
    function: Callable[..., Any], inputs: tuple[Any, ...], sharded: list[tuple[Any, Any]]
) -> Any:
    """Return shardings for the outputs of a function inside which the compiler shards.

    A dimension as long as a sharded dimension of an input is sharded like it: the rows of A are the
    columns of A⁺. If two lengths are equal by chance, that costs a transfer, not correctness.
    """
    mesh = sharded[0][0].aval.sharding.mesh
    known = [
        (i, n, axes)
        for x, spec in sharded
        for i, (n, axes) in enumerate(zip(x.shape, spec, strict=True))
        if axes is not None
    ]

    def like_inputs(output: Any) -> Any:
        spec: list[Any] = [None] * output.ndim
        used: set[str] = set()
        # The same place as in the input comes first: a batch before the rest.
        for i, n, axes in known:
            places = [j for j in (i, *range(output.ndim)) if output.shape[j : j + 1] == (n,)]
            names = {axes} if isinstance(axes, str) else set(axes)
            if free := [j for j in places if spec[j] is None and not names & used]:
                spec[free[0]] = axes
                used |= names
        return NamedSharding(mesh, PartitionSpec(*spec))

    unsharded = [
        x if x is None or not hasattr(x, "dtype") else jax.ShapeDtypeStruct(x.shape, x.dtype)
        for x in inputs
    ]
    return jax.tree.map(like_inputs, jax.eval_shape(function, *unsharded))
