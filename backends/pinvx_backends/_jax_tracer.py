"""How a compiled program of JAX chooses between methods, and mends what is left of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


class JaxTracer:
    """JAX's conditions and loops."""

    @property
    def slow_svd(self) -> bool:
        """Whether matrix products are much faster: LAPACK's decomposition on a CPU is no slower."""
        return jax.default_backend() != "cpu"

    def sees(self, a: Any) -> bool:
        """Tell whether the lengths are numbers: not if a shape is symbolic, as in `jax.export`."""
        return all(isinstance(n, int) for n in a.shape)

    def branch(self, condition: Any, taken: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        """Return the result of one of two functions, of which the program runs one."""
        chosen = jnp.all(condition)

        def of_one_type(branch: Callable[[], Any]) -> Callable[[], Any]:
            # Inside `jax.shard_map` each device chooses for itself, and the type of an array says
            # whether it differs between devices: a rank that is known does not, until it depends
            # on the choice. The compiler drops the select.
            return lambda: jax.tree.map(lambda x: jnp.where(chosen, x, x), branch())

        return jax.lax.cond(chosen, of_one_type(taken), of_one_type(refused))

    def mend(self, p: Any, answer: Any, sound: Any, last: Callable[[Any], Any]) -> Any:
        """Return the answer with that of `last` where it is not sound.

        A loop over parts of the batch, of which those are skipped where nothing is to be done. A
        part has matrices from the same place in stretches of the batch that devices may hold.
        """
        count = sound.shape[0]
        parts = _parts(count, p.entries)
        width = count // parts
        rest = jnp.reshape(~sound, (parts, width))
        place = jax.lax.broadcasted_iota(jnp.int32, rest.shape, 1)

        def next_after(i: Any) -> Any:
            return jnp.min(jnp.where(rest & (place > i), place, width))

        def columns(x: Any) -> Any:
            return jnp.reshape(x, (parts, width, *x.shape[1:])) if jnp.ndim(x) else x

        def column(x: Any, i: Any) -> Any:
            return jax.lax.dynamic_index_in_dim(x, i, 1, False) if jnp.ndim(x) else x

        def body(carry: Any) -> Any:
            i, y = carry
            found = last(p.with_arrays(*(None if x is None else column(x, i) for x in tables)))
            wrong = column(rest, i)

            def put(old: Any, new: Any) -> Any:
                here = jnp.reshape(wrong, (parts, *(1,) * (new.ndim - 1)))
                new = jnp.where(here, new, column(old, i))
                return jax.lax.dynamic_update_index_in_dim(old, new, i, 1)

            return next_after(i), jax.tree.map(put, y, found)

        tables = tuple(None if x is None else columns(x) for x in (p.a, p.b, p.rtol, p.atol))
        start = next_after(-1)
        # The type of an array says whether it differs between devices, see `branch`.
        y = jax.tree.map(lambda x: columns(jnp.where(start < width, x, x)), answer)
        _, y = jax.lax.while_loop(lambda carry: carry[0] < width, body, (start, y))
        return jax.tree.map(lambda x: jnp.reshape(x, (count, *x.shape[2:])), y)

    def blocks(self, a: Any) -> int:
        """Return a multiple of the number of devices that the rows may be spread over.

        That number divides both the rows and the devices. It is not known when a program is
        traced; but blocks that no device shares with another are decomposed where they are.
        """
        rows, columns = a.shape[-2:]
        if not isinstance(rows, int) or not isinstance(columns, int):
            return 1
        blocks = math.gcd(rows, jax.device_count())
        return blocks if rows >= blocks * columns else 1


def _parts(count: int, size: int) -> int:
    """Return how many matrices of so many entries are decomposed together, of a batch.

    One at a time wastes none that is well; but a step of the loop has a price, of as much as 1000
    entries on a CPU, and on other devices many matrices cost no more than one.
    """
    wanted = 4096 // size if jax.default_backend() == "cpu" else count
    devices = math.gcd(count, jax.device_count())
    wanted = max(1, min(wanted, count // 16) // devices)
    return devices * max(k for k in range(1, wanted + 1) if count // devices % k == 0)
