"""What JAX does differently: tracing, compilation, and derivatives by `custom_jvp`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.sharding import NamedSharding, PartitionSpec

from pinvx import Adapter, Rule


class JaxAdapter(Adapter):
    """JAX's verbs."""

    small = 256  # compiled operations cost nothing to call, but a ladder takes long to compile

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.slow_svd = jax.default_backend() != "cpu"  # LAPACK's is as fast as what is compiled

    def double(self, a: Any) -> None:
        """Return None: float64 is off by default, and one more rung takes long to compile."""
        del a
        return

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

    def inner(self, x: Any, y: Any) -> Any:
        """Return XᴴY; on a CPU of an Xᴴ that is written down, since XLA is slow otherwise.

        Unless X is so long and narrow that writing takes longer than what is gained.
        """
        if x.shape[-1] <= 32 and x.shape[-2] >= 1 << 14:
            return self.matmul(self.adjoint(x), y)

        def product(x: Any, y: Any, *, written: bool) -> Any:
            xh = self.adjoint(x)
            return self.matmul(jax.lax.optimization_barrier(xh) if written else xh, y)

        return jax.lax.platform_dependent(
            x, y, cpu=partial(product, written=True), default=partial(product, written=False)
        )

    def cholesky(self, x: Any) -> Any:
        """Return the lower Cholesky factor, with NaN for the matrices without one alone."""
        return jax.lax.linalg.cholesky(x, symmetrize_input=False)

    def inv_lower(self, x: Any) -> Any:
        """Return the inverse of each lower triangular matrix."""
        identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
        return jax.lax.linalg.triangular_solve(x, identity, left_side=True, lower=True)

    def blocks(self, rows: int) -> int:
        """Return a multiple of the number of devices that so many rows may be spread over.

        That number divides both the rows and the devices. It is not known when a program is
        traced; but blocks that no device shares with another are decomposed where they are.
        """
        return math.gcd(rows, jax.device_count()) if isinstance(rows, int) else 1

    def branches(self, a: Any) -> bool:
        """Tell whether `branch` can be traced: not if a shape is symbolic, as in `jax.export`.

        The choice of an algorithm compares lengths, which must be known then.
        """
        return all(isinstance(n, int) for n in a.shape)

    def branch(self, accepted: Any, taken: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        """Return the result of one of two functions, of which the program runs one."""
        chosen = jnp.all(accepted)

        def of_one_type(branch: Callable[[], Any]) -> Callable[[], Any]:
            # Inside `jax.shard_map` each device chooses for itself, and the type of an array says
            # whether it differs between devices: a rank that is known does not, until it depends
            # on the choice. The compiler drops the select.
            return lambda: jax.tree.map(lambda x: jnp.where(chosen, x, x), branch())

        return jax.lax.cond(chosen, of_one_type(taken), of_one_type(refused))

    def mend(
        self, accepted: Any, outputs: Any, again: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> Any:
        """Return the outputs with those of `again` in place of what is not accepted.

        A loop over parts of the batch, of which those are skipped where nothing is to be done; but
        all at once where that is more than half of them, and they lie on one device.
        """

        def at_once() -> Any:
            def chosen(old: Any, new: Any) -> Any:
                return jnp.where(jnp.reshape(accepted, (-1, *(1,) * (old.ndim - 1))), old, new)

            return jax.tree.map(chosen, outputs, again(*inputs))

        def in_parts() -> Any:
            return self._mended_in_parts(accepted, outputs, again, inputs)

        if jax.device_count() > 1:
            return in_parts()
        return self.branch(2 * jnp.sum(~accepted) > accepted.shape[0], at_once, in_parts)

    def _mended_in_parts(
        self, accepted: Any, outputs: Any, again: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> Any:
        count = accepted.shape[0]
        parts = _parts(count, math.prod(inputs[0].shape[1:]))
        width = count // parts
        rest = jnp.reshape(~accepted, (parts, width))
        place = jax.lax.broadcasted_iota(jnp.int32, rest.shape, 1)

        def next_after(i: Any) -> Any:
            return jnp.min(jnp.where(rest & (place > i), place, width))

        def columns(x: Any) -> Any:
            return jnp.reshape(x, (parts, width, *x.shape[1:])) if jnp.ndim(x) else x

        def column(x: Any, i: Any) -> Any:
            return jax.lax.dynamic_index_in_dim(x, i, 1, False) if jnp.ndim(x) else x

        def body(carry: Any) -> Any:
            i, y = carry
            found = again(*(column(x, i) for x in tables))
            wrong = column(rest, i)

            def put(old: Any, new: Any) -> Any:
                here = jnp.reshape(wrong, (parts, *(1,) * (new.ndim - 1)))
                new = jnp.where(here, new, column(old, i))
                return jax.lax.dynamic_update_index_in_dim(old, new, i, 1)

            return next_after(i), jax.tree.map(put, y, found)

        tables = tuple(columns(x) for x in inputs)
        start = next_after(-1)
        # The type of an array says whether it differs between devices, see `branch`.
        y = jax.tree.map(lambda x: columns(jnp.where(start < width, x, x)), outputs)
        _, y = jax.lax.while_loop(lambda carry: carry[0] < width, body, (start, y))
        return jax.tree.map(lambda x: jnp.reshape(x, (count, *x.shape[2:])), y)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule as one compiled function with a derivative of its own."""
        compiled = partial(_compiled, rule, self)
        sharded = [(x, spec) for x in inputs if (spec := _spec(x))]
        if sharded:
            shardings = _shardings(compiled, inputs, sharded)
            compiled = jax.sharding.auto_axes(compiled, out_sharding=shardings)
        return compiled(*inputs)

    def composed(self, rule: Any, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule as one compiled function, which is that of its parts in derivatives.

        By its parts where A is known and b is not: x is linear in b, and JAX transposes the parts
        alone; and one A may go with many b.
        """
        if self.readable(inputs[0]) and not self.readable(*inputs):
            return rule.composed(self, *inputs)
        return self.differentiable(rule, *inputs)

    def constant(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule with its derivative.

        JAX transposes what is linear and forgets whose derivative it was: a constant that stands
        in it is differentiated in the next order.
        """
        return self.differentiable(rule, *inputs)


def _parts(count: int, size: int) -> int:
    """Return how many matrices of so many entries are decomposed together, of a batch.

    They are the matrices at the same place in parts of equal length, so that parts may lie on
    devices. One at a time wastes none that is well; but a step of the loop has a price, of as
    much as 1000 entries on a CPU, and on other devices many matrices cost no more than one.
    """
    wanted = 1024 // size if jax.default_backend() == "cpu" else count // 16
    devices = math.gcd(count, jax.device_count())
    wanted = max(1, min(wanted, 16) // devices)
    return devices * max(k for k in range(1, wanted + 1) if count // devices % k == 0)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    return _with_derivative(rule, lib, *inputs)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _with_derivative(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    # JAX transposes what is linear, and can transpose nothing that has a batching rule of its own.
    # What is linear chooses nothing by its values, and needs none.
    return _in_batches(rule, lib)(*inputs) if _chooses(rule) else _value(rule, lib, *inputs)


@partial(_with_derivative.defjvp, symbolic_zeros=True)
def _jvp(
    rule: Rule, lib: JaxAdapter, inputs: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    # JAX makes the reverse mode out of this, by transposing what is linear in the tangents.
    if hasattr(rule, "composed"):
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
            return rule.composed(lib, *(known.get(i, x) for i, x in enumerate(inputs)))

    return jax.jvp(of_varied, [inputs[i] for i in varied], [tangents[i] for i in varied])


def _value(rule: Rule, lib: JaxAdapter, *inputs: Any) -> tuple[Any, ...]:
    with _settings():
        return rule.value(lib, *inputs)


@contextmanager
def _settings() -> Iterator[None]:
    """Trace the rules as they are meant, whatever the settings of the user.

    Products are not only those of `matmul`; and who forbids that arrays of fewer dimensions
    broadcast means the own code, and not a library's.
    """
    with jax.default_matmul_precision("highest"), jax.numpy_rank_promotion("allow"):
        yield


def _zero_tangent(x: Any) -> Any:
    """Return a zero that nobody computes with, of the tangent type of `x`: integers have one."""
    return None if x is None else SymbolicZero(x.aval.to_tangent_aval())


def _chooses(rule: Rule) -> bool:
    """Tell whether the value of a rule may be a choice between algorithms, by `cond`."""
    return hasattr(rule, "algorithm")


def _in_batches(rule: Rule, lib: JaxAdapter) -> Any:
    """Return the value of a rule as a function for which a mapped axis is a batch dimension.

    `vmap` of a `cond` runs both branches, for every item, and picks. A rule takes batches itself,
    and its `cond` asks whether all items of a batch are well: it remains a `cond`.
    """
    value = jax.custom_batching.custom_vmap(partial(_value, rule, lib))

    @value.def_vmap
    def _(size: int, mapped: list[Any], *inputs: Any) -> tuple[Any, Any]:
        batched = [
            x if x is None or is_mapped else x[None]
            for x, is_mapped in zip(inputs, mapped, strict=True)
        ]
        if not mapped[0] and mapped[1] and hasattr(rule, "composed"):
            # One A goes with many b, and is factorized once.
            with _settings():
                outputs = rule.composed(lib, *batched)
            return jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape[1:])), outputs), (
                jax.tree.map(lambda _: True, outputs)
            )
        # The batch is that of A, also where one A goes with many tolerances.
        batched[0] = jnp.broadcast_to(batched[0], (size, *batched[0].shape[1:]))
        outputs = _in_batches(rule, lib)(*batched)
        return outputs, jax.tree.map(lambda _: True, outputs)

    return value


def _spec(x: Any) -> tuple[Any, ...]:
    """Return the axes of a mesh over which the type of `x` shards it; nothing if it does not.

    Where the axes of a mesh are explicit, the sharding is part of the type, as the dtype is. JAX
    factorizes no such matrix, and refuses a product that sums over a sharded dimension.
    """
    sharding = getattr(getattr(x, "aval", None), "sharding", None)
    spec = tuple(getattr(sharding, "spec", ()))
    return spec if any(axes is not None for axes in spec) else ()


def _shardings(
    function: Callable[..., Any], inputs: tuple[Any, ...], sharded: list[tuple[Any, Any]]
) -> Any:
    """Return shardings for the outputs of a function inside which the compiler shards.

    A dimension as long as a sharded dimension of an input is sharded like it: the rows of A are
    the columns of A⁺. Lengths that are equal by chance cost a transfer, and no correctness.
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
        # The dimensions in the place of the input come first: a batch before the rest.
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
